//! A connection through the proxy.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::frontend::{Frontend, Verdict};
use super::{Cut, Gate, Shared};

/// Codes of requests that replace a start-up message.
const CANCEL_REQUEST: u32 = 80_877_102;
const ENCRYPTION_REQUESTS: [u32; 2] = [80_877_103, 80_877_104];

/// A round-trip number that no connection reaches.
const NEVER: usize = usize::MAX;

/// Type of the server's message that ends the answer to a round trip.
const READY_FOR_QUERY: u8 = b'Z';

/// Passes messages between a client and the server until one of them closes, or until the connection is cut. Both sides
/// are closed when this returns or is dropped.
pub(super) async fn pass(mut client: TcpStream, server: (String, u16), shared: Arc<Shared>, mut gate: Gate) {
    // Without a server, the proxy closes the client's connection, as any proxy does.
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true); // a failure only makes it slower
    }
    if start_up(&mut client, &mut server, &mut gate).await.is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Number of the round trip whose answer must not reach the client; the start-up is the first round trip.
    let withheld = AtomicUsize::new(NEVER);
    tokio::select! {
        _ = upwards(from_client, to_server, &shared, gate.clone(), &withheld) => {}
        _ = downwards(from_server, to_client, &shared, gate, &withheld) => {}
    }
}

/// Passes on the first message, which has no type, and declines encryption before it.
async fn start_up(client: &mut TcpStream, server: &mut TcpStream, gate: &mut Gate) -> io::Result<()> {
    loop {
        let length = client.read_u32().await?;
        let code = client.read_u32().await?;
        let mut rest = vec![0; body_length(length, 8)?];
        client.read_exact(&mut rest).await?;
        gate.opens().await;
        if ENCRYPTION_REQUESTS.contains(&code) {
            client.write_all(b"N").await?;
            continue;
        }
        server.write_all(&[&length.to_be_bytes()[..], &code.to_be_bytes(), &rest].concat()).await?;
        if code == CANCEL_REQUEST {
            // The server closes the connection as its answer, which ends this function.
            server.read_u8().await?;
        }
        return Ok(());
    }
}

/// Passes messages from the client to the server. Returns when the connection ends.
async fn upwards(
    client: OwnedReadHalf,
    server: OwnedWriteHalf,
    shared: &Shared,
    mut gate: Gate,
    withheld: &AtomicUsize,
) -> io::Result<()> {
    let (mut client, mut server) = (BufReader::new(client), BufWriter::new(server));
    let mut frontend = Frontend::default();
    let mut sent = 1;
    loop {
        let message = read_message(&mut client).await?;
        gate.opens().await;
        let verdict = frontend.look(message[0], &message[5..], shared);
        if verdict == Verdict::CutNow {
            shared.cuts.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        if verdict == Verdict::Delay {
            let rest = read_round_trip(&mut client, &mut frontend, shared).await?;
            let _ = shutdown(client.get_ref().as_ref(), Shutdown::Both); // a client that has gone is cut off already
            shared.delayed.fetch_add(1, Ordering::SeqCst);
            gate.delivers().await;
            withheld.store(sent + 1, Ordering::SeqCst);
            server.write_all(&[message, rest].concat()).await?;
            server.flush().await?;
            return std::future::pending().await; // as below
        }
        if matches!(verdict, Verdict::Withhold | Verdict::End(Some(_))) {
            // The number is stored before the message is sent, because the server may begin to answer before the round
            // trip's end.
            withheld.store(sent + 1, Ordering::SeqCst);
        }
        server.write_all(&message).await?;
        if client.buffer().is_empty() || matches!(verdict, Verdict::End(_)) {
            server.flush().await?;
        }
        match verdict {
            Verdict::End(Some(Cut::AfterSending)) => {
                shared.cuts.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
            // The task of the other direction sees the answer, and ends the connection.
            Verdict::End(Some(_)) => std::future::pending().await,
            Verdict::End(None) => sent += 1,
            Verdict::Pass | Verdict::Withhold | Verdict::CutNow | Verdict::Delay => {}
        }
    }
}

/// Reads the messages up to the end of the client's round trip.
async fn read_round_trip(
    client: &mut BufReader<OwnedReadHalf>,
    frontend: &mut Frontend,
    shared: &Shared,
) -> io::Result<Vec<u8>> {
    let mut messages = Vec::new();
    loop {
        let message = read_message(client).await?;
        let verdict = frontend.look(message[0], &message[5..], shared);
        messages.extend(message);
        if matches!(verdict, Verdict::End(_)) {
            return Ok(messages);
        }
    }
}

/// Passes messages from the server to the client. Returns when the connection ends.
async fn downwards(
    server: OwnedReadHalf,
    client: OwnedWriteHalf,
    shared: &Shared,
    mut gate: Gate,
    withheld: &AtomicUsize,
) -> io::Result<()> {
    let (mut server, mut client) = (BufReader::new(server), BufWriter::new(client));
    let mut answered = 0;
    loop {
        let message = read_message(&mut server).await?;
        gate.opens().await;
        let withheld = withheld.load(Ordering::SeqCst);
        if answered + 1 < withheld {
            client.write_all(&message).await?;
        }
        if message[0] == READY_FOR_QUERY {
            answered += 1;
            if answered == withheld {
                shared.cuts.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
        }
        if server.buffer().is_empty() {
            client.flush().await?;
        }
    }
}

/// Reads a message unchanged: type, length, body.
async fn read_message(from: &mut BufReader<OwnedReadHalf>) -> io::Result<Vec<u8>> {
    let mut message = vec![0; 5];
    from.read_exact(&mut message).await?;
    let length = u32::from_be_bytes([message[1], message[2], message[3], message[4]]);
    message.resize(5 + body_length(length, 4)?, 0);
    from.read_exact(&mut message[5..]).await?;
    Ok(message)
}

/// Returns the length of a message's body. The message's length counts itself, and in the first message a code too.
fn body_length(length: u32, counted: usize) -> io::Result<usize> {
    usize::try_from(length).ok().and_then(|length| length.checked_sub(counted)).ok_or(io::ErrorKind::InvalidData.into())
}
