//! The binding rule, which decides the writer that a read takes its name from.
//!
//! A read binds to the nearest writer above; if there is none, to the nearest writer below; never to its own cell. Three
//! kinds of reads do not bind below:
//!
//! - Tables: one that is created further down says nothing about the present contents of the database.
//! - Built-ins: without a writer above, the built-in itself is meant.
//! - A cell that writes the name too, when the writer below reads it as well: such cells (`df = df.dropna()`) form a
//!   chain down the document, and deleting the first definition must not make a cycle.

use std::collections::btree_map;
use std::ops::Bound::{Excluded, Included, Unbounded};

use super::index::{Index, Name, NameId, ReadKind, Slot};
use super::place::Place;
use super::types::EdgeKind;

/// An edge inside the graph.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    /// The cell at the other end.
    pub(super) cell: Slot,
    pub(super) name: NameId,
    pub(super) kind: EdgeKind,
}

impl Binding {
    /// Returns `true` if the child cannot run before the parent. Deferred edges alone make no cycle.
    pub(super) fn is_hard(&self) -> bool {
        self.kind != EdgeKind::Deferred
    }
}

impl Name {
    /// Returns the writer that a reader at `reader` takes the name from. O(log n).
    pub(super) fn parent(&self, reader: &Place, read: ReadKind) -> Option<&Place> {
        let above = self.writers.range(..reader).next_back();
        if above.is_some() || read.upwards_only {
            return above;
        }
        let below = self.writers.range((Excluded(reader), Unbounded)).next()?;
        (!self.writers.contains(reader) || !self.readers.contains_key(below)).then_some(below)
    }

    /// Returns the readers that take the name from the writer at `writer`. O(log n), and O(1) for each.
    pub(super) fn children(&self, writer: &Place) -> impl Iterator<Item = (&Place, EdgeKind)> {
        let previous = self.writers.range(..writer).next_back();
        let next = self.writers.range((Excluded(writer), Unbounded)).next();
        // The next writer may read the name too, and then takes it from here.
        let end = next.map_or(Unbounded, Included);
        let below = self.readers.range((Excluded(writer), end));
        let above = self.readers_above(writer, previous).into_iter().flatten().filter(|(_, how)| !how.upwards_only);
        above.chain(below).map(|(place, how)| (place, how.kind))
    }

    /// Returns the readers that have no other writer above them, and this one as the first below.
    fn readers_above(&self, writer: &Place, previous: Option<&Place>) -> Option<btree_map::Range<'_, Place, ReadKind>> {
        match previous {
            _ if self.is_table => None,
            None => Some(self.readers.range(..writer)),
            // Of the readers that the first writer does not serve there is one: itself.
            Some(first) if self.writers.first() == Some(first) && !self.readers.contains_key(writer) => {
                Some(self.readers.range(first..=first))
            }
            Some(_) => None,
        }
    }

    /// The only writer whose own read may depend on whether another writer reads the name.
    pub(super) fn first_writer(&self) -> Option<Slot> {
        self.writers.first().map(|first| first.slot)
    }
}

impl Index {
    /// The edge that a read makes, if it is (still) a read and finds a writer.
    pub(super) fn binding(&self, name: NameId, reader: Slot) -> Option<Binding> {
        let how = *self.node(reader).reads.get(&name)?;
        let cell = self.name(name).parent(&self.node(reader).place, how)?.slot;
        Some(Binding { cell, name, kind: how.kind })
    }

    /// Returns the edges from a cell's parents.
    pub(super) fn parents(&self, slot: Slot) -> impl Iterator<Item = Binding> {
        let node = self.node(slot);
        node.reads.iter().filter_map(|(&name, &how)| {
            let cell = self.name(name).parent(&node.place, how)?.slot;
            Some(Binding { cell, name, kind: how.kind })
        })
    }

    /// Returns the edges to a cell's children.
    pub(super) fn children(&self, slot: Slot) -> impl Iterator<Item = Binding> {
        let node = self.node(slot);
        node.writes.iter().flat_map(|&name| {
            let children = self.name(name).children(&node.place);
            children.map(move |(place, kind)| Binding { cell: place.slot, name, kind })
        })
    }
}
