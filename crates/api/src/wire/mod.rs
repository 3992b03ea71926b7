//! Wire types: JSON bodies of requests and responses, apart from the domain's own types, so that neither binds the other.

mod names;
mod notebook;
mod requests;

pub(crate) use names::*;
pub(crate) use notebook::*;
pub(crate) use requests::*;
