//! State that all requests share.

use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::time::timeout;
use quire_domain::UserId;
use quire_service::{NotebookService, ServiceError};

use crate::auth::SignedIn;
use crate::limiters::byte_budget::{ByteBudget, Hold};
use crate::limiters::edits_in_flight::EditsInFlight;
use crate::limiters::in_flight::InFlight;
use crate::limiters::request_rate::RequestLimiter;
use crate::limiters::socket_limiter::SocketLimiter;
use crate::problem::{Code, Problem};
use crate::request_id::RequestIds;
use crate::response_cache::ResponseCache;
use crate::settings::{ByteLimit, Settings};

/// The service, the settings, and the limiters.
#[derive(Debug)]
pub(crate) struct AppState {
    pub(crate) service: NotebookService,
    pub(crate) settings: Settings,
    pub(crate) limiter: Option<RequestLimiter>,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) edits_in_flight: Arc<EditsInFlight>,
    pub(crate) request_ids: RequestIds,
    pub(crate) responses: ResponseCache,
    pub(crate) socket_limiter: Arc<SocketLimiter>,
    /// Requests in flight of each user, each of which counts as one byte.
    pub(crate) requests: Arc<ByteBudget>,
    pub(crate) body_bytes: Arc<ByteBudget>,
    pub(crate) response_bytes: Arc<ByteBudget>,
}

impl AppState {
    pub(crate) fn new(service: NotebookService, settings: Settings) -> Self {
        Self {
            service,
            requests: ByteBudget::new(ByteLimit { server: usize::MAX, user: settings.user_requests }),
            body_bytes: ByteBudget::new(settings.body_bytes),
            response_bytes: ByteBudget::new(settings.response_bytes),
            limiter: settings.request_limit.map(RequestLimiter::new),
            settings,
            in_flight: Arc::default(),
            edits_in_flight: Arc::default(),
            request_ids: RequestIds::default(),
            responses: ResponseCache::default(),
            socket_limiter: Arc::default(),
        }
    }

    /// Signs in by a token, and counts the request to the user's rate limit; for HTTP and for WebSockets.
    pub(crate) async fn sign_in(&self, token: &str) -> Result<SignedIn, Problem> {
        let detail = "Signing in takes too long for the moment; try again.";
        let late = || Problem::new(Code::SignInUnavailable, detail).after(5);
        let signed_in =
            within(self.settings.request_timeout, self.settings.authenticator.authenticate(token), late).await?;
        if let Some(limiter) = &self.limiter {
            limiter.count(&signed_in.user)?;
        }
        Ok(signed_in)
    }

    /// Counts a request to this user, until the returned value is dropped.
    pub(crate) fn hold_request(&self, user: &UserId) -> Result<Hold, Problem> {
        self.requests.hold(user, 1).map_err(|_exceeded| {
            let max = self.settings.user_requests;
            let detail =
                format!("You have {max} requests in progress, which is the limit; wait until one has finished.");
            Problem::new(Code::TooMuchAtOnce, detail).after(1)
        })
    }

    /// Reserves bytes of a response for this user, until the returned value is dropped.
    pub(crate) fn hold_response(&self, user: &UserId, bytes: usize) -> Result<Hold, Problem> {
        self.response_bytes
            .hold(user, bytes)
            .map_err(|exceeded| exceeded.problem("The responses", self.settings.response_bytes))
    }

    /// Waits for a call that changes nothing, within the time limit.
    pub(crate) async fn read<T>(&self, call: impl Future<Output = Result<T, ServiceError>>) -> Result<T, Problem> {
        let late = || Problem::new(Code::TookTooLong, "The server took too long to answer; try again.").after(5);
        within(self.settings.request_timeout, call, late).await
    }

    /// Waits for a call that changes something, within the time limit. The call goes on beyond it.
    pub(crate) async fn change<T>(&self, call: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
        let detail = "The change took too long and may still happen; read the notebook again to see.";
        within(self.settings.request_timeout, call, || Problem::new(Code::OutcomeUnknown, detail).after(5)).await
    }
}

async fn within<T, E: Into<Problem>>(
    limit: Duration,
    call: impl Future<Output = Result<T, E>>,
    late: impl FnOnce() -> Problem,
) -> Result<T, Problem> {
    match timeout(limit, call).await {
        Ok(outcome) => outcome.map_err(E::into),
        Err(_elapsed) => Err(late()),
    }
}
