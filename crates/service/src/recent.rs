//! The last events of a notebook, kept for watchers that were cut off and come back.

use std::collections::VecDeque;
use std::sync::Arc;

use quire_domain::{Cell, CellChange};

use crate::event::{Event, EventKind};

/// Events that are kept at most.
const MOST_EVENTS: usize = 256;
/// Bytes that they hold at most beyond what the notebook itself holds.
const MOST_BYTES: usize = 1024 * 1024;
/// What an event weighs besides texts: its own fields, and the pages of the cells' list that it does not share.
const EVENT_BYTES: usize = 2 * 1024;

/// The last events of a notebook. They share cells with the notebook and with each other, so what counts is what an event
/// keeps from being freed: the texts that it brought, which a later one replaces, and those of a cell that it deleted.
#[derive(Debug)]
pub(crate) struct Recent {
    events: VecDeque<(Arc<Event>, usize)>,
    bytes: usize,
    /// The last event that is not kept: whoever has seen it, or a later one, can be told the rest.
    from: u64,
}

impl Recent {
    /// Nothing has happened since the event with this number.
    pub(crate) fn since_start(from: u64) -> Self {
        Self { events: VecDeque::new(), bytes: 0, from }
    }

    /// Keeps one more event, and forgets as many of the oldest as make room.
    pub(crate) fn push(&mut self, event: Arc<Event>) {
        let bytes = weight(&event);
        self.bytes += bytes;
        self.events.push_back((event, bytes));
        while self.events.len() > MOST_EVENTS || self.bytes > MOST_BYTES {
            let Some((oldest, bytes)) = self.events.pop_front() else { return };
            self.bytes -= bytes;
            self.from = oldest.seq.number;
        }
    }

    /// The events after the one with this number; `None` when not all of them are kept.
    pub(crate) fn after(&self, number: u64) -> Option<VecDeque<Arc<Event>>> {
        if number < self.from {
            return None;
        }
        let first = self.events.partition_point(|(event, _)| event.seq.number <= number);
        Some(self.events.range(first..).map(|(event, _)| Arc::clone(event)).collect())
    }
}

fn weight(event: &Event) -> usize {
    let EventKind::Changed(change) = &event.kind else { return EVENT_BYTES };
    EVENT_BYTES + change.cells.iter().map(weight_of_cell).sum::<usize>()
}

fn weight_of_cell(CellChange { before, after, .. }: &CellChange) -> usize {
    let results = |cell: &Cell| {
        let outputs = cell.results.outputs.iter().map(|o| o.data.as_str().len() + o.metadata.as_str().len());
        outputs.sum::<usize>() + cell.results.stdout.len() + cell.results.error.as_ref().map_or(0, String::len)
    };
    match (before, after) {
        (Some(before), Some(after)) => {
            let code = if Arc::ptr_eq(&before.code, &after.code) { 0 } else { after.code.len() };
            code + if Arc::ptr_eq(&before.results, &after.results) { 0 } else { results(after) }
        }
        (None, Some(cell)) | (Some(cell), None) => cell.code.len() + results(cell),
        (None, None) => 0,
    }
}
