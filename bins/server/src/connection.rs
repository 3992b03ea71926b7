//! Connections on which nothing goes out for a long while are ended.
//!
//! The HTTP library limits how long the head of a connection's first request may take, but not the heads of those after it:
//! a client could hold one of the connections for ever. Here it is seen from outside: where no byte was sent to the client for
//! longer than a request can take in all, nothing is going on. A client that does not read is the system's to notice.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

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
}

impl<T> Connection<T> {
    /// Ends the stream when nothing can be sent for so long.
    pub(crate) fn new(stream: T, limit: Duration) -> Self {
        let sent = Instant::now();
        Self { stream, limit, sent, is_sending: false, timer: Box::pin(sleep_until(sent + limit)) }
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

impl<T: AsyncRead + Unpin> AsyncRead for Connection<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() { self.poll_silence(context) } else { read }
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
        (client, Connection::new(server, LIMIT))
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

    /// Looks once whether there is something to read.
    fn look(server: &mut Connection<DuplexStream>) -> Poll<io::Result<()>> {
        let (mut space, mut context) = ([0], Context::from_waker(std::task::Waker::noop()));
        Pin::new(server).poll_read(&mut context, &mut ReadBuf::new(&mut space))
    }
}
