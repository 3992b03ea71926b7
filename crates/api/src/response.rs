//! How routes are made and answered.

use actix_web::body::MessageBody;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, Resource, Route, guard, web};
use serde::Serialize;

use crate::problem::{Code, Problem};

/// Bytes given to the connection at once. It copies what it is given, so that a larger piece would be held once more.
pub(crate) const MAX_PIECE: usize = 64 * 1024;
/// What handlers return.
pub(crate) type Answer = Result<HttpResponse, Problem>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A path whose other methods are refused, naming those that it has.
pub(crate) fn resource(path: &str, methods: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move || async move {
        let detail = format!("This route has the methods {methods}.");
        Err::<HttpResponse, _>(Problem::new(Code::MethodNotAllowed, detail).allowing(methods))
    }))
}

/// A route for GET, and for HEAD, which is GET without the body.
pub(crate) fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// A JSON answer of about `size` bytes.
pub(crate) fn json(size: usize, body: &impl Serialize) -> Answer {
    Ok(json_bytes(render(size, body)?))
}

/// Something as JSON text of about `size` bytes.
pub(crate) fn render(size: usize, body: &impl Serialize) -> Result<Bytes, Problem> {
    let mut bytes = Vec::with_capacity(size);
    serde_json::to_writer(&mut bytes, body).map_err(Problem::unwritable)?;
    // What is counted of a large answer is its length, so it keeps no more than that.
    if bytes.capacity() > bytes.len() + MAX_PIECE {
        bytes.shrink_to_fit();
    }
    Ok(bytes.into())
}

/// An answer of JSON text.
pub(crate) fn json_bytes(body: impl MessageBody + 'static) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, JSON)).body(body)
}
