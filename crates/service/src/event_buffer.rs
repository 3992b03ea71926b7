//! The last events of a notebook: for watchers that are a little behind, and for those that were cut off and come back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quire_domain::Change;

use crate::event::{Event, EventKind};

/// Maximum events that are kept, or those that were published together last.
const MAX_EVENTS: usize = 256;
/// Maximum bytes that they hold beyond what the notebook itself holds, or those that were published together last if these
/// hold more.
pub(crate) const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of an event besides its change: its own fields, and the chunks of the cells' two lists that it does not share.
const EVENT_BYTES: usize = 5 * 1024;
/// Bytes of a cell on a cycle in the notebook's index of them, which events whose change is of cycles do not share.
const INDEXED_BYTES: usize = 40;

/// The last events of a notebook, the only place where they are held. They share cells with the notebook and with each
/// other, so what an event weighs is what it alone keeps from being freed: what was there before it and is no more.
///
/// Transient events make room first, and are skipped where they are no longer kept: no watcher has to read the notebook
/// again for them.
#[derive(Debug)]
pub(crate) struct EventBuffer(Mutex<BufferedEvents>);

#[derive(Debug)]
struct BufferedEvents {
    events: VecDeque<(Arc<Event>, usize)>,
    bytes: usize,
    /// The number of the last event that is not kept, transient ones aside: whoever has seen it, or a later one, can be told
    /// the rest.
    from: u64,
    /// The number of the last event.
    last: u64,
}

/// The event after another one, if it is known.
pub(crate) enum NextEvent {
    /// The event.
    Event(Arc<Event>),
    /// There is none yet.
    Nothing,
    /// It is no longer kept.
    Lost,
}

impl EventBuffer {
    /// An empty buffer, for what happens after the event with this number.
    pub(crate) fn since_start(from: u64) -> Self {
        Self(Mutex::new(BufferedEvents { events: VecDeque::new(), bytes: 0, from, last: from }))
    }

    /// Keeps what was published together, and forgets as many of the events before it as make room. None of its own, whatever
    /// they hold: whoever has heard everything so far hears all of this too.
    pub(crate) fn push(&self, events: Vec<Arc<Event>>) {
        let mut kept = self.kept();
        let mut older = kept.events.len();
        let is_passing = events.iter().all(|event| is_transient(event));
        for event in events {
            let bytes = weight(&event);
            kept.bytes += bytes;
            kept.last = event.seq.number;
            kept.events.push_back((event, bytes));
        }
        while older > 0 && (kept.events.len() > MAX_EVENTS || kept.bytes > MAX_BYTES) {
            let transient = kept.events.iter().take(older).position(|(event, _)| is_transient(event));
            // One update at most is kept beyond the limits then: the next one finds it here.
            if is_passing && transient.is_none() {
                return;
            }
            let Some((oldest, bytes)) = kept.events.remove(transient.unwrap_or(0)) else { return };
            kept.bytes -= bytes;
            if transient.is_none() {
                kept.from = oldest.seq.number;
            }
            older -= 1;
        }
    }

    /// Finds the event after the one with this number.
    pub(crate) fn after(&self, number: u64) -> NextEvent {
        let kept = self.kept();
        if number < kept.from {
            return NextEvent::Lost;
        }
        let first = kept.events.partition_point(|(event, _)| event.seq.number <= number);
        kept.events.get(first).map_or(NextEvent::Nothing, |(event, _)| NextEvent::Event(Arc::clone(event)))
    }

    /// The number of the last event.
    pub(crate) fn last(&self) -> u64 {
        self.kept().last
    }

    /// Adds up the bytes of all events.
    pub(crate) fn bytes(&self) -> usize {
        self.kept().bytes
    }

    fn kept(&self) -> MutexGuard<'_, BufferedEvents> {
        // The list is whole between any two statements, so a panic elsewhere leaves nothing broken in it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_transient(event: &Event) -> bool {
    matches!(event.kind, EventKind::Transient(_))
}

fn weight(event: &Event) -> usize {
    match &event.kind {
        EventKind::Changed(change) => weight_of(change) + indexed(change, event.notebook.cycles.len()),
        EventKind::Transient(update) => EVENT_BYTES + update.bytes(),
        EventKind::Recovered(_) | EventKind::Deleted | EventKind::Resync => EVENT_BYTES,
    }
}

/// Estimates the bytes of an event of this change, without the index of cycles.
pub(crate) fn weight_of(change: &Change) -> usize {
    EVENT_BYTES + change.memory_bytes()
}

fn indexed(change: &Change, cells: usize) -> usize {
    if change.cycles.is_empty() { 0 } else { cells * INDEXED_BYTES }
}
