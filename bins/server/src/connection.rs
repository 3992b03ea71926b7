//! Connections on which nothing goes out for a long while are ended, and so are those whose first head does not arrive.
//!
//! The HTTP library limits how long the head of a connection's first request may take, but not the heads of those after it:
//! a client could hold one of the connections for ever. Here it is seen from outside: where no byte was sent to the client for
//! longer than a request can take in all, nothing is going on. A client that does not read is the system's to notice.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use quire_api::{ConnectionHandle, Patience};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::crowd::{Crowd, Member};

/// The answer to a head that does not arrive. The HTTP library would give it to a client, too, whose head has arrived while the
/// thread was held up, so its own limit is off.
const HEAD_TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A connection with a limit on its silence.
#[derive(Debug)]
pub(crate) struct Connection<T> {
    stream: T,
    limit: Duration,
    /// When something was last sent, or the connection began.
    sent: Instant,
    /// Whether something waits to be sent: how long that may take is another's to say.
    is_sending: bool,
    /// Goes off at the earliest when the silence may have been too long; moved on only then, since sending is frequent.
    timer: Pin<Box<Sleep>>,
    /// The time that the head of the first request may take, until it has arrived.
    head: Option<Patience>,
    handle: ConnectionHandle,
    _member: Member,
}

impl<T> Connection<T> {
    /// Ends the stream when nothing can be sent for so long, or when no head arrives in its time.
    pub(crate) fn new(stream: T, limit: Duration, head_limit: Duration, crowd: &Crowd) -> Self {
        let sent = Instant::now();
        let timer = Box::pin(sleep_until(sent + limit));
        let (head, handle) = (Some(Patience::new(head_limit)), ConnectionHandle::default());
        let member = crowd.join(&handle);
        Self { stream, limit, sent, is_sending: false, timer, head, handle, _member: member }
    }

    /// What the API says of the connection.
    pub(crate) fn handle(&self) -> &ConnectionHandle {
        &self.handle
    }

    /// Ready once the head of the first request has taken too long.
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.handle.has_begun() {
            self.head = None;
        }
        self.head.as_mut().map_or(Poll::Pending, |head| head.poll(context))
    }

    /// Ready with the error once the silence has been too long.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_sending {
            return Poll::Pending; // and is looked at again when it was sent
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

    fn note(&mut self, sent: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.is_sending = sent.is_pending();
        if sent.is_ready() {
            self.sent = Instant::now();
        }
        sent
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.handle.is_hung_up() {
            return Poll::Ready(Ok(())); // as at the end of what the client sends
        }
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            return read;
        }
        self.handle.wait(context.waker());
        if self.poll_head(context).is_ready() {
            // There is room for so little. A client that is gone need not hear it.
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
        self.note(sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.note(sent)
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

    /// Both ends, on a clock that moves only when it is told to.
    fn pair() -> (DuplexStream, Connection<DuplexStream>) {
        pause();
        let (client, server) = duplex(16);
        (client, Connection::new(server, LIMIT, 10 * LIMIT, &Crowd::of(10)))
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
        // Timers may go off a moment late.
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
        server.write_all(&[0; 16]).await.unwrap(); // as much as there is room for
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
        let mut server = Connection::new(server, 10 * LIMIT, LIMIT, &Crowd::of(10));
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
        let mut server = Connection::new(server, 10 * LIMIT, LIMIT, &Crowd::of(10));
        assert!(look(&mut server).is_pending());
        client.write_all(b"x").await.unwrap();
        advance(5 * LIMIT).await;
        let mut byte = [0];
        server.read_exact(&mut byte).await.unwrap();
        assert!(look(&mut server).is_pending(), "more may be on its way");
    }

    #[actix_web::test]
    async fn a_connection_that_is_hung_up_reads_no_more() {
        let (_client, mut server) = pair();
        assert!(look(&mut server).is_pending());
        server.handle().hang_up();
        assert!(matches!(look(&mut server), Poll::Ready(Ok(()))));
    }

    /// Looks once whether there is something to read.
    fn look(server: &mut Connection<DuplexStream>) -> Poll<io::Result<()>> {
        let (mut space, mut context) = ([0], Context::from_waker(std::task::Waker::noop()));
        Pin::new(server).poll_read(&mut context, &mut ReadBuf::new(&mut space))
    }
}
