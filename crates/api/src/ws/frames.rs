//! A check of WebSocket frames as their headers arrive (RFC 6455, section 5.2). The library looks at a frame only when all of it
//! has arrived, and until then holds any length that the header announces.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use actix_ws::CloseCode;
use futures_util::Stream;

/// Maximum bytes of a message from a client: a token of 8 KiB in an escaped message. After signing in, clients send less.
pub(super) const MAX_MESSAGE_BYTES: usize = 16 * 1024;

/// Maximum bytes of a control frame's payload.
const MAX_CONTROL_BYTES: u64 = 125;
/// Bytes of the masking key of a client's frame.
const MASK_BYTES: usize = 4;

/// Maximum bytes that are read and dropped after the end of a socket.
const MAX_DISCARDED_BYTES: usize = 16 * 1024 * 1024;

/// The bytes of a client, up to the first invalid frame. A clone reads from the same connection: the library's stream has one,
/// and the socket's task has one for the bytes after the end.
#[derive(Clone)]
pub(crate) struct CheckedFrames(Rc<RefCell<Incoming>>);

struct Incoming {
    payload: Payload,
    header: Header,
    /// The code with which the socket must be closed, once a frame was refused.
    refused: Option<CloseCode>,
}

impl CheckedFrames {
    pub(crate) fn new(payload: Payload) -> Self {
        Self(Rc::new(RefCell::new(Incoming { payload, header: Header::default(), refused: None })))
    }

    /// Returns the code with which the socket must be closed, if a frame was refused.
    pub(crate) fn refused(&self) -> Option<CloseCode> {
        self.0.borrow().refused
    }

    /// Reads and drops what the client sends until its close frame has come, and returns whether it has. Returns `false` when
    /// the connection ends before, or more than some megabytes come: closing a connection on what still arrives would make
    /// the client's system throw away the close frame that the client has not read.
    pub(crate) async fn discard(&self) -> bool {
        let mut discarded = 0;
        poll_fn(|context| {
            let Incoming { payload, header, .. } = &mut *self.0.borrow_mut();
            while !header.is_closed() {
                match ready!(Pin::new(&mut *payload).poll_next(context)) {
                    Some(Ok(bytes)) => {
                        discarded += bytes.len();
                        header.skip(&bytes);
                    }
                    Some(Err(_)) | None => return Poll::Ready(false),
                }
                if discarded > MAX_DISCARDED_BYTES {
                    return Poll::Ready(false);
                }
            }
            Poll::Ready(true)
        })
        .await
    }
}

impl Stream for CheckedFrames {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Incoming { payload, header, refused } = &mut *self.0.borrow_mut();
        if refused.is_some() {
            return Poll::Ready(None);
        }
        let next = Pin::new(payload).poll_next(context);
        if let Poll::Ready(Some(Ok(bytes))) = &next {
            let mut rest = &bytes[..];
            if let Err(code) = header.pass(&mut rest) {
                *refused = Some(code);
                header.is_lost = code == CloseCode::Protocol;
                header.skip(rest);
                return Poll::Ready(Some(Err(PayloadError::Overflow)));
            }
        }
        next
    }
}

/// The header that is arriving, and the state of the frame and message before it.
#[derive(Debug, Default)]
struct Header {
    bytes: [u8; 10],
    arrived: usize,
    /// Bytes of the frame, its mask included, that are still to come.
    rest: u64,
    /// Bytes of the message of which not all fragments have come.
    message: u64,
    /// The header of a close frame has arrived.
    is_closing: bool,
    /// The boundaries of frames are lost.
    is_lost: bool,
}

impl Header {
    /// Takes in bytes, up to a header that is refused. The error is the close code of the socket.
    fn pass(&mut self, bytes: &mut &[u8]) -> Result<(), CloseCode> {
        while let Some((&byte, behind)) = bytes.split_first() {
            if self.rest > 0 {
                let passed = usize::try_from(self.rest).unwrap_or(usize::MAX).min(bytes.len());
                self.rest -= passed as u64;
                *bytes = &bytes[passed..];
                continue;
            }
            self.bytes[self.arrived] = byte;
            self.arrived += 1;
            *bytes = behind;
            if self.arrived == 2 {
                self.check_form()?;
            }
            if let Some(length) = self.length() {
                // Before the check, so that a frame that is refused can be skipped.
                self.rest = length.saturating_add(MASK_BYTES as u64);
                self.arrived = 0;
                self.is_closing |= self.opcode() == 0x8;
                self.check_length(length)?;
            }
        }
        Ok(())
    }

    /// Takes in bytes of frames that are dropped, of any length.
    fn skip(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_lost {
            // A frame that is too long has an end; what is no frame has none.
            self.is_lost = self.pass(&mut bytes) == Err(CloseCode::Protocol);
        }
    }

    /// Returns whether a complete close frame has arrived.
    fn is_closed(&self) -> bool {
        self.is_closing && self.rest == 0 && !self.is_lost
    }

    fn is_final(&self) -> bool {
        self.bytes[0] & 0x80 != 0
    }

    fn opcode(&self) -> u8 {
        self.bytes[0] & 0x0F
    }

    fn is_control(&self) -> bool {
        self.opcode() >= 0x8
    }

