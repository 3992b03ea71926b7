//! A body while it is received, and how much room it may take.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use quire_domain::limits;

use super::caller::{Caller, caller, shared};
use crate::limiters::byte_budget::{ByteBudget, Exceeded, Hold};
use crate::problem::{Code, Problem};
use crate::settings::ByteLimit;

/// Bytes of a body that holds some short values, whichever way they are escaped.
pub(crate) const SMALL_BODY: usize = 64 * 1024;
/// What some editors and Windows programs put before JSON in UTF-8; it says nothing.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Maximum characters of an encoding's name that an answer repeats.
const MAX_SHOWN_ENCODING: usize = 40;

/// A body that has come whole. Its bytes count until this is dropped.
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) hold: Hold,
}

/// A body that is being received. Its first bytes cost nothing, so that large bodies of others do not keep small ones out.
pub(crate) struct Receiving {
    /// The bytes so far; nothing once they are more than the route takes, or than there is room for.
    kept: Option<Received>,
    length: usize,
    /// Bytes that the route takes.
    most: usize,
    /// Bytes that the client has announced, as far as that can be believed.
    announced: usize,
    refusal: Option<Problem>,
    limit: ByteLimit,
}

impl Receiving {
    /// A body of which nothing has come, and the time that it may take.
    pub(crate) fn begin(request: &HttpRequest, most: usize) -> Result<(Self, Duration), Problem> {
        let Caller(user) = caller(request)?;
        let shared = shared(request)?;
        let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let budget: &Arc<ByteBudget> = &shared.body_bytes;
        // A body that means nothing may be anything.
        let refusal = if most > 0 { encoding(request).as_deref().map(encoded_body) } else { None };
        let receiving = Self {
            kept: refusal.is_none().then(|| Received { bytes: Vec::new(), hold: budget.open(&user) }),
            length: 0,
            most,
            announced: announced.unwrap_or(limits::BODY_BYTES),
            refusal,
            limit: shared.settings.body_bytes,
        };
        Ok((receiving, shared.settings.body_timeout))
    }

    /// Takes the next bytes in.
    pub(crate) fn add(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        self.length += chunk.len();
        if self.length > limits::BODY_BYTES {
            return Err(Problem::body_too_large(limits::BODY_BYTES));
        }
        self.kept = self.kept.take().filter(|_| self.length <= self.most);
        if let Some(kept) = &mut self.kept {
            match kept.make_room(self.length, self.announced) {
                Ok(()) => kept.bytes.extend_from_slice(chunk),
                Err(exceeded) => {
                    self.refusal = Some(exceeded.problem("The bodies of requests", self.limit));
                    self.kept = None;
                }
            }
        }
        Ok(())
    }

    /// The whole body; nothing if it has more bytes than the route takes.
    pub(crate) fn end(mut self) -> Result<Option<Received>, Problem> {
        if let Some(kept) = &mut self.kept
            && kept.bytes.starts_with(BYTE_ORDER_MARK)
        {
            kept.bytes.drain(..BYTE_ORDER_MARK.len());
        }
        self.refusal.map_or(Ok(self.kept), Err)
    }
}

/// The encoding of the body, if it has one (RFC 9110, section 8.4).
fn encoding(request: &HttpRequest) -> Option<String> {
    let values = request.headers().get_all(CONTENT_ENCODING).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let is_encoding = |one: &str| !one.trim().is_empty() && !one.trim().eq_ignore_ascii_case("identity");
    let mut lists = values.filter(|list| list.split(',').any(is_encoding));
    lists.next().map(|list| list.trim().to_owned())
}

fn encoded_body(encoding: &str) -> Problem {
    let shown: String = encoding.chars().take(MAX_SHOWN_ENCODING).collect();
    Problem::new(
        Code::EncodedBody,
        format!(
            "The body has the encoding {shown:?} (Content-Encoding), and this server takes none: send it as it is."
        ),
    )
}

impl Received {
    /// Makes room for so many bytes in all, and counts it before it is taken.
    fn make_room(&mut self, length: usize, announced: usize) -> Result<(), Exceeded> {
        if length <= self.bytes.capacity() {
            return Ok(());
        }
        let room = (2 * self.bytes.capacity()).min(announced).max(length);
        if room > SMALL_BODY {
            self.hold.grow_to(room)?;
        }
        self.bytes.reserve_exact(room - self.bytes.len());
        Ok(())
    }
}
