//! The store on a real PostgreSQL.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]

mod conformance;
mod exactness;
mod fresh;
mod given;
mod kernels;
mod killed;
mod late_responses;
mod limits;
mod lost_responses;
mod partitioned;
mod pooler;
mod pressure;
mod pruning;
mod refusals;
mod round_trips;
mod servers;
mod signing_in;
mod silence;
mod support;
mod two_services;
mod users;
