//! A check of WebSocket frames as their headers arrive (RFC 6455, section 5.2). The library looks at a frame only when all of it
//! is there, and holds so long whatever the header announces.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use actix_ws::CloseCode;
use futures_util::Stream;

use super::MESSAGE_BYTES;

/// Bytes of a control frame's payload at most.
const MAX_CONTROL_BYTES: u64 = 125;
/// Bytes of the key that frames of clients are masked with.
const MASK_BYTES: usize = 4;

/// Why a socket's frames were refused, if they were; shared with whoever tells the client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refused(Rc<Cell<Option<CloseCode>>>);

impl Refused {
    pub(crate) fn code(&self) -> Option<CloseCode> {
        self.0.get()
    }
}

/// What a client sends, as long as its frames may be received.
pub(crate) struct CheckedFrames {
    payload: Payload,
    header: Header,
    refused: Refused,
}

impl CheckedFrames {
    pub(crate) fn new(payload: Payload, refused: Refused) -> Self {
        Self { payload, header: Header::default(), refused }
    }
}

impl Stream for CheckedFrames {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.refused.code().is_some() {
            return Poll::Ready(None);
        }
        let next = Pin::new(&mut self.payload).poll_next(context);
        if let Poll::Ready(Some(Ok(bytes))) = &next
            && let Err(code) = self.header.pass(bytes)
        {
            self.refused.0.set(Some(code));
            return Poll::Ready(Some(Err(PayloadError::Overflow)));
        }
        next
    }
}

/// The header that is arriving, and what those before it have announced.
#[derive(Debug, Default)]
struct Header {
    bytes: [u8; 10],
    arrived: usize,
    /// Bytes of the frame, its mask included, that are still to come.
    rest: u64,
    /// Bytes of the message of which not all fragments have come.
    message: u64,
}

impl Header {
    /// Goes on by these bytes. The error is the code with which the socket must be closed.
    fn pass(&mut self, mut bytes: &[u8]) -> Result<(), CloseCode> {
        while let Some((&byte, behind)) = bytes.split_first() {
            if self.rest > 0 {
                let passed = usize::try_from(self.rest).unwrap_or(usize::MAX).min(bytes.len());
                self.rest -= passed as u64;
                bytes = &bytes[passed..];
                continue;
            }
            self.bytes[self.arrived] = byte;
            self.arrived += 1;
            bytes = behind;
            if self.arrived == 2 {
                self.check_form()?;
            }
            if let Some(length) = self.length() {
                self.check_length(length)?;
                self.rest = length + MASK_BYTES as u64;
                self.arrived = 0;
            }
        }
        Ok(())
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

    /// Checks what the first two bytes say.
    fn check_form(&self) -> Result<(), CloseCode> {
        let [first, second, ..] = self.bytes;
        let is_reserved = first & 0x70 != 0 || !matches!(self.opcode(), 0x0..=0x2 | 0x8..=0xA);
        let is_masked = second & 0x80 != 0;
        if is_reserved || !is_masked || (self.is_control() && !self.is_final()) {
            return Err(CloseCode::Protocol);
        }
        Ok(())
    }

    /// The length that the header announces, once all of it is there.
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
        if message > MESSAGE_BYTES as u64 {
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
        let at_once = header.pass(&whole);
        let mut header = Header::default();
        let singly = whole.iter().try_for_each(|byte| header.pass(&[*byte]));
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
}
