//! Clients that are silent, slow or cut off, on a clock that only the test advances.

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
async fn a_response_is_a_sign_of_life() {
    let (mut client, mut server) = pair();
    let mut response = [0; 2];
    for _ in 0..50 {
        advance(STEP).await;
        server.write_all(b"ok").await.unwrap();
        client.read_exact(&mut response).await.unwrap();
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
    let _active = server.handle().begin();
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
async fn a_client_that_takes_a_response_byte_by_byte_is_cut_off() {
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
