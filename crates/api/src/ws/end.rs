//! How sockets end.

use std::borrow::Cow;

use actix_ws::{CloseCode, CloseReason};

/// Why a socket ends.
#[derive(Debug)]
pub(crate) struct End {
    /// What the client is told last; nothing when it is gone.
    pub(crate) close: Option<CloseReason>,
    /// What it is told just before.
    pub(crate) message: Option<Cow<'static, str>>,
    /// Whether the client has said so first.
    pub(crate) is_clients: bool,
}

/// The token has ended.
const TOKEN_EXPIRED: u16 = 4401;

impl End {
    /// The client has gone away.
    pub(crate) fn gone() -> Self {
        Self { close: None, message: None, is_clients: false }
    }

    /// The client closes; it hears its own reason.
    pub(crate) fn by_client(reason: Option<CloseReason>) -> Self {
        Self {
            close: Some(reason.unwrap_or(CloseReason { code: CloseCode::Normal, description: None })),
            message: None,
            is_clients: true,
        }
    }

    /// The client may not go on, and need not try again.
    pub(crate) fn refused(message: impl Into<Cow<'static, str>>) -> Self {
        Self::with(CloseCode::Policy, "refused", message)
    }

    /// There is too much to do; the client may try again.
    pub(crate) fn overloaded(message: impl Into<Cow<'static, str>>) -> Self {
        Self::with(CloseCode::Again, "overloaded", message)
    }

    /// The server failed.
    pub(crate) fn failed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::with(CloseCode::Error, "the server failed", message)
    }

    /// The message was too large, or no message.
    pub(crate) fn unreadable(code: CloseCode, message: &'static str) -> Self {
        Self::with(code, "unreadable", message)
    }

    /// The notebook has left memory, because others need it; the client may come again.
    pub(crate) fn evicted() -> Self {
        Self::overloaded("The notebook was evicted to make room for others; connect again in a while.")
    }

    /// The server ends, and another one, or the same, will be there.
    pub(crate) fn restart() -> Self {
        let description = Some("the server is restarting".to_owned());
        Self { close: Some(CloseReason { code: CloseCode::Restart, description }), message: None, is_clients: false }
    }

    /// The token has ended.
    pub(crate) fn expired() -> Self {
        let description = Some("the token has ended".to_owned());
        let close = Some(CloseReason { code: CloseCode::Other(TOKEN_EXPIRED), description });
        Self { close, message: None, is_clients: false }
    }

    fn with(code: CloseCode, description: &str, message: impl Into<Cow<'static, str>>) -> Self {
        let description = Some(description.to_owned());
        Self { close: Some(CloseReason { code, description }), message: Some(message.into()), is_clients: false }
    }
}
