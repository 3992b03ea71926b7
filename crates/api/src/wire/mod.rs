//! Wire types: JSON bodies of requests and responses, apart from the domain's own types, so that neither binds the other.

mod edits;
mod graph;
mod health;
mod import_export;
mod list;
mod names;
mod notebook;
mod notebook_list;
mod problem;
mod requests;
mod runs;
mod search;

pub(crate) use edits::*;
pub(crate) use graph::*;
pub(crate) use health::*;
pub(crate) use import_export::*;
pub(crate) use list::*;
pub(crate) use names::*;
pub(crate) use notebook::*;
pub(crate) use notebook_list::*;
pub(crate) use problem::*;
pub(crate) use requests::*;
pub(crate) use runs::*;
pub(crate) use search::*;
