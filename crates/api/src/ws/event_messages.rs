//! A cache of the messages of events, so that each event is written once for all its sockets.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Weak};

use actix_web::web;
use bytestring::ByteString;
use parking_lot::Mutex;
use quire_domain::UserId;
use quire_service::{Event, EventKind};

use super::write_event::write;
use crate::limiters::byte_budget::{ByteBudget, Hold};
use crate::wire::cell_size;

/// The messages of one event, in order.
#[derive(Debug)]
pub(crate) struct Messages {
    pub(crate) texts: Vec<ByteString>,
    bytes: usize,
    /// The reservation of their bytes, unless they are small.
    hold: Option<Hold>,
}

/// Maximum events in the cache. All sockets of a notebook take an event at about the same time.
const MAX_EVENTS: usize = 32;
/// Maximum bytes in the cache.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Bytes beyond which the messages of an event are cached only while a socket sends them.
const LARGE: usize = 1024 * 1024;
/// Bytes up to which the messages of an event count to no budget.
const SMALL: usize = 64 * 1024;

/// A cache of the messages of the last events of all notebooks. They hold code, so that `Debug` does not show them.
#[derive(Default)]
pub(crate) struct EventMessageCache {
    last: Mutex<Entries>,
}

/// The number of an event, and of the runs in it of which a watcher has been told a part.
type Key = (u64, usize);

/// A reason why there are no messages.
#[derive(Debug)]
pub(crate) enum MessagesError {
    /// The clients that do not read have exhausted the budget of bytes.
    Exceeded,
    /// The messages cannot be serialised.
    Unwritable(serde_json::Error),
}

#[derive(Default)]
struct Entries {
    /// Entries by the event's number, which is unique in this server, and by how much of its results has been told.
    events: VecDeque<(Key, CachedMessages)>,
    bytes: usize,
}

enum CachedMessages {
    Whole(Arc<Messages>),
    Large(Weak<Messages>),
}

impl EventMessageCache {
    /// Returns the messages of an event, written if need be. `user` is the owner of its notebook.
    pub(crate) async fn of(
        &self,
        event: &Arc<Event>,
        user: &UserId,
        budget: &Arc<ByteBudget>,
    ) -> Result<Arc<Messages>, MessagesError> {
        let key = (event.seq.number, event.told.len());
        if let Some(messages) = self.last.lock().find(key) {
            return Ok(messages);
        }
        // A large event is written on a blocking thread, so that it holds up none of the thread's connections.
        let texts = if size(event) > LARGE {
            let of = Arc::clone(event);
            web::block(move || write(&of)).await.unwrap_or_else(|_ending| write(event))
        } else {
            write(event)
        };
        let texts = texts.map_err(MessagesError::Unwritable)?;
        let mut last = self.last.lock();
        // Another thread may have inserted them meanwhile.
        if let Some(messages) = last.find(key) {
            return Ok(messages);
        }
        let bytes = texts.iter().map(|text| text.len()).sum();
        let hold = if bytes > SMALL {
            Some(budget.hold(user, bytes).map_err(|_exceeded| MessagesError::Exceeded)?)
        } else {
            None
        };
        Ok(last.insert(key, Messages { texts, bytes, hold }))
    }
}

/// Approximate bytes of the `cell_status` of a cell that came onto a cycle.
const CYCLE_BYTES: usize = 128;
/// Approximate bytes of the `cell_stale` of a cell.
const STALE_BYTES: usize = 128;

/// Estimates the bytes of an event's messages.
fn size(event: &Event) -> usize {
    match &event.kind {
        EventKind::Changed(change) => {
            let cells = change.cells.iter().filter_map(|cell| cell.after.as_deref()).map(cell_size).sum::<usize>();
            cells + change.cycles.len() * CYCLE_BYTES + change.stale.len() * STALE_BYTES
        }
        EventKind::Transient(update) => update.bytes(),
        EventKind::Recovered(_) | EventKind::Resync | EventKind::Deleted => 0,
    }
}

impl fmt::Debug for EventMessageCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.last.lock();
        f.debug_struct("EventMessageCache").field("events", &last.events.len()).field("bytes", &last.bytes).finish()
    }
}

impl CachedMessages {
    /// Returns the bytes that the cache alone holds.
    fn bytes(&self) -> usize {
        match self {
            Self::Whole(messages) => messages.bytes,
            Self::Large(_) => 0,
        }
    }
}

impl Entries {
    fn find(&self, key: Key) -> Option<Arc<Messages>> {
        let (_, cached) = self.events.iter().rev().find(|(of, _)| *of == key)?;
        match cached {
            CachedMessages::Whole(messages) => Some(Arc::clone(messages)),
            CachedMessages::Large(messages) => messages.upgrade(),
        }
    }

    fn insert(&mut self, key: Key, messages: Messages) -> Arc<Messages> {
        let messages = Arc::new(messages);
        // Reserved bytes are held no longer than a socket needs them.
        let cached = if messages.bytes > LARGE || messages.hold.is_some() {
            CachedMessages::Large(Arc::downgrade(&messages))
        } else {
            CachedMessages::Whole(Arc::clone(&messages))
        };
        self.bytes += cached.bytes();
        self.events.push_back((key, cached));
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
        let mut last = Entries::default();
        let cached = |last: &Entries| last.events.iter().map(|((number, _), _)| *number).collect::<Vec<_>>();
        for number in 0..40 {
            last.insert((number, 0), messages(1));
        }
        assert_eq!((cached(&last), last.bytes), ((8..40).collect(), 32));
        for number in 40..60 {
            last.insert((number, 0), messages(MAX_BYTES / 4));
        }
        assert_eq!((cached(&last), last.bytes), ((56..60).collect(), MAX_BYTES));
        let large = last.insert((60, 0), messages(2 * MAX_BYTES));
        assert_eq!((cached(&last), last.bytes), ((56..=60).collect(), MAX_BYTES));
        assert!(Arc::ptr_eq(&large, &last.find((60, 0)).unwrap()));
        drop(large);
        assert!(last.find((60, 0)).is_none() && last.find((59, 0)).is_some());
    }
}
