//! The body of an error.

use std::fmt;

use actix_web::ResponseError as _;
use quire_domain::Revision;
use quire_service::ChangedCell;
use serde::Serialize as DeriveSerialize;
use serde::ser::{Serialize, Serializer};
use utoipa::ToSchema;

use super::list::List;
use super::names::CodeName;
use crate::problem::Problem;

/// Writes the body of a problem.
pub(crate) fn problem_body(problem: &Problem, request_id: &str) -> Vec<u8> {
    let (code, _, title) = problem.code.row();
    let body = ProblemOut {
        r#type: format_args!("urn:quire:problem:{code}"),
        title,
        status: problem.status_code().as_u16(),
        detail: &problem.detail,
        code,
        request_id,
        current_revision: problem.current_revision,
        changed_cells: problem.changed.as_ref().map(|changed| List(changed.cells.as_slice())),
        changed_cells_complete: problem.changed.as_ref().map(|changed| changed.complete),
    };
    serde_json::to_vec(&body).unwrap_or_default() // a struct of texts and numbers always serialises
}

/// An error (RFC 9457), followed by fields of Quire.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemOut<'a> {
    /// `urn:quire:problem:` and the code.
    #[schema(value_type = String, example = "urn:quire:problem:unknown_notebook")]
    r#type: fmt::Arguments<'a>,
    /// The code in words.
    title: &'a str,
    /// The status of the response.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// A sentence for people. Its wording may change.
    detail: &'a str,
    /// The error code, for programs. It does not change.
    #[schema(value_type = CodeName)]
    code: &'a str,
    /// The id of the request in the server's log; also in `X-Request-Id`.
    request_id: &'a str,
    /// The notebook's revision, when the request expected another.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    current_revision: Option<i64>,
    /// The cells that were created, changed, moved or deleted since the revision that the request expected.
    #[schema(value_type = Vec<ChangedOut>, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_cells: Option<List<&'a [ChangedCell]>>,
    /// `false` if `changed_cells` may lack deletions.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_cells_complete: Option<bool>,
}

/// A cell that has changed.
#[derive(DeriveSerialize, ToSchema)]
#[schema(as = ChangedCell)]
pub(crate) struct ChangedOut<'a> {
    cell_id: &'a str,
    /// The revision of its last change.
    #[schema(value_type = i64, minimum = 0)]
    revision: Revision,
    /// `true` if the cell was deleted.
    deleted: bool,
}

impl Serialize for List<&[ChangedCell]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|ChangedCell { id, revision, deleted }| ChangedOut {
            cell_id: id.as_str(),
            revision: *revision,
            deleted: *deleted,
        }))
    }
}

#[cfg(test)]
mod tests {
    use quire_service::ServiceError;
    use quire_storage::StoreError;

    use super::*;

    #[test]
    fn what_is_internal_stays_inside() {
        let source = std::io::Error::other("/secret/place");
        let store = StoreError::Backend { action: "read notebook demo".to_owned(), source: Box::new(source) };
        let problem = Problem::from(ServiceError::Store(store));
        let body = String::from_utf8(problem_body(&problem, "r-1")).unwrap();
        assert!(!body.contains("secret") && !body.contains("demo"), "{body}");
        assert!(body.contains(r#""request_id":"r-1""#), "{body}");
        let chain = problem.chain().unwrap();
        assert_eq!(chain, "the notebook store failed to read notebook demo: /secret/place");
    }
}
