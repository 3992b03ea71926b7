//! The schema's steps and their runner, on a real `PostgreSQL`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics, its helpers too")]

mod check;
mod constraints;
mod interrupted;
mod locks;
mod roles;
mod script;
mod state;
mod steps;
mod support;
