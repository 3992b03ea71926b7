//! Jupyter's `.ipynb`: versions 3 and 4 are read, 4.5 is written (<https://nbformat.readthedocs.io/>).
//!
//! A code cell becomes a Python cell; one that Quire wrote for an SQL cell becomes that again, by its metadata. A Markdown
//! or raw cell becomes a Python cell of comments under a first line that says so (`text`). Of each cell's outputs what
//! Quire can show becomes its results (`outputs`). Everything else that is in the file is kept, once, in the unknown field
//! `jupyter` of notebook and cells (`kept`), so that writing it again gives the same notebook.
//!
//! What is not the same then, and nothing else, for a notebook of version 4:
//!
//! 1. It is version 4.5, or later if it was.
//! 2. Cells have ids; new ones take the place of invalid ones and of all but the first of several that are equal.
//! 3. Fields that the format demands are there: `metadata`, `outputs`, `execution_count` and the `name` and `metadata` of
//!    outputs.
//! 4. Texts that may be written as one string or as a list of lines are lists of lines.
//! 5. `NaN` and `Infinity`, which are not JSON, are null.
//! 6. The HTML that Quire shows is without what could run, as are Vega-Lite charts without options for the program that draws them; a
//!    picture that is shown and is not base 64 is gone, and so is HTML that is no text.
//!
//! Version 3 becomes version 4 as Jupyter itself does it: worksheets are joined, headings become Markdown, and fields and
//! types of outputs take their new names (`v3`).
//!
//! Once a cell's code or results are others than those that were read, the outputs that were kept are no longer its own: it
//! is then written with the outputs that its results have.

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
