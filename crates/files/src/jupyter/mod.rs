#![doc = include_str!("../../../../docs/jupyter.md")]

mod cell;
mod errors;
mod ids;
mod lines;
mod metadata;
mod outputs;
mod pictures;
mod preserved;
mod pretty;
mod read;
mod reading;
mod text;
mod v3;
mod valid;
mod write;

pub(crate) use outputs::preserved_outputs;
pub use read::{noted_id, read};
pub(crate) use write::write_within;
pub use write::{Identity, write};

/// The field in which Jupyter's metadata of notebook and cells hold what is ours, and an unknown field of a Quire
/// notebook what is Jupyter's.
const QUIRE: &str = "quire";
pub(crate) const JUPYTER: &str = "jupyter";
