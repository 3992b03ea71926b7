//! Extractors: what handlers take from a request. Every failure is a [`Problem`](crate::problem::Problem).

/// Implements an extractor that reads only the head of a request, by a function of the request.
macro_rules! extract_with {
    ($type:ty, $extract:expr) => {
        impl actix_web::FromRequest for $type {
            type Error = crate::problem::Problem;
            type Future = std::future::Ready<Result<Self, Self::Error>>;

            fn from_request(request: &actix_web::HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
                std::future::ready($extract(request))
            }
        }
    };
}
pub(crate) use extract_with;

mod body;
mod body_digest;
mod caller;
mod edit_in_flight;
mod if_match;
mod path;
mod query;
mod receiving;

pub(crate) use body::{Body, CODE_BODY, IgnoredBody, OptionalBody, RawBody};
pub(crate) use body_digest::{BodyDigest, IDEMPOTENCY_KEY};
pub(crate) use caller::{Caller, caller};
pub(crate) use edit_in_flight::InFlightEdit;
pub(crate) use if_match::IfMatch;
pub(crate) use path::{CellPath, NotebookPath, RunPath, cell_id, decode, encode};
pub(crate) use query::Query;
pub(crate) use receiving::Received;
