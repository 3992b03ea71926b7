//! Tests of the real binary over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail by panicking, like tests")]

mod connection_limits;
mod database;
mod read_only;
mod secrets;
mod servers;
mod sign_in;
mod sockets;
mod start;
mod stop;
mod story;
mod support;
mod unread;
