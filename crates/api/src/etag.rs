//! Entity tags (`ETag`), and conditional reads (`If-None-Match`).
//!
//! A tag is `"<version>-<revision>-<life>"`. A version is never used twice within one life of a notebook, so that equal tags mean
//! equal notebooks; but the server that runs a cell shows it as `running`, and one that does not, or starts again, as `idle`, so the first
//! adds `-running`. `If-Match` compares revision and life: the results of a run make a new version, which conflicts with no edit,
//! but a notebook that was deleted and created again has another life.

use actix_web::HttpResponse;
use actix_web::http::header::{ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use quire_domain::{Life, Revision};
use quire_service::{KnownState, NotebookView, Published};

/// End of the entity tag of a notebook with a cell that is running.
const RUNNING: &str = "-running";

/// The header `If-None-Match` in the descriptions of handlers, which read it with [`not_modified`].
pub(crate) struct IfNoneMatch;

/// Returns the entity tag of a notebook as it is shown. There is none while the store is away, so that the response says that it
/// may be out of date, instead of 304, nor while cells run, whose results so far have no version.
pub(crate) fn of(view: &NotebookView) -> Option<HeaderValue> {
    if view.is_stale || view.has_live_results {
        return None;
    }
    let Published { notebook, version, .. } = &*view.published;
    let (version, revision, life) = (version.0, notebook.revision, notebook.life);
    let running = if view.published.is_running() { RUNNING } else { "" };
    HeaderValue::from_str(&format!("\"{version}-{revision}-{life}{running}\"")).ok()
}

/// Returns 304 if the client already has the state of this entity tag.
pub(crate) fn not_modified(headers: &HeaderMap, etag: Option<&HeaderValue>) -> Option<HttpResponse> {
    let etag = etag.filter(|etag| is_known(headers, etag))?;
    Some(HttpResponse::NotModified().insert_header((ETAG, etag.clone())).finish())
}

fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let mut tags = headers.get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    // Tags of this server hold no comma, and a proxy may have made them weak (RFC 9110, section 13.1.2).
    tags.any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag.as_bytes()
    })
}

/// Reads an entity tag of this server's.
pub(crate) fn parse(text: &str) -> Option<KnownState> {
    let mut parts = text.strip_prefix('"')?.strip_suffix('"')?.split('-');
    let _version: i64 = parts.next()?.parse().ok()?;
    let revision = Revision(parts.next()?.parse().ok()?);
    let life: Life = parts.next()?.parse().ok()?;
    let is_ours = matches!((parts.next(), parts.next()), (None | Some("running"), None));
    is_ours.then_some(KnownState { revision, life: Some(life) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_none_match_takes_any_of_a_list() {
        let etag = HeaderValue::from_static("\"1-2-3\"");
        let known = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(text));
            is_known(&headers, &etag)
        };
        for yes in ["\"1-2-3\"", "\"x\", \"1-2-3\"", "W/\"1-2-3\"", "*"] {
            assert!(known(yes), "{yes}");
        }
        for no in ["", "\"x\"", "1-2-3", "\"1-2-4\""] {
            assert!(!known(no), "{no}");
        }
    }

    #[test]
    fn the_tag_of_a_notebook_with_a_running_cell_names_the_same_state() {
        let life = Life::UNRECORDED;
        let known = KnownState { revision: Revision(2), life: Some(life) };
        for text in [format!("\"1-2-{life}\""), format!("\"1-2-{life}{RUNNING}\"")] {
            assert_eq!(parse(&text), Some(known), "{text}");
        }
        for text in [format!("\"1-2-{life}-x\""), format!("\"1-2-{life}{RUNNING}-x\""), format!("\"1-2-{life}-\"")] {
            assert_eq!(parse(&text), None, "{text}");
        }
    }
}
