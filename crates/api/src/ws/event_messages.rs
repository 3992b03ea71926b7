//! What watchers are told of an event, written once for all of them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use actix_web::web;
use bytestring::ByteString;
use quire_domain::UserId;
use quire_service::{Event, EventKind};

use super::messages::write;
use crate::limiters::byte_budget::{ByteBudget, Hold};
use crate::wire::cell_size;

/// The messages of one event, in order.
#[derive(Debug)]
pub(crate) struct Messages {
    pub(crate) texts: Vec<ByteString>,
    bytes: usize,
    /// What they count, unless they are small.
    hold: Option<Hold>,
}

/// Events kept: watchers are told at about the same time.
const MAX_EVENTS: usize = 32;
/// Bytes kept.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of an event that is kept only as long as somebody is being told of it.
const LARGE: usize = 1024 * 1024;
/// Bytes of an event that counts nothing.
const SMALL: usize = 64 * 1024;

/// The messages of the last events of all notebooks. They hold code: no `Debug` of what is in here.
#[derive(Default)]
pub(crate) struct EventMessageCache {
    last: Mutex<Last>,
}

/// Why there are no messages.
#[derive(Debug)]
pub(crate) enum MessagesError {
    /// The watchers who do not read hold too much already.
    Exceeded,
    /// They cannot be written.
    Unwritable(serde_json::Error),
}

#[derive(Default)]
struct Last {
    /// By the event's number, which no other event of this server has.
    events: VecDeque<(u64, Kept)>,
    bytes: usize,
}

enum Kept {
    Whole(Arc<Messages>),
    Large(Weak<Messages>),
}

impl EventMessageCache {
    /// The messages of this event of a notebook of this user's.
    pub(crate) async fn of(
        &self,
        event: &Arc<Event>,
        user: &UserId,
        budget: &Arc<ByteBudget>,
    ) -> Result<Arc<Messages>, MessagesError> {
        let number = event.seq.number;
        if let Some(messages) = self.lock().find(number) {
            return Ok(messages);
        }
        // A large one is written elsewhere, so that it holds up none of the thread's connections.
        let texts = if size(event) > LARGE {
            let of = Arc::clone(event);
            web::block(move || write(&of)).await.unwrap_or_else(|_ending| write(event))
        } else {
            write(event)
        };
        let texts = texts.map_err(MessagesError::Unwritable)?;
        let mut last = self.lock();
        // Another thread may have been as quick.
        if let Some(messages) = last.find(number) {
            return Ok(messages);
        }
        let bytes = texts.iter().map(|text| text.len()).sum();
        let hold = if bytes > SMALL {
            Some(budget.hold(user, bytes).map_err(|_exceeded| MessagesError::Exceeded)?)
        } else {
            None
        };
        Ok(last.keep(number, Messages { texts, bytes, hold }))
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        // Nothing in here can panic half-way.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of the `cell_status` of a cell that came onto a cycle, about.
const CYCLE_BYTES: usize = 128;

/// Bytes of an event's messages, about.
fn size(event: &Event) -> usize {
    match &event.kind {
        EventKind::Changed(change) => {
            let cells = change.cells.iter().filter_map(|cell| cell.after.as_deref()).map(cell_size).sum::<usize>();
            cells + change.cycles.len() * CYCLE_BYTES
        }
        EventKind::Resync | EventKind::Deleted => 0,
    }
}

impl fmt::Debug for EventMessageCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.lock();
        f.debug_struct("EventMessageCache").field("events", &last.events.len()).field("bytes", &last.bytes).finish()
    }
}

impl Kept {
    /// Bytes that are there because they are kept.
    fn bytes(&self) -> usize {
        match self {
            Self::Whole(messages) => messages.bytes,
            Self::Large(_) => 0,
        }
    }
}

impl Last {
    fn find(&self, number: u64) -> Option<Arc<Messages>> {
        let (_, kept) = self.events.iter().rev().find(|(of, _)| *of == number)?;
        match kept {
            Kept::Whole(messages) => Some(Arc::clone(messages)),
            Kept::Large(messages) => messages.upgrade(),
        }
    }

    fn keep(&mut self, number: u64, messages: Messages) -> Arc<Messages> {
        let messages = Arc::new(messages);
        // What counts as a user's bytes is not held for longer than it is needed.
        let kept = if messages.bytes > LARGE || messages.hold.is_some() {
            Kept::Large(Arc::downgrade(&messages))
        } else {
            Kept::Whole(Arc::clone(&messages))
        };
        self.bytes += kept.bytes();
        self.events.push_back((number, kept));
        while self.events.len() > MAX_EVENTS || self.bytes > MAX_BYTES {
            let Some((_, oldest)) = self.events.pop_front() else { break };
            self.bytes -= oldest.bytes();
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(bytes: usize) -> Messages {
        Messages { texts: vec!["x".repeat(bytes).into()], bytes, hold: None }
    }

    #[test]
    fn the_last_events_are_kept_within_bounds_and_large_ones_as_long_as_they_are_needed() {
        let mut last = Last::default();
        let kept = |last: &Last| last.events.iter().map(|(number, _)| *number).collect::<Vec<_>>();
        for number in 0..40 {
            last.keep(number, messages(1));
        }
        assert_eq!((kept(&last), last.bytes), ((8..40).collect(), 32));
        for number in 40..60 {
            last.keep(number, messages(MAX_BYTES / 4));
        }
        assert_eq!((kept(&last), last.bytes), ((56..60).collect(), MAX_BYTES));
        let large = last.keep(60, messages(2 * MAX_BYTES));
        assert_eq!((kept(&last), last.bytes), ((56..=60).collect(), MAX_BYTES));
        assert!(Arc::ptr_eq(&large, &last.find(60).unwrap()));
        drop(large);
        assert!(last.find(60).is_none() && last.find(59).is_some());
    }
}
