//! Tests of the migrator as people and deployments run it: the real process, on a real `PostgreSQL`.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on panics, its helpers too")]

mod commands;
mod concurrent;
mod generation;
mod killed;
mod reseal;
mod secrets;
mod support;
