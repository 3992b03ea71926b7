//! Connections with time-outs: for silence towards the client, and for the first head.
//!
//! The HTTP library limits the time for the head of a connection's first request, but not for later heads: a client
//! could occupy a connection for ever. This module detects it from outside: if the server has sent no byte for longer
//! than any request can take, the connection is idle and is ended. The system detects a client that takes no bytes of
//! a response; a client that takes them too slowly is ended here (see `send_deadline`).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use quire_api::{ClientTimeout, ConnectionHandle};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::connection_limiter::{ConnectionLimiter, Permit};
use crate::send_deadline::SendDeadline;

/// The response to a head that does not arrive. The HTTP library's own limit is off, because it would also be sent to a
/// client whose head arrived while the thread was blocked.
const HEAD_TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Time limits for a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLimits {
    /// Maximum time without a byte to the client.
    pub(crate) silence: Duration,
    /// Maximum time for the head of the first request.
    pub(crate) head: Duration,
    /// Maximum time for which the client may block sending, beyond the time for the bytes that it takes.
    pub(crate) send: Duration,
}

/// A connection with time limits.
#[derive(Debug)]
pub(crate) struct Connection<T> {
    stream: T,
    limit: Duration,
    /// Time of the last sent bytes, or of the connection's beginning.
    sent: Instant,
    /// `true` while bytes wait to be sent; `deadline` limits that time instead.
    is_sending: bool,
    /// Fires when the silence may have become too long. It is reset only then, because sending is frequent.
    timer: Pin<Box<Sleep>>,
    /// Time limit for the head of the first request, until the head has arrived.
    head: Option<ClientTimeout>,
    deadline: SendDeadline,
    handle: ConnectionHandle,
    _permit: Permit,
}

impl<T> Connection<T> {
    /// Wraps a stream, which ends when a limit is exceeded, or when the limiter needs its place.
    pub(crate) fn new(stream: T, limits: TimeLimits, limiter: &ConnectionLimiter) -> Self {
        let limit = limits.silence;
        let sent = Instant::now();
        let timer = Box::pin(sleep_until(sent + limit));
        let (head, handle) = (Some(ClientTimeout::new(limits.head)), ConnectionHandle::default());
        let permit = limiter.admit(&handle);
        let deadline = SendDeadline::new(limits.send);
        Self { stream, limit, sent, is_sending: false, timer, head, deadline, handle, _permit: permit }
    }

    /// Returns the handle through which the API reports on the connection.
    pub(crate) fn handle(&self) -> &ConnectionHandle {
        &self.handle
    }

    /// Returns ready once the head of the first request has taken too long.
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.handle.has_begun() {
            self.head = None;
        }
        self.head.as_mut().map_or(Poll::Pending, |head| head.poll(context))
    }

    /// Returns ready with an error once the silence has been too long.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_sending {
            return Poll::Pending; // the next send polls again
        }
        loop {
            ready!(self.timer.as_mut().poll(context));
            let until = self.sent + self.limit;
            if until <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.timer.as_mut().reset(until);
        }
    }

    /// Records the outcome of a send. Returns an error if the client has blocked sending for too long.
    fn note(&mut self, sent: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.is_sending = sent.is_pending();
        self.handle.set_blocked(sent.is_pending());
        match &sent {
            Poll::Ready(outcome) => {
                self.sent = Instant::now();
                self.deadline.sent(outcome.as_ref().copied().unwrap_or_default());
                sent
            }
            Poll::Pending if self.handle.is_cut_off() => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
            Poll::Pending => {
                self.handle.wait(context.waker());
                self.deadline.poll_blocked(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A first request that has arrived whole is served, even if the limiter needed its place before it was read.
        if self.handle.is_hung_up() && self.handle.has_begun() {
            return Poll::Ready(Ok(())); // as at the end of the client's stream
        }
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            return read;
        }
        if self.handle.is_hung_up() {
            return Poll::Ready(Ok(()));
        }
        self.handle.wait(context.waker());
        if self.poll_head(context).is_ready() {
            // The socket has room for so few bytes. A failure is ignored, because the client is gone then.
            let _ = Pin::new(&mut self.stream).poll_write(context, HEAD_TIMEOUT);
            self.handle.hang_up();
            return Poll::Ready(Ok(()));
        }
        self.poll_silence(context)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Connection<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(sent, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.note(sent, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
