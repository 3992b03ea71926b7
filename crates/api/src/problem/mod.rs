//! The one error type of the API.

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

pub(crate) use code::Code;
pub(crate) use text::{Chain, sentence};

/// An error on its way to the client. [`crate::middleware`] renders and logs it.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    status: StatusCode,
    pub(crate) detail: Cow<'static, str>,
    /// What the notebook's revision is, when the client expected another.
    pub(crate) current_revision: Option<i64>,
    /// What is different since the revision that the client expected.
    pub(crate) changed: Option<ChangedSince>,
    /// After how many seconds the same request may succeed.
    pub(crate) retry_after: Option<u8>,
    /// The methods that the route has.
    pub(crate) allow: Option<&'static str>,
    /// Whether the rest of the request must not be waited for.
    pub(crate) closes: bool,
    /// What happened beneath: logged, never sent.
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

    /// A problem whose detail is an error's own message.
    pub(crate) fn of(code: Code, error: &dyn fmt::Display) -> Self {
        Self::new(code, sentence(error))
    }

    /// An error answer that the HTTP library made, by its status.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let reason = status.canonical_reason().unwrap_or("refused");
        Self { status, ..Self::new(Code::Other, format!("The request was refused: {reason}.")) }
    }

    /// A field of the query that does not fit.
    pub(crate) fn unfit_query(field: &str, reason: &dyn fmt::Display) -> Self {
        Self::new(Code::DoesNotFit, format!("The query does not fit: `{field}`: {reason}."))
    }

    /// A body with more bytes than the route takes.
    pub(crate) fn body_too_large(max_bytes: usize) -> Self {
        Self::new(Code::TooLarge, format!("The body is larger than the {max_bytes} bytes allowed."))
    }

    pub(crate) fn allowing(self, methods: &'static str) -> Self {
        Self { allow: Some(methods), ..self }
    }

    pub(crate) fn after(self, seconds: u8) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// What is different from what an `If-Match` says.
    pub(crate) fn not_matching(current: Revision) -> Self {
        let detail = "The ETag in If-Match is none that this server gave out since its store was opened; read the notebook again.";
        Self { current_revision: Some(current.0), ..Self::new(Code::PreconditionFailed, detail) }
    }

    /// The same problem where it was `If-Match` that named the revision (RFC 9110, section 13.1.1).
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

    /// The answer could not be written, which no value of ours should cause.
    pub(crate) fn unwritable(error: serde_json::Error) -> Self {
        internal(error)
    }

    /// The API's description could not be made, which only a mistake in its attributes can cause.
    pub(crate) fn undescribable(reason: String) -> Self {
        internal(std::io::Error::other(reason))
    }

    /// The stable name.
    pub(crate) fn name(&self) -> &'static str {
        self.code.row().0
    }

    /// The chain of causes, for the log.
    pub(crate) fn chain(&self) -> Option<Chain<'_>> {
        self.cause.as_deref().map(|cause| Chain(cause))
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

    /// The status alone: the envelope, which knows the request's id, puts the body in.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status)
    }
}
