//! The store on a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod conformance;
mod history;
mod killed;
mod late_answers;
mod lost_answers;
mod round_trips;
mod support;
mod two_services;
