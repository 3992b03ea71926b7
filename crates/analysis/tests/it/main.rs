//! Tests of the crate from outside.

mod hostile;
mod oracle;
mod pool;
mod properties;
mod python;
mod sql;
