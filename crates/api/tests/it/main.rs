//! The API in process, over the real file store in a directory of its own for each test.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail by panicking, like tests")]

mod arranging;
mod cells;
mod conflicts;
mod cors;
mod described;
mod fuzz;
mod guard;
mod health;
mod held;
mod idempotency;
mod import_export;
mod layers;
mod limits;
mod lists;
mod notebooks;
mod old_client;
mod openapi;
mod pages;
mod routing;
mod search;
mod secrets;
mod sign_in;
mod stale;
mod support;
mod timeouts;
mod ws_clerk;
mod ws_client;
mod ws_events;
mod ws_limits;
mod ws_load;
mod ws_resume;
mod ws_sign_in;
