//! The store on a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod conformance;
mod support;
