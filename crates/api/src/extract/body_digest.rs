//! The digest of a request's body, for requests with an `Idempotency-Key`.

use std::cell::Cell;
use std::rc::Rc;

use actix_web::http::header::HeaderName;
use actix_web::{HttpMessage as _, HttpRequest};
use sha2::{Digest as _, Sha256};

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The digest of a request's body, once the body has been read. A clone is the same digest.
#[derive(Clone, Default)]
pub(crate) struct BodyDigest(Rc<Cell<Option<[u8; 32]>>>);

impl BodyDigest {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let mut extensions = request.extensions_mut();
        if let Some(there) = extensions.get::<Self>() {
            return there.clone();
        }
        let new = Self::default();
        extensions.insert(new.clone());
        new
    }

    /// Returns the digest, once the body has been read.
    pub(crate) fn get(&self) -> Option<[u8; 32]> {
        self.0.get()
    }
}

/// A hasher of a body while it is read, if the request has an idempotency key.
pub(crate) struct BodyHasher(Option<(Sha256, BodyDigest)>);

impl BodyHasher {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let is_keyed = request.headers().contains_key(IDEMPOTENCY_KEY);
        Self(is_keyed.then(|| (Sha256::new(), BodyDigest::of(request))))
    }

    pub(crate) fn add(&mut self, chunk: &[u8]) {
        if let Some((hasher, _)) = &mut self.0 {
            hasher.update(chunk);
        }
    }

    pub(crate) fn end(self) {
        if let Some((hasher, digest)) = self.0 {
            digest.0.set(Some(hasher.finalize().into()));
        }
    }
}
