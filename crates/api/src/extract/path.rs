//! Ids in paths: percent-encoded, opaque, with short names for the caller's own notebooks.

use actix_web::HttpRequest;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use quire_domain::{CellId, NotebookId};
use std::borrow::Cow;
use uuid::Uuid;

use super::caller::{app_state, caller};
use crate::problem::{Code, Problem};

/// The id of the notebook in the path, with `blank` and `demo` resolved.
pub(crate) struct NotebookPath(pub(crate) NotebookId);

/// The id of the cell in the path.
pub(crate) struct CellPath(pub(crate) CellId);

/// The id of the run in the path.
pub(crate) struct RunPath(pub(crate) Uuid);

extract_with!(NotebookPath, |request: &HttpRequest| {
    let text = segment(request, 3)?;
    Ok(NotebookPath(app_state(request)?.service.resolve(&caller(request)?.0, &text)?))
});

extract_with!(CellPath, |request: &HttpRequest| segment(request, 5).and_then(|text| cell_id(&text).map(CellPath)));

extract_with!(RunPath, |request: &HttpRequest| {
    let unknown = || Problem::new(Code::UnknownRun, "No run can have this id.");
    segment(request, 5)?.parse().map(RunPath).map_err(|_other| unknown())
});

/// Reads a cell's id. A text that is no valid id names no cell.
pub(crate) fn cell_id(text: &str) -> Result<CellId, Problem> {
    CellId::new(text).map_err(|_invalid| Problem::new(Code::UnknownCell, "No cell can have this id."))
}

/// All characters but the unreserved ones (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes an id for a path.
pub(crate) fn encode(id: &str) -> String {
    percent_encode(id.as_bytes(), RESERVED).to_string()
}

/// Returns a segment of `/api/notebooks/{3}/cells/{5}`, of the path as it was sent: the router's own decoding replaces bytes that
/// are not UTF-8, and would give another id.
fn segment(request: &HttpRequest, index: usize) -> Result<Cow<'_, str>, Problem> {
    let text = request.uri().path().split('/').nth(index).unwrap_or_default();
    decode(text).ok_or_else(|| Problem::new(Code::BadRequest, "The path is not percent-encoded UTF-8."))
}

/// Percent-decodes once; `None` when an escape is broken or the result is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    let is_escape = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !text.split('%').skip(1).all(is_escape) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn decoding_is_strict_and_happens_once() {
        let good = [("a-b", "a-b"), ("a%2Fb", "a/b"), ("%25%32%35", "%25"), ("%C3%A4", "ä"), ("a+b", "a+b")];
        for (text, decoded) in good {
            assert_eq!(decode(text).as_deref(), Some(decoded), "{text}");
        }
        for bad in ["%", "%2", "%zz", "%+1", "%ff", "%C3"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
