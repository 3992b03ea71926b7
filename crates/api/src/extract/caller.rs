//! The caller and the state of the application, as the middleware leaves them with a request.

use actix_web::{HttpMessage as _, HttpRequest, web};
use quire_domain::UserId;

use crate::app_state::AppState;
use crate::problem::{Code, Problem};

/// The signed-in user of a request. Only the guard puts one into a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) UserId);

extract_with!(Caller, caller);

/// Returns the caller that the guard has put into the request.
pub(crate) fn caller(request: &HttpRequest) -> Result<Caller, Problem> {
    request.extensions().get::<Caller>().cloned().ok_or_else(unreachable_state)
}

/// Returns the state that all requests share.
pub(crate) fn app_state(request: &HttpRequest) -> Result<&AppState, Problem> {
    request.app_data::<web::Data<AppState>>().map(web::Data::get_ref).ok_or_else(unreachable_state)
}

/// The error of a request without a caller or state, which the application never passes to a handler.
fn unreachable_state() -> Problem {
    Problem::new(Code::Internal, "The server is not set up.")
}
