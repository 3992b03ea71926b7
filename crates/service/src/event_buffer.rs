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
/// What an event weighs besides its change: its own fields, and the pages of the cells' list that it does not share.
const EVENT_BYTES: usize = 3 * 1024;
/// What a cell on a cycle weighs in the notebook's index of them, which events whose change is of cycles do not share.
const INDEXED_BYTES: usize = 40;

/// The last events of a notebook, the only place where they are held. They share cells with the notebook and with each
/// other, so what an event weighs is what it alone keeps from being freed: what was there before it and is no more.
#[derive(Debug)]
pub(crate) struct EventBuffer(Mutex<BufferedEvents>);

#[derive(Debug)]
struct BufferedEvents {
    events: VecDeque<(Arc<Event>, usize)>,
    bytes: usize,
    /// The last event that is not kept: whoever has seen it, or a later one, can be told the rest.
    from: u64,
}

/// What comes after an event.
pub(crate) enum Next {
    /// This.
    Event(Arc<Event>),
    /// Nothing yet.
    Nothing,
    /// It is not known any more.
    Lost,
}

impl EventBuffer {
    /// Nothing has happened since the event with this number.
    pub(crate) fn since_start(from: u64) -> Self {
        Self(Mutex::new(BufferedEvents { events: VecDeque::new(), bytes: 0, from }))
    }

    /// Keeps what was published together, and forgets as many of the events before it as make room. None of its own, whatever
    /// they hold: whoever has heard everything so far hears all of this too.
    pub(crate) fn push(&self, events: Vec<Arc<Event>>) {
        let mut kept = self.kept();
        let mut older = kept.events.len();
        for event in events {
            let bytes = weight(&event);
            kept.bytes += bytes;
            kept.events.push_back((event, bytes));
        }
        while older > 0 && (kept.events.len() > MAX_EVENTS || kept.bytes > MAX_BYTES) {
            let Some((oldest, bytes)) = kept.events.pop_front() else { return };
            kept.bytes -= bytes;
            kept.from = oldest.seq.number;
            older -= 1;
        }
    }

    /// What comes after the event with this number.
    pub(crate) fn after(&self, number: u64) -> Next {
        let kept = self.kept();
        if number < kept.from {
            return Next::Lost;
        }
        let first = kept.events.partition_point(|(event, _)| event.seq.number <= number);
        kept.events.get(first).map_or(Next::Nothing, |(event, _)| Next::Event(Arc::clone(event)))
    }

    /// What all events weigh together.
    pub(crate) fn bytes(&self) -> usize {
        self.kept().bytes
    }

    fn kept(&self) -> MutexGuard<'_, BufferedEvents> {
        // The list is whole between any two statements, so a panic elsewhere leaves nothing broken in it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight(event: &Event) -> usize {
    match &event.kind {
        EventKind::Changed(change) => weight_of(change) + indexed(change, event.notebook.cycles.len()),
        EventKind::Deleted | EventKind::Resync => EVENT_BYTES,
    }
}

/// What an event of this change weighs, without the index of cycles.
pub(crate) fn weight_of(change: &Change) -> usize {
    EVENT_BYTES + change.memory_bytes()
}

fn indexed(change: &Change, cells: usize) -> usize {
    if change.cycles.is_empty() { 0 } else { cells * INDEXED_BYTES }
}
