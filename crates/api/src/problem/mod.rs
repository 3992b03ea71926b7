//! The error type of the API.

mod code;
mod service_error;
mod text;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use quire_domain::Revision;
use quire_service::ChangedSince;
use quire_storage::error_chain;

pub(crate) use code::Code;
pub(crate) use text::sentence;

/// An error response. The middleware writes its body and logs it.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    status: StatusCode,
    pub(crate) detail: Cow<'static, str>,
    /// The notebook's revision, when the client expected another.
    pub(crate) current_revision: Option<i64>,
    /// The changes since the revision that the client expected.
    pub(crate) changed: Option<ChangedSince>,
    /// Seconds after which the same request may succeed.
    pub(crate) retry_after: Option<u8>,
    /// The methods that the route has.
    pub(crate) allow: Option<&'static str>,
    /// Closes the connection without waiting for the rest of the request.
    pub(crate) closes: bool,
    /// The underlying error: logged, never sent.
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let (_, status, _) = code.row();
        let detail = detail.into();
        let closes = matches!(code, Code::SlowBody);
        Self {
            code,
            status,
            detail,
            current_revision: None,
            changed: None,
            retry_after: None,
            allow: None,
            closes,
            cause: None,
        }
    }

    /// Makes a problem whose detail is an error's own message.
    pub(crate) fn of(code: Code, error: &dyn fmt::Display) -> Self {
        Self::new(code, sentence(error))
    }

    /// Makes the problem of an error response of the HTTP library, from its status.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let reason = status.canonical_reason().unwrap_or("refused");
        Self { status, ..Self::new(Code::Other, format!("The request was refused: {reason}.")) }
    }

    /// Makes the problem of an invalid field of the query.
    pub(crate) fn unfit_query(field: &str, reason: &dyn fmt::Display) -> Self {
        Self::new(Code::DoesNotFit, format!("The query does not fit: `{field}`: {reason}."))
    }

    /// Makes the problem of a body with more bytes than the route allows.
    pub(crate) fn body_too_large(max_bytes: usize) -> Self {
        Self::new(Code::TooLarge, format!("The body is larger than the {max_bytes} bytes allowed."))
    }

    pub(crate) fn allowing(self, methods: &'static str) -> Self {
        Self { allow: Some(methods), ..self }
    }

    pub(crate) fn after(self, seconds: u8) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// Makes the problem of an `If-Match` whose entity tag is unknown.
    pub(crate) fn not_matching(current: Revision) -> Self {
        let detail = "The ETag in If-Match is none that this server gave out since its store was opened; read the notebook again.";
        Self { current_revision: Some(current.0), ..Self::new(Code::PreconditionFailed, detail) }
    }

    /// Converts a conflict to 412, for a revision that `If-Match` named (RFC 9110, section 13.1.1).
    pub(crate) fn of_precondition(self) -> Self {
        if self.code != Code::RevisionConflict {
            return self;
        }
        let (_, status, _) = Code::PreconditionFailed.row();
        Self { code: Code::PreconditionFailed, status, ..self }
    }

    pub(crate) fn caused_by(self, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { cause: Some(Box::new(cause)), ..self }
    }

    /// Makes the problem of a response that cannot be serialised, which no value should cause.
    pub(crate) fn unwritable(error: serde_json::Error) -> Self {
        internal(error)
    }

    /// Makes the problem of an API description that cannot be made, which only a mistake in its attributes can cause.
    pub(crate) fn undescribable(reason: String) -> Self {
        internal(std::io::Error::other(reason))
    }

    /// Returns the stable name of the code.
    pub(crate) fn name(&self) -> &'static str {
        self.code.row().0
    }

    /// Returns the chain of causes, for the log.
    pub(crate) fn chain(&self) -> Option<String> {
        self.cause.as_deref().map(|cause| error_chain(cause))
    }
}

fn internal(error: impl Error + Send + Sync + 'static) -> Problem {
    let detail = "The server failed; its log says more under this request's id.";
    Problem::new(Code::Internal, detail).caused_by(error)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    /// Makes a response without a body: the middleware, which has the request's id, writes that.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status)
    }
}
