//! The store of JSON files, on real directories.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod conformance;
