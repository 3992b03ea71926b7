//! What watchers are told of an event, written once for all of them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytestring::ByteString;
use quire_service::Event;

use super::messages::write;

/// The messages of one event, in order.
pub(crate) type Messages = Arc<[ByteString]>;

/// Events kept: watchers are told at about the same time.
const MOST_EVENTS: usize = 32;
/// Bytes kept, but for the last event, which is kept however large it is.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// The messages of the last events of all notebooks. They hold code: no `Debug` of what is in here.
#[derive(Default)]
pub(crate) struct Told {
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    /// By the event's number, which no other event of this server has.
    events: VecDeque<(u64, Messages)>,
    bytes: usize,
}

impl Told {
    /// The messages of this event.
    pub(crate) fn of(&self, event: &Event) -> Result<Messages, serde_json::Error> {
        let number = event.seq.number;
        if let Some(messages) = self.lock().find(number) {
            return Ok(messages);
        }
        let messages: Messages = write(event)?.into();
        let mut last = self.lock();
        // Another thread may have been as quick.
        Ok(last.find(number).unwrap_or_else(|| last.keep(number, messages)))
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        // Nothing in here can panic half-way.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.lock();
        f.debug_struct("Told").field("events", &last.events.len()).field("bytes", &last.bytes).finish()
    }
}

impl Last {
    fn find(&self, number: u64) -> Option<Messages> {
        self.events.iter().rev().find(|(of, _)| *of == number).map(|(_, messages)| Arc::clone(messages))
    }

    fn keep(&mut self, number: u64, messages: Messages) -> Messages {
        self.bytes += bytes(&messages);
        self.events.push_back((number, Arc::clone(&messages)));
        while self.events.len() > MOST_EVENTS || (self.bytes > MOST_BYTES && self.events.len() > 1) {
            if let Some((_, oldest)) = self.events.pop_front() {
                self.bytes -= bytes(&oldest);
            }
        }
        messages
    }
}

fn bytes(messages: &Messages) -> usize {
    messages.iter().map(|message| message.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(bytes: usize) -> Messages {
        [ByteString::from("x".repeat(bytes))].into()
    }

    #[test]
    fn the_last_events_are_kept_within_bounds_and_the_last_one_however_large() {
        let mut last = Last::default();
        let kept = |last: &Last| last.events.iter().map(|(number, _)| *number).collect::<Vec<_>>();
        for number in 0..40 {
            last.keep(number, messages(1));
        }
        assert_eq!((kept(&last), last.bytes), ((8..40).collect(), 32));
        for number in 40..60 {
            last.keep(number, messages(MOST_BYTES / 4));
        }
        assert_eq!((kept(&last), last.bytes), ((56..60).collect(), MOST_BYTES));
        let large = last.keep(60, messages(2 * MOST_BYTES));
        assert_eq!((kept(&last), last.bytes), (vec![60], 2 * MOST_BYTES));
        assert!(Arc::ptr_eq(&large, &last.find(60).unwrap()));
        last.keep(61, messages(1));
        assert_eq!((kept(&last), last.bytes), (vec![61], 1));
    }
}
