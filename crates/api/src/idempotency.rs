//! `Idempotency-Key`: a request that is retried, because its response was lost, has its effect once and gets the first response
//! again.
//!
//! Two requests are the same when their user, method, path as it was sent, and key are equal. Their body, query and `If-Match`
//! must be equal then. The service does the rest. A handler that changes something takes [`IdempotentCaller`] and makes its one call in
//! [`AppState::idempotent`]; the extractors of bodies compute the digest.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH};
use actix_web::{FromRequest, HttpRequest};
use quire_domain::{NotebookId, UserId};
use quire_service::{Expected, IdempotentOutcome, NotebookService, RequestContext, RequestKey, ServiceError};
use quire_storage::{IdempotencyKey, RequestDigest};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::app_state::AppState;
use crate::extract::{BodyDigest, Caller, IDEMPOTENCY_KEY, IfMatch, caller};
use crate::problem::{Code, Problem};
use crate::response::HandlerResult;
use crate::wire::ExpectedRevision;

const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Maximum characters of a key.
pub(crate) const MAX_KEY_CHARS: usize = 128;

/// The caller of a change, and the request's idempotency key if it has one.
pub(crate) struct IdempotentCaller {
    pub(crate) user: UserId,
    key: Option<Key>,
}

struct Key {
    name: IdempotencyKey,
    /// A hasher of the request, without its body.
    digest: Sha256,
    body: BodyDigest,
}

impl FromRequest for IdempotentCaller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(idempotent_caller(request))
    }
}

fn idempotent_caller(request: &HttpRequest) -> Result<IdempotentCaller, Problem> {
    let Caller(user) = caller(request)?;
    let Some(text) = key(request.headers())? else { return Ok(IdempotentCaller { user, key: None }) };
    let mut name = Sha256::new();
    for part in [request.method().as_str().as_bytes(), request.uri().path().as_bytes(), text] {
        add(&mut name, part);
    }
    let mut digest = Sha256::new();
    add(&mut digest, request.query_string().as_bytes());
    for value in request.headers().get_all(IF_MATCH) {
        add(&mut digest, value.as_bytes());
    }
    let key = Key { name: IdempotencyKey(name.finalize().into()), digest, body: BodyDigest::of(request) };
    Ok(IdempotentCaller { user, key: Some(key) })
}

/// Adds a part after its length, so that different lists of parts are different bytes.
fn add(hasher: &mut Sha256, part: &[u8]) {
    hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
    hasher.update(part);
}

/// The key that a request comes with.
fn key(headers: &HeaderMap) -> Result<Option<&[u8]>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY);
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.as_bytes();
    let is_printable = text.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if values.next().is_some() || !is_printable || text.is_empty() || text.len() > MAX_KEY_CHARS {
        let detail =
            format!("Idempotency-Key must be there once and hold 1 to {MAX_KEY_CHARS} printable ASCII characters.");
        return Err(Problem::new(Code::BadRequest, detail));
    }
    Ok(Some(text))
}

impl IdempotentCaller {
    /// Returns the user and the key, now that the body has been read.
    fn context(self) -> RequestContext {
        let key = self.key.map(|Key { name, mut digest, body }| {
            add(&mut digest, &body.get().unwrap_or_default());
            RequestKey { key: name, request: RequestDigest(digest.finalize().into()) }
        });
        RequestContext { user: self.user, key }
    }
}

impl AppState {
    /// Waits for a call that changes something. The call goes on beyond the time limit. A retry of a request with a key gets the
    /// recorded outcome instead. `call` gets the service, and the context to make its change with.
    pub(crate) async fn idempotent<T, F>(
        &self,
        caller: IdempotentCaller,
        call: impl FnOnce(NotebookService, RequestContext) -> F + Send + 'static,
    ) -> Result<IdempotentOutcome<T>, Problem>
    where
        T: DeserializeOwned + Send + 'static,
        F: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        let service = self.service.clone();
        self.change(self.service.idempotent(caller.context(), |context| call(service, context))).await
    }

    /// Does the same as [`Self::idempotent`] for a change of a notebook that may have a condition on the revision.
    pub(crate) async fn idempotent_if<T, F>(
        &self,
        caller: IdempotentCaller,
        id: NotebookId,
        (matched, expected_revision, merge): (IfMatch, Option<ExpectedRevision>, Option<bool>),
        call: impl FnOnce(NotebookService, RequestContext, NotebookId, Expected) -> F + Send + 'static,
    ) -> Result<IdempotentOutcome<T>, Problem>
    where
        T: DeserializeOwned + Send + 'static,
        F: Future<Output = Result<T, ServiceError>> + Send + 'static,
    {
        self.idempotent(caller, move |service, context| async move {
            // Checked in here, because a retry no longer meets it.
            let precondition = matched.with(&service, (&context.user, &id), expected_revision, merge).await?;
            let outcome = call(service, context, id, precondition.expected).await;
            outcome.map_err(|error| precondition.map_problem(error.into()))
        })
        .await
    }
}

/// Marks a response that is replayed.
pub(crate) fn mark_replay(is_replay: bool, response: HandlerResult) -> HandlerResult {
    let mut response = response?;
    if is_replay {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_printable_and_single() {
        let read = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
            }
            key(&headers).map(|key| key.map(<[u8]>::to_vec)).map_err(|problem| problem.to_string())
        };
        assert_eq!(read(&[]), Ok(None));
        let long = [b'~'; MAX_KEY_CHARS + 1];
        for good in [b"k".as_slice(), b"a b\"c\"", &long[1..]] {
            assert_eq!(read(&[good]), Ok(Some(good.to_vec())));
        }
        for bad in [[b"".as_slice()].as_slice(), &[&long], &["é".as_bytes()], &[b"a\tb"], &[b"a", b"a"]] {
            assert!(read(bad).is_err_and(|detail| detail.contains("Idempotency-Key")), "{bad:?}");
        }
    }
}