    /// Checks the first two bytes.
    fn check_form(&self) -> Result<(), CloseCode> {
        let [first, second, ..] = self.bytes;
        let is_reserved = first & 0x70 != 0 || !matches!(self.opcode(), 0x0..=0x2 | 0x8..=0xA);
        let is_masked = second & 0x80 != 0;
        if is_reserved || !is_masked || (self.is_control() && !self.is_final()) {
            return Err(CloseCode::Protocol);
        }
        Ok(())
    }

    /// Returns the length that the header announces, once it is complete.
    fn length(&self) -> Option<u64> {
        let bytes = &self.bytes[..self.arrived];
        let [_, short, extended @ ..] = bytes else { return None };
        match short & 0x7F {
            126 => extended.try_into().ok().map(|length| u16::from_be_bytes(length).into()),
            127 => extended.try_into().ok().map(u64::from_be_bytes),
            length => Some(length.into()),
        }
    }

    fn check_length(&mut self, length: u64) -> Result<(), CloseCode> {
        if self.is_control() {
            return if length > MAX_CONTROL_BYTES { Err(CloseCode::Protocol) } else { Ok(()) };
        }
        let message = self.message.saturating_add(length);
        if message > MAX_MESSAGE_BYTES as u64 {
            return Err(CloseCode::Size);
        }
        self.message = if self.is_final() { 0 } else { message };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [0; 4];

    fn pass(pieces: &[&[u8]]) -> Result<(), CloseCode> {
        let whole = pieces.concat();
        let mut header = Header::default();
        let at_once = header.pass(&mut &whole[..]);
        let mut header = Header::default();
        let singly = whole.iter().try_for_each(|byte| header.pass(&mut &[*byte][..]));
        assert_eq!(at_once, singly, "however the bytes arrive");
        at_once
    }

    fn announced(first: u8, length: u64) -> Vec<u8> {
        [&[first, 0xFF][..], &length.to_be_bytes()].concat()
    }

    #[test]
    fn what_is_too_long_is_refused_when_its_length_has_arrived() {
        for length in [16 * 1024 + 1, 1 << 40, 1 << 63, u64::MAX] {
            assert_eq!(pass(&[&announced(0x81, length)]), Err(CloseCode::Size), "{length}");
            assert_eq!(pass(&[&announced(0x02, length)]), Err(CloseCode::Size), "{length}");
        }
        assert_eq!(pass(&[&[0x81, 0xFE, 0x40, 0x01]]), Err(CloseCode::Size));
        let whole = [0; 16 * 1024];
        assert_eq!(pass(&[&announced(0x81, 16 * 1024), &MASK, &whole, &announced(0x82, 16 * 1024)]), Ok(()));
    }

    #[test]
    fn fragments_count_together_and_control_frames_between_them_do_not() {
        let half = [0; 8 * 1024];
        let first = [&[0x01, 0xFE, 0x20, 0x00][..], &MASK, &half].concat();
        let ping = [&[0x89, 0x82][..], &MASK, b"hi"].concat();
        let last = [&[0x80, 0xFE, 0x20, 0x00][..], &MASK, &half].concat();
        assert_eq!(pass(&[&first, &ping, &last, &first, &ping, &last]), Ok(()));
        let more = [0x80, 0xFE, 0x20, 0x01];
        assert_eq!(pass(&[&first, &ping, &more]), Err(CloseCode::Size));
        let middle = [&[0x00, 0xFE, 0x20, 0x00][..], &MASK, &half].concat();
        assert_eq!(pass(&[&first, &middle, &[0x80, 0x81]]), Err(CloseCode::Size));
    }

    #[test]
    fn what_no_client_may_send_is_refused_at_its_first_bytes() {
        for (head, why) in [
            ([0x81, 0x01], "not masked"),
            ([0xC1, 0x81], "reserved bit"),
            ([0x91, 0x81], "reserved bit"),
            ([0x83, 0x81], "reserved opcode"),
            ([0x8B, 0x81], "reserved opcode"),
            ([0x09, 0x81], "fragment of a ping"),
            ([0x08, 0x80], "fragment of a close"),
        ] {
            assert_eq!(pass(&[&head]), Err(CloseCode::Protocol), "{why}");
        }
        for opcode in [0x88, 0x89, 0x8A] {
            assert_eq!(pass(&[&[opcode, 0xFE, 0x00, 0x7E]]), Err(CloseCode::Protocol));
            assert_eq!(pass(&[&announced(opcode, 1 << 40)]), Err(CloseCode::Protocol));
            assert_eq!(pass(&[&[opcode, 0xFD], &MASK, &[0; 125]]), Ok(()));
        }
    }

    #[test]
    fn a_close_frame_is_found_behind_a_frame_that_was_refused() {
        let long = [&announced(0x82, 20_000)[..], &MASK, &vec![0x88; 20_000]].concat();
        let close = [&[0x88, 0x82][..], &MASK, &[3, 232]].concat();
        let whole = [&long[..], &long, &close].concat();
        let mut header = Header::default();
        let mut rest = &whole[..];
        assert_eq!(header.pass(&mut rest), Err(CloseCode::Size));
        header.skip(&rest[..rest.len() - 1]);
        assert!(!header.is_closed(), "its last byte is to come");
        header.skip(&rest[rest.len() - 1..]);
        assert!(header.is_closed());
        // Behind what is no frame, nothing can be told.
        let mut header = Header::default();
        header.skip(&[0x81, 0x05]);
        header.skip(&close);
        assert!(!header.is_closed());
    }
}
