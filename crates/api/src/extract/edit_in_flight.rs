//! The mark of an edit in flight.

use actix_web::HttpRequest;

use super::caller::{app_state, caller};
use crate::limiters::edits_in_flight::EditInFlight;
use crate::problem::Problem;

/// Marks the request as an edit in flight, from its head until the handler drops this.
pub(crate) struct InFlightEdit(#[expect(dead_code, reason = "it is there to be dropped")] EditInFlight);

extract_with!(InFlightEdit, |request: &HttpRequest| {
    let state = app_state(request)?;
    Ok::<_, Problem>(InFlightEdit(state.edits_in_flight.begin(&caller(request)?.0)))
});
