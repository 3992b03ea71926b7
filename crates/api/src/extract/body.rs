//! Bodies of requests: JSON objects, and raw bytes.

use std::pin::{Pin, pin};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::TryStreamExt as _;
use futures_util::future::{Either, select};
use quire_domain::{Json, JsonError, limits};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::body_digest::BodyHasher;
use super::receiving::{Received, Receiving, SMALL_BODY};
use crate::connection::client_timeout::ClientTimeout;
use crate::connection::handle::ConnectionHandle;
use crate::problem::{Code, Problem};

/// Maximum bytes of a body that holds a cell's source: every byte of it can take six, as in `\u0001`.
pub(crate) const CODE_BODY: usize = 8 * limits::CELL_SOURCE_BYTES;

/// A JSON object as the body, of at most `MAX` bytes.
pub(crate) struct Body<T, const MAX: usize = SMALL_BODY>(pub(crate) T);

/// A JSON object as the body, or no body.
pub(crate) struct OptionalBody<T>(pub(crate) T);

/// A body of any kind, of at most [`limits::BODY_BYTES`].
pub(crate) struct RawBody(pub(crate) Received);

/// A body that is ignored, but read so that the connection can go on.
pub(crate) struct IgnoredBody;

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

impl<T: DeserializeOwned + Send + 'static, const MAX: usize> FromRequest for Body<T, MAX> {
    type Error = Problem;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = read_body(request, payload, MAX);
        Box::pin(
            async move { parse_received(bytes.await?.ok_or_else(|| Problem::body_too_large(MAX))?).await.map(Self) },
        )
    }
}

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalBody<T> {
    type Error = Problem;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = read_body(request, payload, SMALL_BODY);
        Box::pin(async move {
            let Received { bytes, hold: _hold } = bytes.await?.ok_or_else(|| Problem::body_too_large(SMALL_BODY))?;
            if bytes.is_empty() { Ok(Self(T::default())) } else { parse(&bytes).map(Self) }
        })
    }
}

impl FromRequest for RawBody {
    type Error = Problem;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = read_body(request, payload, limits::BODY_BYTES);
        Box::pin(async move { bytes.await?.map(Self).ok_or_else(|| Problem::body_too_large(limits::BODY_BYTES)) })
    }
}

impl FromRequest for IgnoredBody {
    type Error = Problem;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = read_body(request, payload, 0);
        Box::pin(async move { bytes.await.map(|_ignored| Self) })
    }
}

/// Reads the whole body within the limits of time and of bytes, and returns it unless it has more than `max` bytes. A larger
/// body is read to its end and dropped, because most clients read a response only when they have sent everything.
fn read_body(
    request: &HttpRequest,
    payload: &mut Payload,
    max: usize,
) -> impl Future<Output = Result<Option<Received>, Problem>> + use<> {
    let receiving = Receiving::begin(request, max);
    let mut payload = payload.take();
    let mut hasher = BodyHasher::of(request);
    let connection = request.conn_data::<ConnectionHandle>().cloned();
    async move {
        let (mut receiving, time) = receiving?;
        let _receiving = connection.as_ref().map(ConnectionHandle::receiving_body);
        let read = async {
            while let Some(chunk) = payload.try_next().await.map_err(|error| broken_off(&error, connection.as_ref()))? {
                hasher.add(&chunk);
                receiving.add(&chunk)?;
            }
            hasher.end();
            receiving.end()
        };
        match select(pin!(read), pin!(ClientTimeout::new(time).elapsed())).await {
            Either::Left((received, _)) => received,
            Either::Right(_) => Err(Problem::new(Code::SlowBody, "The body did not arrive in time.")),
        }
    }
}

fn broken_off(_: &PayloadError, connection: Option<&ConnectionHandle>) -> Problem {
    // The server itself stopped reading, because another client needed the connection's place.
    if connection.is_some_and(ConnectionHandle::is_hung_up) {
        return Problem::new(
            Code::SlowBody,
            "The body had not arrived when its connection had to make room for another.",
        );
    }
    Problem::new(Code::BadRequest, "The body is broken off or badly framed.")
}

/// Parses a body as [`parse`] does, a large one on a blocking thread, so that it holds up none of the thread's connections.
async fn parse_received<T: DeserializeOwned + Send + 'static>(received: Received) -> Result<T, Problem> {
    if received.bytes.len() <= SMALL_BODY {
        return parse(&received.bytes);
    }
    let parsed = web::block(move || parse(&received.bytes)).await;
    parsed.unwrap_or_else(|_ending| Err(Problem::new(Code::ShuttingDown, "The server is shutting down.").after(5)))
}

/// Parses one JSON object with nothing after it.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    check_depth(bytes)?;
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    // Without this, a list of the fields' values would do as well: serde takes both for a struct.
    if first != Some(&b'{') {
        return Err(Problem::new(Code::DoesNotFit, "The body must be a JSON object."));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        misfit(error.inner(), &path)
    })?;
    deserializer.end().map_err(|error| misfit(&error, "."))?;
    Ok(value)
}

fn misfit(error: &serde_json::Error, path: &str) -> Problem {
    match error.classify() {
        Category::Data if path == "." => Problem::new(Code::DoesNotFit, format!("The body does not fit: {error}.")),
        Category::Data => Problem::new(Code::DoesNotFit, format!("The field `{path}` does not fit: {error}.")),
        _ => Problem::new(Code::MalformedJson, format!("The body is not JSON: {error}.")),
    }
}

/// Checks the depth of all fields, also of unknown ones, which serde skips without a check.
fn check_depth(bytes: &[u8]) -> Result<(), Problem> {
    let opening = bytes.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if opening > limits::JSON_DEPTH
        && let Ok(text) = std::str::from_utf8(bytes)
        && let Err(error @ JsonError::TooDeep { .. }) = Json::parse(text)
    {
        return Err(Problem::of(Code::BeyondLimit, &error));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread::{self, ThreadId};

    use serde::{Deserialize, Deserializer};

    use super::*;
    use crate::limiters::byte_budget::ByteBudget;
    use crate::settings::ByteLimit;

    /// The thread on which the value was parsed.
    struct ParsedOn(ThreadId);

    impl<'de> Deserialize<'de> for ParsedOn {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            serde::de::IgnoredAny::deserialize(deserializer).map(|_ignored| Self(thread::current().id()))
        }
    }

    #[actix_web::test]
    async fn a_large_body_is_not_parsed_on_the_thread_of_its_connection() {
        let budget = ByteBudget::new(ByteLimit { server: usize::MAX, user: usize::MAX });
        let user = quire_domain::UserId::new("ann").unwrap();
        for (bytes, is_here) in [(SMALL_BODY - 100, true), (SMALL_BODY, false)] {
            let body = format!(r#"{{"code": "{}"}}"#, "x".repeat(bytes)).into_bytes();
            let ParsedOn(thread) = parse_received(Received { bytes: body, hold: budget.open(&user) }).await.unwrap();
            assert_eq!(thread == thread::current().id(), is_here);
        }
    }
}
