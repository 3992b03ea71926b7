//! A body while it is received, within the budget of bytes.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use quire_domain::limits;

use super::caller::{Caller, app_state, caller};
use crate::limiters::byte_budget::{ByteBudget, Exceeded, Hold};
use crate::problem::{Code, Problem};
use crate::settings::ByteLimit;

/// Maximum bytes of a body that holds some short values, escaped in any way. A body of this size counts to no budget.
pub(crate) const SMALL_BODY: usize = 64 * 1024;
/// The mark that some editors and Windows programs write before JSON in UTF-8. It is skipped.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Maximum characters of an encoding's name that an error repeats.
const MAX_SHOWN_ENCODING: usize = 40;

/// A complete body. Its bytes are reserved until this is dropped.
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) hold: Hold,
}

/// A body that is being received. Its first bytes are not charged, so that large bodies of other users do not keep small ones out.
pub(crate) struct Receiving {
    /// The bytes so far; nothing once they exceed the route's limit or the budget.
    received: Option<Received>,
    length: usize,
    /// The route's limit in bytes.
    max: usize,
    /// The announced length, or the maximum of a body.
    announced: usize,
    refusal: Option<Problem>,
    limit: ByteLimit,
}

impl Receiving {
    /// Begins a body, and returns it with the time limit of its arrival.
    pub(crate) fn begin(request: &HttpRequest, max: usize) -> Result<(Self, Duration), Problem> {
        let Caller(user) = caller(request)?;
        let state = app_state(request)?;
        let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let budget: &Arc<ByteBudget> = &state.body_bytes;
        // An ignored body may have any encoding.
        let refusal = if max > 0 { encoding(request).as_deref().map(encoded_body) } else { None };
        let receiving = Self {
            received: refusal.is_none().then(|| Received { bytes: Vec::new(), hold: budget.open(&user) }),
            length: 0,
            max,
            announced: announced.unwrap_or(limits::BODY_BYTES),
            refusal,
            limit: state.settings.body_bytes,
        };
        Ok((receiving, state.settings.body_timeout))
    }

    /// Adds a chunk.
    pub(crate) fn add(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        self.length += chunk.len();
        if self.length > limits::BODY_BYTES {
            return Err(Problem::body_too_large(limits::BODY_BYTES));
        }
        self.received = self.received.take().filter(|_| self.length <= self.max);
        if let Some(received) = &mut self.received {
            match received.make_room(self.length, self.announced) {
                Ok(()) => received.bytes.extend_from_slice(chunk),
                Err(exceeded) => {
                    self.refusal = Some(exceeded.problem("The bodies of requests", self.limit));
                    self.received = None;
                }
            }
        }
        Ok(())
    }

    /// Returns the complete body; nothing if it exceeds the route's limit.
    pub(crate) fn end(mut self) -> Result<Option<Received>, Problem> {
        if let Some(received) = &mut self.received
            && received.bytes.starts_with(BYTE_ORDER_MARK)
        {
            received.bytes.drain(..BYTE_ORDER_MARK.len());
        }
        self.refusal.map_or(Ok(self.received), Err)
    }
}

/// Returns the encoding of the body, if it has one (RFC 9110, section 8.4).
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
    /// Reserves bytes for this length before memory is allocated for it.
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
