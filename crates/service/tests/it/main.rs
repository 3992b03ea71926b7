//! The service over the real JSON store, with failures injected between the two.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are not covered by allow-unwrap-in-tests"
)]

mod conflicts;
mod connection;
mod editing;
mod failures;
mod fairness;
mod idempotency;
mod import_export;
mod lifecycle;
mod listing;
mod lookups;
mod memory;
mod ownership;
mod quota;
mod read_only;
mod responding;
mod resuming;
mod room;
mod running;
mod support;
mod watching;
