//! Notebooks as the text of files. Pure: bytes go in and come out, no file is opened.
//!
//! - [`quire`] is Quire's own format, which is that of older servers too: the format of a directory of notebooks.
//! - [`jupyter`] is Jupyter's `.ipynb`: versions 3 to 4.5 are read, 4.5 is written.
//! - [`import`] reads either from an untrusted source, and removes everything that could run in a page that shows it.

mod bounded;
mod fields;
pub mod jupyter;
mod position;
mod problem;
mod python;
pub mod quire;
mod safe;

use quire_domain::Notebook;

pub use crate::bounded::TooLong;
use crate::fields::Fields;
pub use crate::problem::{ParseError, ParseErrorKind};
use crate::quire::Defaults;

/// A format of notebook files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// [`quire`].
    Json,
    /// [`jupyter`].
    Ipynb,
}

/// A notebook from an untrusted source.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The notebook. Its id, owner and times are those of the file or the defaults.
    pub notebook: Notebook,
    /// Notices about changes to the file's content: clauses for people, without content.
    pub notices: Vec<String>,
}

/// Reads a notebook from an untrusted source. Without a format, the content decides: only Jupyter's has `nbformat`.
///
/// ```
/// use quire_domain::{NotebookId, Timestamp, UserId};
/// use quire_files::{Format, export, import, quire::Defaults};
///
/// let file = br#"{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}"#;
/// let (id, owner) = (Some(NotebookId::new("demo")?), UserId::new("ann")?);
/// let imported = import(file, None, &Defaults { id, owner, time: Timestamp::UNIX_EPOCH })?;
/// let text = export(&imported.notebook, Format::Json, 1024 * 1024)?;
/// assert!(text.contains("demo"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ParseError`] describes the problem and its place.
pub fn import(bytes: &[u8], format: Option<Format>, defaults: &Defaults) -> Result<Imported, ParseError> {
    match format.unwrap_or_else(|| recognise(bytes)) {
        Format::Json => quire::import(bytes, defaults),
        Format::Ipynb => jupyter::read(bytes, defaults),
    }
}

/// A notebook that cannot be written as a file.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file would be longer than it may be.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The notebook has a field that cannot be told from one of the file's own.
    #[error(transparent)]
    UnwritableField(#[from] quire::UnwritableField),
}

/// Writes a notebook as a file for its owner, with the results of runs and without the connection string. Stops when the
/// file is longer than `max_bytes`.
///
/// # Errors
/// [`ExportError`] gives the reason.
pub fn export(notebook: &Notebook, format: Format, max_bytes: usize) -> Result<String, ExportError> {
    match format {
        Format::Json => quire::export_within(notebook, max_bytes),
        Format::Ipynb => Ok(jupyter::write_within(notebook, jupyter::Identity::LeftOut, max_bytes)?),
    }
}

fn recognise(bytes: &[u8]) -> Format {
    let has_nbformat = problem::read_text(bytes, |text, found: &mut Fields<'_>| {
        fields::lenient_object(text, found).map_err(|error| problem::Problem::no_object(&error))?;
        Ok(found.iter().any(|(name, _)| name == "nbformat"))
    });
    // The reader reports a file that cannot be read.
    if matches!(has_nbformat, Ok((true, _))) { Format::Ipynb } else { Format::Json }
}
