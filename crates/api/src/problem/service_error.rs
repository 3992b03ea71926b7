//! Problems of the service and its store.

use quire_files::ParseErrorKind;
use quire_service::ServiceError;
use quire_storage::StoreError;

use super::{Code, Problem, internal, sentence};

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
            ServiceError::TooMuchAtOnce { .. } | ServiceError::TooManyRuns => {
                Self::new(Code::TooMuchAtOnce, message).after(1)
            }
            ServiceError::Busy { .. } => Self::new(Code::ServerBusy, message).after(1),
            ServiceError::TooCostly { .. } => Self::new(Code::TooLarge, message),
            ServiceError::PasswordMasked => Self::new(Code::PasswordMasked, message),
            ServiceError::LooksSealed => Self::new(Code::DoesNotFit, message),
            ServiceError::NoSecretKey => Self::new(Code::NoSecretKey, message),
            ServiceError::NoNotebook(damage) => Self::new(parse_error_code(damage.kind), message),
            ServiceError::Contended(_) => Self::new(Code::Contended, message).after(1),
            ServiceError::KeyReused => Self::new(Code::KeyReused, message),
            ServiceError::Unfinished => Self::new(Code::OutcomeUnknown, message).after(5),
            ServiceError::ExecutionOff => Self::new(Code::ExecutionOff, message),
            ServiceError::KernelElsewhere { .. } => Self::new(Code::KernelElsewhere, message),
            ServiceError::UnknownRun(_) => Self::new(Code::UnknownRun, message),
            ServiceError::ReadOnly => Self::new(Code::ReadOnly, message).after(60),
            ServiceError::Closing => Self::new(Code::ShuttingDown, message).after(5),
            ServiceError::Store(store) => store_problem(store, message),
            other => internal(other),
        }
    }
}

/// Returns the code of a file that is no valid notebook: that of an invalid body.
fn parse_error_code(kind: ParseErrorKind) -> Code {
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
        // The record was found, and then not found: it has just expired.
        StoreError::AlreadyRecorded => Problem::new(Code::Contended, message).after(1),
        StoreError::OutcomeUnknown { .. } => Problem::new(Code::OutcomeUnknown, message).after(5).caused_by(error),
        other => internal(other),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError as _;
    use quire_domain::NotebookId;

    use super::*;

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
            assert_eq!(
                (problem.status_code().as_u16(), problem.name(), problem.retry_after),
                (status, name, retry_after)
            );
            assert_eq!(problem.detail.contains("cells.json, line 3"), told, "{problem}");
        }
        for (error, name) in [
            (ServiceError::PasswordMasked, "password_masked"),
            (ServiceError::LooksSealed, "does_not_fit"),
            (ServiceError::NoSecretKey, "no_secret_key"),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.status_code().as_u16(), problem.name(), problem.retry_after), (422, name, None));
        }
        let what = "searches";
        for (error, status, name, retry_after) in [
            (ServiceError::TooMuchAtOnce { what, waiting: 64 }, 429, "too_much_at_once", Some(1)),
            (ServiceError::Busy { what }, 503, "server_busy", Some(1)),
            (ServiceError::TooCostly { what, cost: 2, max_cost: 1 }, 413, "too_large", None),
        ] {
            let problem = Problem::from(error);
            assert_eq!(
                (problem.status_code().as_u16(), problem.name(), problem.retry_after),
                (status, name, retry_after)
            );
            assert!(problem.detail.contains(what), "{problem}");
        }
        let contended = Problem::from(ServiceError::Contended(id()));
        assert_eq!((contended.status_code().as_u16(), contended.retry_after), (503, Some(1)));
        let read_only = Problem::from(ServiceError::ReadOnly);
        assert_eq!(
            (read_only.status_code().as_u16(), read_only.name(), read_only.retry_after),
            (503, "read_only", Some(60))
        );
        let (address, since) = ("10.0.0.7:8000".to_owned(), quire_domain::Timestamp::UNIX_EPOCH);
        let elsewhere = Problem::from(ServiceError::KernelElsewhere { address, since });
        assert_eq!((elsewhere.status_code().as_u16(), elsewhere.name()), (409, "kernel_elsewhere"));
        assert!(elsewhere.detail.contains("10.0.0.7:8000"), "{elsewhere}");
        let closing = Problem::from(ServiceError::Closing);
        assert_eq!((closing.status_code().as_u16(), &*closing.detail), (503, "The server is shutting down."));
    }
}
