//! The store of JSON files, on real directories.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]

mod conformance;
mod crash;
mod damaged;
mod full;
mod health;
mod idempotency;
mod index;
mod locking;
mod names;
mod old_files;
mod old_reader;
mod outside;
mod properties;
mod removed;
mod results;
mod support;
