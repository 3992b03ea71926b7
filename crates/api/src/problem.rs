//! The one error type of the API.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use quire_domain::Revision;
use quire_files::ParseErrorKind;
use quire_service::{ChangedCell, ChangedSince, ServiceError};
use quire_storage::{StoreError, error_chain};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::AuthError;
pub(crate) use crate::code::Code;
use crate::openapi::CodeName;
use crate::wire::{ChangedOut, List};

/// An error on its way to the client. [`crate::envelope`] renders and logs it.
#[derive(Debug)]
pub(crate) struct Problem {
    code: Code,
    status: StatusCode,
    detail: Cow<'static, str>,
    /// What the notebook's revision is, when the client expected another.
    current_revision: Option<i64>,
    /// What is different since the revision that the client expected.
    changed: Option<ChangedSince>,
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

    fn caused_by(self, cause: impl Error + Send + Sync + 'static) -> Self {
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
    pub(crate) fn chain(&self) -> Option<String> {
        self.cause.as_deref().map(|cause| error_chain(cause))
    }

    /// The body of the answer.
    pub(crate) fn body(&self, request_id: &str) -> Vec<u8> {
        let (code, _, title) = self.code.row();
        let body = Body {
            r#type: format_args!("urn:quire:problem:{code}"),
            title,
            status: self.status.as_u16(),
            detail: &self.detail,
            code,
            request_id,
            current_revision: self.current_revision,
            changed_cells: self.changed.as_ref().map(|changed| List(changed.cells.as_slice())),
            changed_cells_complete: self.changed.as_ref().map(|changed| changed.complete),
        };
        serde_json::to_vec(&body).unwrap_or_default() // a struct of texts and numbers always serialises
    }
}

/// An error (RFC 9457), with members of Quire's at the end.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Body<'a> {
    /// `urn:quire:problem:` and the code.
    #[schema(value_type = String, example = "urn:quire:problem:unknown_notebook")]
    r#type: fmt::Arguments<'a>,
    /// The code in words.
    title: &'a str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// A sentence for people; it may change.
    detail: &'a str,
    /// What went wrong, for programs; it does not change.
    #[schema(value_type = CodeName)]
    code: &'a str,
    /// What the log calls the request; also in `X-Request-Id`.
    request_id: &'a str,
    /// The notebook's revision, when the request expected another.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    current_revision: Option<i64>,
    /// The cells that were made, changed, moved or deleted since the revision that the request expected.
    #[schema(value_type = Vec<ChangedOut>, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_cells: Option<List<&'a [ChangedCell]>>,
    /// Whether `changed_cells` has all deletions.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_cells_complete: Option<bool>,
}

/// An error's message as a sentence for people: our errors are lower case without a full stop.
pub(crate) fn sentence(error: &dyn fmt::Display) -> String {
    let text = error.to_string();
    let mut rest = text.chars();
    let mut sentence: String = rest.next().into_iter().flat_map(char::to_uppercase).collect();
    sentence.push_str(rest.as_str());
    sentence.push('.');
    sentence
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let message = sentence(&error);
        match error {
            ServiceError::UnknownNotebook(_) => Self::new(Code::UnknownNotebook, message),
            ServiceError::Foreign(_) => Self::new(Code::ForeignNotebook, message),
            ServiceError::UnknownCell(_) => Self::new(Code::UnknownCell, message),
            ServiceError::Conflict { current, changed, .. } => Self {
                current_revision: Some(current.0),
                changed: Some(changed),
                ..Self::new(Code::RevisionConflict, message)
            },
            ServiceError::Invalid(_)
            | ServiceError::InvalidId(_)
            | ServiceError::LastRevision
            | ServiceError::NotebookTooLarge { .. } => Self::new(Code::BeyondLimit, message),
            ServiceError::MemoryFull => Self::new(Code::MemoryFull, message).after(5),
            ServiceError::OverQuota { .. } => Self::new(Code::OverQuota, message),
            ServiceError::TooMuchAtOnce { .. } => Self::new(Code::TooMuchAtOnce, message).after(1),
            ServiceError::Busy { .. } => Self::new(Code::ServerBusy, message).after(1),
            ServiceError::TooCostly { .. } => Self::new(Code::TooLarge, message),
            ServiceError::PasswordMasked => Self::new(Code::PasswordMasked, message),
            ServiceError::LooksSealed => Self::new(Code::DoesNotFit, message),
            ServiceError::NoSecretKey => Self::new(Code::NoSecretKey, message),
            ServiceError::NoNotebook(damage) => Self::new(of_damage(damage.kind), message),
            ServiceError::Contended(_) => Self::new(Code::Contended, message).after(1),
            ServiceError::KeyReused => Self::new(Code::KeyReused, message),
            ServiceError::Unfinished => Self::new(Code::OutcomeUnknown, message).after(5),
            ServiceError::ReadOnly => Self::new(Code::ReadOnly, message).after(60),
            ServiceError::Closing => Self::new(Code::ShuttingDown, message).after(5),
            ServiceError::Store(store) => store_problem(store, message),
            other => internal(other),
        }
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let message = sentence(&error);
        match error {
            AuthError::Missing => Self::new(Code::NotSignedIn, message),
            AuthError::Refused(refusal) => Self::new(Code::BadToken, message).caused_by(refusal),
            AuthError::Inactive => Self::new(Code::InactiveUser, message),
            AuthError::NoKeys => Self::new(Code::SignInUnavailable, message).after(10),
            AuthError::NoDirectory(store) => Self::new(Code::SignInUnavailable, message).after(5).caused_by(store),
        }
    }
}

