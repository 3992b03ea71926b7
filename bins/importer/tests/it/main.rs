//! Tests of the real importer on real files and a real PostgreSQL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are not covered by allow-unwrap-in-tests"
)]

mod conflicts;
mod exports;
mod files;
mod ipynb;
mod killed;
mod oddities;
mod reports;
mod roundtrip;
mod secrets;
mod support;
mod together;
mod verifies;
