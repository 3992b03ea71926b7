//! The store on a real PostgreSQL.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]

mod conformance;
mod support;
