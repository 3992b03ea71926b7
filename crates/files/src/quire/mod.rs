//! Quire's own format: reading every past shape, writing the present one.
//!
//! ```json
//! {
//!   "id": "…", "user_id": "…", "name": null, "db_conn_string": null, "revision": 7,
//!   "cells": [{"id": "…", "type": "python", "code": "…", "reads": [], "writes": [], "revision": 7}],
//!   "created_at": "2026-01-31T12:00:00.000000Z", "updated_at": "2026-01-31T12:00:00.000000Z"
//! }
//! ```
//!
//! Fields that we don't know follow ours, in the order they were found, each value as its exact text but for characters
//! beyond ASCII, which are escaped (`\u00e9`) like everywhere in the file, because the old reader decodes by locale.
//!
//! What older files lack is filled in: `revision` is 0, `reads` and `writes` are empty, a cell's `revision` is the
//! notebook's (the last edit that may have touched it), the owner comes from the file's name, times from the file's
//! modification time. A time without a zone is UTC. A byte-order mark is skipped. Where Python wrote `NaN`,
//! `Infinity` or `-Infinity`, which are not JSON, we read `null`. A last run's `stdout`, `outputs` and `error` inside a
//! cell are its results; which code made them is not known. One of them that has another shape is kept as a field that
//! we don't know.
//!
//! What cannot be kept is refused rather than changed unseen: a field of ours that appears twice, a negative revision,
//! half a surrogate pair in code, two cells with one id, anything beyond the limits.

mod exchange;
mod read;
mod results;
mod write;

pub(crate) use exchange::{NAN, export_within, read_digest, write_run};
pub use exchange::{export, import};
pub use read::{Defaults, Parsed, read};
pub use write::{UnwritableField, write, write_with_results};
pub(crate) use write::{is_cell_field, is_notebook_field};
