//! Tests of the tests' support crate, on real servers.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod bouncer;
mod databases;
mod life;
mod proxy;
mod tls;
