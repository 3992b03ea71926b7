//! Quire's own format: every past version is read, the present one is written.
//!
//! ```json
//! {
//!   "id": "…", "user_id": "…", "name": null, "db_conn_string": null, "revision": 7,
//!   "cells": [{"id": "…", "type": "python", "code": "…", "reads": [], "writes": [], "revision": 7}],
//!   "created_at": "2026-01-31T12:00:00.000000Z", "updated_at": "2026-01-31T12:00:00.000000Z"
//! }
//! ```
//!
//! `"reactive": false` is there when runs do not go on to the cells that depend on what ran.
//!
//! Unknown fields follow the known ones, in the order of the file, each value as its exact text except for characters
//! beyond ASCII, which are escaped (`\u00e9`) like everywhere in the file, because the old reader decodes by locale.
//!
//! Fields that older files lack get defaults: `revision` is 0, `reads` and `writes` are empty, a cell's `revision` is the
//! notebook's (the last edit that may have touched it), the owner comes from the file's name, times from the file's
//! modification time. A time without a zone is UTC. A byte-order mark is skipped. Where Python wrote `NaN`,
//! `Infinity` or `-Infinity`, which are not JSON, `null` is read. A last run's `stdout`, `outputs` and `error` inside a
//! cell are its results; the code that made them is not known. One of them that has another type is preserved as an
//! unknown field.
//!
//! A file that could not be preserved is refused rather than changed silently: a known field that appears twice with different values, a negative revision,
//! half a surrogate pair in code, two cells with one id, anything beyond the limits.

mod import_export;
mod read;
mod results;
mod run;
mod write;

pub(crate) use import_export::{NAN, export_within};
pub use import_export::{export, import};
pub use read::{Defaults, Parsed, read};
pub(crate) use run::RunDetails;
pub use write::{UnwritableField, write, write_with_results};
pub(crate) use write::{is_cell_field, is_notebook_field};
