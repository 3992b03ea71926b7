//! Tests of the public interface of the crate.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a helper that panics fails its test; clippy excuses only the test functions themselves"
)]

mod hostile;
mod limits;
mod linear;
mod magics;
mod oracle;
mod pool;
mod properties;
mod python;
mod shapes;
mod sql;
mod sql_placeholders;
