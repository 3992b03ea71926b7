#![doc = include_str!("../../../../docs/jupyter.md")]

mod ids;
mod kept;
mod lines;
mod outputs;
mod pretty;
mod read;
mod text;
mod v3;
mod write;

pub use read::{noted_id, read};
pub use write::{Identity, write};

/// The field in which Jupyter's metadata of notebook and cells hold what is ours, and an unknown field of a Quire
/// notebook what is Jupyter's.
const QUIRE: &str = "quire";
const JUPYTER: &str = "jupyter";
