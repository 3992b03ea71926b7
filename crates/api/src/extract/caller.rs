//! The caller and the state of the application, as the middleware leaves them with a request.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use quire_domain::UserId;

use crate::app_state::AppState;
use crate::problem::{Code, Problem};

/// The caller's identity, proven: what handlers take. Only the guard makes one.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) UserId);

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request))
    }
}

/// Who is calling, as the guard found.
pub(crate) fn caller(request: &HttpRequest) -> Result<Caller, Problem> {
    request.extensions().get::<Caller>().cloned().ok_or_else(unreachable_state)
}

/// What all handlers share.
pub(crate) fn shared(request: &HttpRequest) -> Result<&AppState, Problem> {
    request.app_data::<web::Data<AppState>>().map(web::Data::get_ref).ok_or_else(unreachable_state)
}

/// The application always has the guard and the shared state; a request without them is refused all the same.
fn unreachable_state() -> Problem {
    Problem::new(Code::Internal, "The server is not set up.")
}
