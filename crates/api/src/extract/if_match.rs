//! The revision at which a change may be made: `If-Match`, and `expected_revision` of the body.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, IF_MATCH};
use quire_domain::{NotebookId, Revision, UserId};
use quire_service::{Expected, KnownState, NotebookService};

use crate::etag;
use crate::problem::{Code, Problem};
use crate::wire::ExpectedRevision;

/// The condition of `If-Match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// No header, or `*`: the notebook must exist, which every change needs anyway.
    Any,
    /// An entity tag of this server's.
    One(KnownState),
    /// An entity tag of another form, or a weak one: it matches no state.
    Other,
}

/// The revision at which a change may be made, and the source of that condition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Precondition {
    pub(crate) expected: Expected,
    by_header: bool,
}

extract_with!(IfMatch, |request: &HttpRequest| if_match(request.headers()));

fn if_match(headers: &HeaderMap) -> Result<IfMatch, Problem> {
    let mut values = headers.get_all(IF_MATCH);
    let Some(value) = values.next() else { return Ok(IfMatch::Any) };
    let text = value.to_str().unwrap_or_default().trim();
    if values.next().is_some() || text.contains(',') {
        return Err(Problem::new(Code::BadRequest, "If-Match must hold one ETag."));
    }
    let is_etag = text.strip_prefix("W/").unwrap_or(text).strip_prefix('"').is_some_and(|rest| rest.ends_with('"'));
    match text {
        "*" => Ok(IfMatch::Any),
        _ if !is_etag => Err(Problem::new(Code::BadRequest, "If-Match must hold an ETag in double quotes, or *.")),
        _ => Ok(etag::parse(text).map_or(IfMatch::Other, IfMatch::One)),
    }
}

/// Reads the state that the body's `expected_revision` stands for.
fn expected_state(expected: &ExpectedRevision) -> Result<KnownState, Problem> {
    let detail = "`expected_revision` must be a number, or the text of an ETag with its quotes.";
    match expected {
        ExpectedRevision::Revision(revision) => Ok(Revision(*revision).into()),
        ExpectedRevision::ETag(text) => etag::parse(text).ok_or_else(|| Problem::new(Code::DoesNotFit, detail)),
    }
}

impl IfMatch {
    /// Combines the conditions of the header and of the body.
    pub(crate) async fn with(
        self,
        service: &NotebookService,
        (user, id): (&UserId, &NotebookId),
        expected_revision: Option<ExpectedRevision>,
        merge: Option<bool>,
    ) -> Result<Precondition, Problem> {
        let in_body = expected_revision.as_ref().map(expected_state).transpose()?;
        let by_header = self != Self::Any;
        let known = match (self, in_body) {
            (Self::Any, in_body) => in_body,
            (Self::One(known), Some(in_body))
                if known.revision != in_body.revision || in_body.life.is_some_and(|life| known.life != Some(life)) =>
            {
                let detail = "If-Match and `expected_revision` name different revisions.";
                return Err(Problem::new(Code::BadRequest, detail));
            }
            (Self::One(known), _) => Some(known),
            (Self::Other, _) => {
                // An unknown notebook, or another user's, is reported first.
                let published = service.get(user, id).await?;
                return Err(Problem::not_matching(published.notebook.revision));
            }
        };
        let expected = match (known, merge.unwrap_or_default()) {
            (Some(known), true) => Expected::Untouched(known),
            (Some(known), false) => Expected::Exactly(known),
            (None, false) => Expected::Any,
            (None, true) => {
                let detail = "`merge` needs to know what to merge with: `expected_revision` or If-Match.";
                return Err(Problem::new(Code::DoesNotFit, detail));
            }
        };
        Ok(Precondition { expected, by_header })
    }
}

impl Precondition {
    /// Converts a conflict to 412 if the condition was the header's.
    pub(crate) fn map_problem(self, problem: Problem) -> Problem {
        if self.by_header { problem.of_precondition() } else { problem }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use quire_domain::Life;

    use super::*;

    #[test]
    fn if_match_is_read_strictly() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, HeaderValue::from_str(text).unwrap());
            if_match(&headers)
        };
        let life = Life::UNRECORDED;
        let one = IfMatch::One(KnownState { revision: Revision(3), life: Some(life) });
        assert_eq!(read(&format!("\"12-3-{life}\"")).unwrap(), one);
        assert_eq!(read(" * ").unwrap(), IfMatch::Any);
        for other in ["\"\"", "\"x\"", "\"1-2\"", "\"1-2-3\"", "W/\"12-3-00000000000000000000000000000007\""] {
            assert_eq!(read(other).unwrap(), IfMatch::Other, "{other}");
        }
        for bad in ["", "3", "\"a\", \"b\"", "\"a", "a\""] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
