//! Connections with time-outs: for silence towards the client, and for the first head.
//!
//! The HTTP library limits the time for the head of a connection's first request, but not for later heads: a client
//! could occupy a connection for ever. This module detects it from outside: if the server has sent no byte for longer
//! than any request can take, the connection is idle and is ended. The system detects a client that takes no bytes of
//! an answer; a client that takes them too slowly is ended here (see `send_deadline`).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use quire_api::{ClientTimeout, ConnectionHandle};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::connection_limiter::{ConnectionLimiter, Permit};
use crate::send_deadline::SendDeadline;

/// The answer to a head that does not arrive. The HTTP library's own limit is off, because it would also answer a
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
        // A first request that has arrived whole is answered, even if the limiter needed its place before it was read.
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
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::{advance, pause};

    const LIMIT: Duration = Duration::from_secs(100);
    const STEP: Duration = Duration::from_secs(10);

    fn connection(server: DuplexStream, silence: Duration, head: Duration) -> Connection<DuplexStream> {
        Connection::new(server, TimeLimits { silence, head, send: 5 * LIMIT }, &ConnectionLimiter::new(10))
    }

    /// Returns both ends, on a clock that only the test advances.
    fn pair() -> (DuplexStream, Connection<DuplexStream>) {
        pause();
        let (client, server) = duplex(16);
        (client, connection(server, LIMIT, 10 * LIMIT))
    }

    #[actix_web::test]
    async fn sending_drop_by_drop_is_no_sign_of_life() {
        let (mut client, mut server) = pair();
        let (mut byte, mut drops) = ([0], 0);
        let error = loop {
            client.write_all(b"x").await.unwrap();
            server.read_exact(&mut byte).await.unwrap();
            drops += 1;
            advance(STEP).await;
            if let Poll::Ready(read) = look(&mut server) {
                break read.unwrap_err();
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // Timers may fire a moment late.
        assert!((10..=11).contains(&drops), "{drops}");
    }

    #[actix_web::test]
    async fn being_answered_is_one() {
        let (mut client, mut server) = pair();
        let mut answer = [0; 2];
        for _ in 0..50 {
            advance(STEP).await;
            server.write_all(b"ok").await.unwrap();
            client.read_exact(&mut answer).await.unwrap();
            assert!(look(&mut server).is_pending());
        }
        advance(LIMIT).await;
        assert!(look(&mut server).is_ready());
    }

    #[actix_web::test]
    async fn a_slow_reader_is_not_silent() {
        let (mut client, mut server) = pair();
        let (mut chunk, mut context) = ([0; 16], Context::from_waker(std::task::Waker::noop()));
        server.write_all(&[0; 16]).await.unwrap(); // fills the buffer
        assert!(Pin::new(&mut server).poll_write(&mut context, b"more").is_pending());
        advance(2 * LIMIT).await;
        assert!(look(&mut server).is_pending());
        client.read_exact(&mut chunk).await.unwrap();
        server.write_all(b"more").await.unwrap();
        advance(LIMIT / 2).await;
        assert!(look(&mut server).is_pending());
        advance(LIMIT).await;
        assert!(look(&mut server).is_ready());
    }

    #[actix_web::test]
    async fn a_head_that_does_not_arrive_is_told_so() {
        pause();
        let (mut client, server) = duplex(1024);
        let mut server = connection(server, 10 * LIMIT, LIMIT);
        client.write_all(b"GET /").await.unwrap();
        let mut part = [0; 5];
        server.read_exact(&mut part).await.unwrap();
        while look(&mut server).is_pending() {
            advance(STEP).await;
        }
        drop(server);
        let mut told = String::new();
        client.read_to_string(&mut told).await.unwrap();
        assert!(told.starts_with("HTTP/1.1 408 "), "{told}");
    }

    #[actix_web::test]
    async fn a_head_that_has_arrived_while_the_thread_was_held_up_is_read() {
        pause();
        let (mut client, server) = duplex(1024);
        let mut server = connection(server, 10 * LIMIT, LIMIT);
        assert!(look(&mut server).is_pending());
        client.write_all(b"x").await.unwrap();
        advance(5 * LIMIT).await;
        let mut byte = [0];
        server.read_exact(&mut byte).await.unwrap();
        assert!(look(&mut server).is_pending(), "more may be on its way");
    }

    #[actix_web::test]
    async fn a_connection_that_is_hung_up_reads_its_first_request_and_no_more() {
        let (mut client, mut server) = pair();
        assert!(look(&mut server).is_pending());
        client.write_all(b"request").await.unwrap();
        server.handle().hang_up();
        let mut request = [0; 7];
        server.read_exact(&mut request).await.unwrap();
        let _under_way = server.handle().begin();
        client.write_all(b"another").await.unwrap();
        assert_eq!(server.read(&mut request).await.unwrap(), 0);
    }

    #[actix_web::test]
    async fn a_connection_that_is_hung_up_before_its_first_request_ends() {
        let (_client, mut server) = pair();
        assert!(look(&mut server).is_pending());
        server.handle().hang_up();
        assert!(matches!(look(&mut server), Poll::Ready(Ok(()))));
    }

    #[actix_web::test]
    async fn a_client_that_takes_an_answer_byte_by_byte_is_cut_off() {
        let (mut client, mut server) = pair();
        server.write_all(&[0; 16]).await.unwrap(); // fills the buffer
        let mut taken = 0;
        let error = loop {
            match send(&mut server) {
                Poll::Ready(Ok(_)) => {
                    assert!(send(&mut server).is_pending());
                    advance(STEP).await;
                }
                Poll::Ready(Err(error)) => break error,
                Poll::Pending => {
                    client.read_exact(&mut [0]).await.unwrap();
                    taken += 1;
                }
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!((50..=52).contains(&taken), "{taken}");
    }

    #[actix_web::test]
    async fn a_connection_that_is_cut_off_does_not_wait_for_its_client() {
        let (_client, mut server) = pair();
        server.write_all(&[0; 16]).await.unwrap();
        assert!(send(&mut server).is_pending());
        assert!(server.handle().client_awaited_since().is_some());
        server.handle().hang_up();
        assert!(send(&mut server).is_pending(), "what is on its way may still be taken");
        server.handle().cut_off();
        let Poll::Ready(Err(error)) = send(&mut server) else { panic!("it waits") };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    }

    fn send(server: &mut Connection<DuplexStream>) -> Poll<io::Result<usize>> {
        Pin::new(server).poll_write(&mut Context::from_waker(std::task::Waker::noop()), &[0])
    }

    /// Polls once for bytes to read.
    fn look(server: &mut Connection<DuplexStream>) -> Poll<io::Result<()>> {
        let (mut space, mut context) = ([0], Context::from_waker(std::task::Waker::noop()));
        Pin::new(server).poll_read(&mut context, &mut ReadBuf::new(&mut space))
    }
}