/// What a file that is no notebook is called: as a body that is none.
fn of_damage(kind: ParseErrorKind) -> Code {
    match kind {
        ParseErrorKind::Syntax => Code::MalformedJson,
        ParseErrorKind::Shape => Code::DoesNotFit,
        ParseErrorKind::Limit => Code::BeyondLimit,
    }
}

fn store_problem(error: StoreError, message: String) -> Problem {
    match error {
        StoreError::NotFound { .. } => Problem::new(Code::UnknownNotebook, message),
        StoreError::Damaged { .. } => Problem::new(Code::NotebookDamaged, message).caused_by(error),
        StoreError::Full { .. } => Problem::new(Code::StorageFull, message).caused_by(error),
        // The reason may name what only the operator should know.
        StoreError::Overloaded { .. } => {
            Problem::new(Code::StoreOverloaded, "The notebook store has too much to do; try again in a moment.")
                .after(1)
                .caused_by(error)
        }
        StoreError::Unavailable { .. } => {
            Problem::new(Code::StoreUnavailable, "The notebook store is not available; try again in a moment.")
                .after(5)
                .caused_by(error)
        }
        // Its answer was kept, and then not found: it has just expired.
        StoreError::AlreadyRecorded => Problem::new(Code::Contended, message).after(1),
        StoreError::OutcomeUnknown { .. } => Problem::new(Code::OutcomeUnknown, message).after(5).caused_by(error),
        other => internal(other),
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

#[cfg(test)]
mod tests {
    use super::*;
    use quire_domain::NotebookId;

    #[test]
    fn what_is_internal_stays_inside() {
        let source = std::io::Error::other("/secret/place");
        let store = StoreError::Backend { action: "read notebook demo".to_owned(), source: Box::new(source) };
        let problem = Problem::from(ServiceError::Store(store));
        let body = String::from_utf8(problem.body("r-1")).unwrap();
        assert!(!body.contains("secret") && !body.contains("demo"), "{body}");
        assert!(body.contains(r#""request_id":"r-1""#), "{body}");
        let chain = problem.chain().unwrap();
        assert_eq!(chain, "the notebook store failed to read notebook demo: /secret/place");
    }

    #[test]
    fn every_failure_has_its_status() {
        let id = || NotebookId::new("n").unwrap();
        let reason = || "cells.json, line 3".to_owned();
        let cases: [(StoreError, u16, &str, Option<u8>); 7] = [
            (StoreError::NotFound { id: id() }, 404, "unknown_notebook", None),
            (StoreError::Damaged { id: id(), reason: reason() }, 500, "notebook_damaged", None),
            (StoreError::Full { id: id(), reason: reason() }, 507, "storage_full", None),
            (StoreError::Unavailable { reason: reason(), source: None }, 503, "store_unavailable", Some(5)),
            (StoreError::Overloaded { reason: reason(), source: None }, 503, "store_overloaded", Some(1)),
            (StoreError::OutcomeUnknown { id: id() }, 503, "outcome_unknown", Some(5)),
            (StoreError::AlreadyExists { id: id() }, 500, "internal", None),
        ];
        for (error, status, name, retry_after) in cases {
            let told = matches!(error, StoreError::Damaged { .. } | StoreError::Full { .. });
            let problem = Problem::from(ServiceError::Store(error));
            assert_eq!((problem.status.as_u16(), problem.name(), problem.retry_after), (status, name, retry_after));
            let body = String::from_utf8(problem.body("r")).unwrap();
            assert_eq!(body.contains("cells.json, line 3"), told, "{body}");
        }
        for (error, name) in [
            (ServiceError::PasswordMasked, "password_masked"),
            (ServiceError::LooksSealed, "does_not_fit"),
            (ServiceError::NoSecretKey, "no_secret_key"),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.status.as_u16(), problem.name(), problem.retry_after), (422, name, None));
        }
        let what = "searches";
        for (error, status, name, retry_after) in [
            (ServiceError::TooMuchAtOnce { what, waiting: 64 }, 429, "too_much_at_once", Some(1)),
            (ServiceError::Busy { what }, 503, "server_busy", Some(1)),
            (ServiceError::TooCostly { what, cost: 2, max_cost: 1 }, 413, "too_large", None),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.status.as_u16(), problem.name(), problem.retry_after), (status, name, retry_after));
            assert!(problem.detail.contains(what), "{problem}");
        }
        let contended = Problem::from(ServiceError::Contended(id()));
        assert_eq!((contended.status.as_u16(), contended.retry_after), (503, Some(1)));
        let read_only = Problem::from(ServiceError::ReadOnly);
        assert_eq!((read_only.status.as_u16(), read_only.name(), read_only.retry_after), (503, "read_only", Some(60)));
        let closing = Problem::from(ServiceError::Closing);
        assert_eq!((closing.status.as_u16(), &*closing.detail), (503, "The server is shutting down."));
    }
}
