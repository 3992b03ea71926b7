//! The last events of a notebook, for watchers that are slow or reconnect.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quire_domain::{Cell, Change, Notebook, limits};

use crate::event::{Event, EventKind};

/// Maximum buffered events. Events that were published together last may be more.
const MAX_EVENTS: usize = 256;
/// Maximum bytes of buffered events, besides those of the notebook itself. Events that were published together last may be
/// larger.
pub(crate) const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of an event besides its change: its own fields, and the unshared chunks of the two lists of cells.
const EVENT_BYTES: usize = 5 * 1024;
/// Bytes of a cell in the notebook's index of cycles, which an event that changes cycles does not share.
const INDEXED_BYTES: usize = 40;
/// Bytes of the chunks of both lists that one cell more with another run digest makes unshared.
const CHUNK_BYTES: usize = 2 * 1024;
/// Maximum bytes of the chunks of both lists, when they are half full.
const MAX_LIST_BYTES: usize = limits::CELLS * 32;

/// The last events of a notebook, which are held nowhere else. Events share cells with the notebook and with each other, so
/// the weight of an event is the content that it alone keeps from being freed: the content that its change has replaced.
///
/// Transient events are evicted first. A watcher that has missed only transient events needs no resync.
#[derive(Debug)]
pub(crate) struct EventBuffer(Mutex<BufferedEvents>);

#[derive(Debug)]
struct BufferedEvents {
    events: VecDeque<(Arc<Event>, usize)>,
    bytes: usize,
    /// The number of the last evicted event that was not transient. A watcher that has seen this event or a later one misses
    /// none.
    from: u64,
    /// The number of the last evicted event that was transient. A watcher that has seen an earlier event alone misses updates of runs.
    updates_from: u64,
    /// The number of the last event.
    last: u64,
}

/// Result of a search for the event after another one.
pub(crate) enum NextEvent {
    /// The event.
    Event(Arc<Event>),
    /// There is no later event yet.
    Nothing,
    /// The event has been evicted.
    Lost,
}

impl EventBuffer {
    /// Creates an empty buffer for the events after this number.
    pub(crate) fn since_start(from: u64) -> Self {
        Self(Mutex::new(BufferedEvents { events: VecDeque::new(), bytes: 0, from, updates_from: from, last: from }))
    }

    /// Adds events that were published together, and evicts earlier events to make room. None of the new events is evicted,
    /// whatever its size, so that a watcher that has seen all earlier events misses none.
    pub(crate) fn push(&self, events: Vec<Arc<Event>>) {
        let mut kept = self.kept();
        let mut older = kept.events.len();
        let are_transient = events.iter().all(|event| is_transient(event));
        for event in events {
            let bytes = weight(&event);
            kept.bytes += bytes;
            kept.last = event.seq.number;
            kept.events.push_back((event, bytes));
        }
        while older > 0 && (kept.events.len() > MAX_EVENTS || kept.bytes > MAX_BYTES) {
            let transient = kept.events.iter().take(older).position(|(event, _)| is_transient(event));
            // Transient events do not evict others. At most one exceeds the limits, because the next one evicts it.
            if are_transient && transient.is_none() {
                return;
            }
            let Some((oldest, bytes)) = kept.events.remove(transient.unwrap_or(0)) else { return };
            kept.bytes -= bytes;
            match transient {
                Some(_) => kept.updates_from = kept.updates_from.max(oldest.seq.number),
                None => kept.from = oldest.seq.number,
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

    /// Returns the number of the last evicted event that was transient.
    pub(crate) fn updates_from(&self) -> u64 {
        self.kept().updates_from
    }

    /// Returns the number of the last event.
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
        EventKind::Changed(change) => {
            weight_of(change) + indexed(change, event.notebook.cycles.len()) + live_bytes(change, &event.notebook)
        }
        EventKind::Transient(update) => EVENT_BYTES + update.bytes(),
        EventKind::Recovered(_) | EventKind::Deleted | EventKind::Resync => EVENT_BYTES,
    }
}

/// Adds up the results so far of cells that run, which an event of their change alone holds.
fn live_bytes(change: &Change, notebook: &Notebook) -> usize {
    let live = change.cells.iter().filter_map(|cell| {
        let (shown, stored) = (notebook.cells.find(&cell.id)?, cell.after.as_ref()?);
        (!Arc::ptr_eq(&shown.results, &stored.results)).then(|| shown.results.bytes())
    });
    live.sum()
}

/// Estimates the bytes of an event of this change, without the index of cycles.
pub(crate) fn weight_of(change: &Change) -> usize {
    // The change counts its own cells.
    let others = change.run_digests_changed.saturating_sub(change.cells.len());
    EVENT_BYTES + change.memory_bytes() + others * size_of::<Cell>() + (others * CHUNK_BYTES).min(MAX_LIST_BYTES)
}

fn indexed(change: &Change, cells: usize) -> usize {
    if change.cycles.is_empty() { 0 } else { cells * INDEXED_BYTES }
}
