//! The tables as SeaORM sees them, one file each; `tests.rs` compares them with the schema that the migration makes.

pub(crate) mod cell_outputs;
pub(crate) mod cells;
pub(crate) mod idempotency_keys;
pub(crate) mod kernels;
pub(crate) mod notebooks;
pub(crate) mod servers;
pub(crate) mod users;
pub(crate) mod write_probe;

#[cfg(test)]
mod tests;
