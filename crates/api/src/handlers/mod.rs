//! Request handlers, one file for each group of routes. A handler extracts, makes one call of the service, and maps its result.

pub(crate) mod cells;
pub(crate) mod graph;
pub(crate) mod health;
pub(crate) mod import_export;
mod notebook_stream;
pub(crate) mod notebooks;
pub(crate) mod pages;
pub(crate) mod runs;
pub(crate) mod search;
