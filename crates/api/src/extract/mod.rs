//! Extractors: what handlers take from a request. Every failure is a [`Problem`](crate::problem::Problem).

mod body;
mod body_digest;
mod caller;
mod if_match;
mod path;
mod query;
mod receiving;

pub(crate) use body::{Body, CODE_BODY, IgnoredBody, OptionalBody, RawBody};
pub(crate) use body_digest::{BodyDigest, IDEMPOTENCY_KEY};
pub(crate) use caller::{Caller, caller};
pub(crate) use if_match::IfMatch;
pub(crate) use path::{CellPath, NotebookPath, cell_id, decode};
pub(crate) use query::Query;
pub(crate) use receiving::Received;
