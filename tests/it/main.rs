//! Tests of the whole product: the real server, real files, real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are not covered by allow-unwrap-in-tests"
)]

mod crash;
mod full_disk;
mod histories;
mod hostile_neighbour;
mod legacy_directory;
mod monitoring;
mod operations;
mod restores;
mod retries;
mod running;
mod secrets;
mod two_servers;
