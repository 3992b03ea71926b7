//! The end of a socket: close code, reason and last message.

use std::borrow::Cow;

use actix_ws::{CloseCode, CloseReason};

/// The end of a socket.
#[derive(Debug)]
pub(crate) struct End {
    /// The close frame; none when the client is gone.
    pub(crate) close: Option<CloseReason>,
    /// The text of an `error` message before the close frame.
    pub(crate) message: Option<Cow<'static, str>>,
    /// The client sent its close frame first.
    pub(crate) is_clients: bool,
}

/// Close code of an expired token.
const TOKEN_EXPIRED: u16 = 4401;

impl End {
    /// Ends a socket whose client is gone.
    pub(crate) fn gone() -> Self {
        Self { close: None, message: None, is_clients: false }
    }

    /// Ends a socket that the client closes; its reason is echoed.
    pub(crate) fn by_client(reason: Option<CloseReason>) -> Self {
        Self {
            close: Some(reason.unwrap_or(CloseReason { code: CloseCode::Normal, description: None })),
            message: None,
            is_clients: true,
        }
    }

    /// Ends a socket that is refused; a retry is of no use.
    pub(crate) fn refused(message: impl Into<Cow<'static, str>>) -> Self {
        Self::with(CloseCode::Policy, "refused", message)
    }

    /// Ends a socket because of overload; the client may retry.
    pub(crate) fn overloaded(message: impl Into<Cow<'static, str>>) -> Self {
        Self::with(CloseCode::Again, "overloaded", message)
    }

    /// Ends a socket because the server failed.
    pub(crate) fn failed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::with(CloseCode::Error, "the server failed", message)
    }

    /// Ends a socket whose frame or message is invalid.
    pub(crate) fn unreadable(code: CloseCode, message: &'static str) -> Self {
        Self::with(code, "unreadable", message)
    }

    /// Ends a socket whose notebook was evicted from memory; the client may connect again.
    pub(crate) fn evicted() -> Self {
        Self::overloaded("The notebook was evicted to make room for others; connect again in a while.")
    }

    /// Ends a socket because the server stops; the client connects again, to this server or another.
    pub(crate) fn restart() -> Self {
        let description = Some("the server is restarting".to_owned());
        Self { close: Some(CloseReason { code: CloseCode::Restart, description }), message: None, is_clients: false }
    }

    /// Ends a socket whose token has expired.
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
