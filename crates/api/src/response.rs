//! Routes, and responses of JSON.

use actix_web::body::MessageBody;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, Resource, Route, guard, web};
use serde::Serialize;

use crate::problem::{Code, Problem};

/// Maximum bytes given to the connection at once. It copies them, so that a larger chunk would take its memory twice.
pub(crate) const MAX_CHUNK_BYTES: usize = 64 * 1024;
/// The result of a handler.
pub(crate) type HandlerResult = Result<HttpResponse, Problem>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Makes a resource whose other methods are refused with the list of those that it has.
pub(crate) fn resource(path: &str, methods: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move || async move {
        let detail = format!("This route has the methods {methods}.");
        Err::<HttpResponse, _>(Problem::new(Code::MethodNotAllowed, detail).allowing(methods))
    }))
}

/// Makes a route for GET, and for HEAD, which is GET without the body.
pub(crate) fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Makes a JSON response of about `size` bytes.
pub(crate) fn json(size: usize, body: &impl Serialize) -> HandlerResult {
    Ok(json_bytes(render(size, body)?))
}

/// Writes JSON text of about `size` bytes.
pub(crate) fn render(size: usize, body: &impl Serialize) -> Result<Bytes, Problem> {
    let mut bytes = Vec::with_capacity(size);
    serde_json::to_writer(&mut bytes, body).map_err(Problem::unwritable)?;
    // The length of a large response is what its user is charged, so it holds no more memory than that.
    if bytes.capacity() > bytes.len() + MAX_CHUNK_BYTES {
        bytes.shrink_to_fit();
    }
    Ok(bytes.into())
}

/// Makes a response of JSON text.
pub(crate) fn json_bytes(body: impl MessageBody + 'static) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, JSON)).body(body)
}
