//! An index of the cells that read and write each name, in document order.
//!
//! The graph stores no edges beside these sets: the binding of a read follows from them (see `bindings`), so that a change of a
//! cell changes only the sets of its own names.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::place::Place;
use super::types::EdgeKind;
use crate::{Cell, CellId, CellType};

/// A cell's number in the graph. It is reused after the cell is deleted.
pub(super) type Slot = usize;
/// A name's or a table's number in the graph. It is reused when no cell mentions the name.
pub(super) type NameId = usize;

/// The way in which a cell reads a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadKind {
    pub(super) kind: EdgeKind,
    /// Set when a writer below does not count, as for tables and for built-ins, which exist without a writer.
    pub(super) upwards_only: bool,
}

/// A cell in the graph.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    /// The names that the cell reads, each once.
    pub(super) reads: BTreeMap<NameId, ReadKind>,
    pub(super) writes: BTreeSet<NameId>,
    /// Set when the cell's code does not parse.
    pub(super) broken: bool,
    /// Set when the cell is SQL that changes data.
    pub(super) changes_data: bool,
}

/// A Python name or an SQL table, with the cells that mention it.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) text: Arc<str>,
    pub(super) is_table: bool,
    pub(super) writers: BTreeSet<Place>,
    pub(super) readers: BTreeMap<Place, ReadKind>,
}

/// Reads whose bindings may have changed.
pub(super) type Touched = Vec<(NameId, Slot)>;

/// All cells and names of a notebook.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    nodes: Vec<Node>,
    free_slots: Vec<Slot>,
    slots: HashMap<CellId, Slot>,
    document: BTreeSet<Place>,
    names: Vec<Name>,
    free_names: Vec<NameId>,
    python: HashMap<Arc<str>, NameId>,
    tables: HashMap<Arc<str>, NameId>,
    /// Bytes of the texts of all names.
    text_bytes: usize,
    /// Reads of all cells.
    reads: usize,
    /// Writes of all cells.
    writes: usize,
}

/// Bytes of a cell's place, node and entries in the maps, without its names.
const NODE_BYTES: usize = 400;
/// Bytes of a name and its entry in the map, without its text, readers and writers.
const NAME_BYTES: usize = 144;
/// Bytes of the first reader or writer of a name, which has a page of its own.
const FIRST_MENTION_BYTES: usize = 300;
/// Bytes of another reader or writer of a name, and of a name in a cell's own map.
const MENTION_BYTES: usize = 40;

impl Index {
    pub(super) fn slot(&self, id: &CellId) -> Option<Slot> {
        self.slots.get(id).copied()
    }

    pub(super) fn node(&self, slot: Slot) -> &Node {
        &self.nodes[slot]
    }

    pub(super) fn id(&self, slot: Slot) -> &CellId {
        self.node(slot).place.id()
    }

    pub(super) fn name(&self, name: NameId) -> &Name {
        &self.names[name]
    }

    /// Estimates the bytes of memory that the index takes.
    pub(super) fn memory_bytes(&self) -> usize {
        let names = self.names.len();
        let first = self.reads.min(names) + self.writes.min(names);
        self.nodes.len() * NODE_BYTES
            + names * NAME_BYTES
            + self.text_bytes
            + first * FIRST_MENTION_BYTES
            + (2 * (self.reads + self.writes) - first) * MENTION_BYTES
    }

    /// Iterates over all names and tables, in no order, also those that no cell mentions.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.names.iter()
    }

    /// Iterates over all cells in document order.
    pub(super) fn document(&self) -> impl DoubleEndedIterator<Item = Slot> {
        self.document.iter().map(|place| place.slot)
    }

    /// Returns the cell before this one in the document.
    pub(super) fn cell_above(&self, slot: Slot) -> Option<Slot> {
        let above = self.document.range(..&self.node(slot).place).next_back();
        above.map(|place| place.slot)
    }

    /// Inserts or updates a cell, and adds the reads whose bindings may have changed to `touched`.
    pub(super) fn put(&mut self, cell: &Cell, touched: &mut Touched) -> Slot {
        let slot = self.slots.get(&cell.id).copied().unwrap_or_else(|| self.allocate(cell));
        let mut reads = BTreeMap::new();
        let analysis = &cell.analysis;
        let plain = analysis.reads.iter().map(|read| (read, false));
        for (read, upwards_only) in plain.chain(analysis.builtins_read.iter().map(|read| (read, true))) {
            let kind = if read.deferred { EdgeKind::Deferred } else { EdgeKind::Eager };
            let known = reads.entry(self.intern(&read.name, false)).or_insert(ReadKind { kind, upwards_only });
            // One eager load makes the read eager, and one load that is not of the built-in makes it plain.
            *known = ReadKind { kind: kind.min(known.kind), upwards_only: upwards_only && known.upwards_only };
        }
        for table in &analysis.tables_read {
            reads.insert(self.intern(table, true), ReadKind { kind: EdgeKind::Table, upwards_only: true });
        }
        let writes = analysis.writes.iter().map(|name| self.intern(name, false));
        let mut writes: BTreeSet<_> = writes.collect();
        writes.extend(analysis.tables_written.iter().map(|table| self.intern(table, true)));

        let mut place = self.node(slot).place.clone();
        if *place.order() != cell.order {
            self.document.remove(&place);
            place = Place::new(slot, &cell.order, &cell.id);
            self.document.insert(place.clone());
        }
        let after = Node {
            place,
            reads,
            writes,
            broken: cell.broken.is_some(),
            changes_data: cell.cell_type == CellType::Sql && analysis.changes_data,
        };
        self.replace(slot, after, touched);
        slot
    }

    /// Removes a cell. Its slot stays reserved until [`Self::release`].
    pub(super) fn remove(&mut self, id: &CellId, touched: &mut Touched) -> Option<Slot> {
        let slot = self.slots.remove(id)?;
        let place = self.node(slot).place.clone();
        self.document.remove(&place);
        let after = Node { place, reads: BTreeMap::new(), writes: BTreeSet::new(), broken: false, changes_data: false };
        self.replace(slot, after, touched);
        Some(slot)
    }

    /// Frees a slot that [`Self::remove`] returned.
    pub(super) fn release(&mut self, slot: Slot) {
        self.free_slots.push(slot);
    }

    /// Allocates a slot for a new cell, without names.
    fn allocate(&mut self, cell: &Cell) -> Slot {
        let slot = self.free_slots.pop().unwrap_or(self.nodes.len());
        let node = Node {
            place: Place::new(slot, &cell.order, &cell.id),
            reads: BTreeMap::new(),
            writes: BTreeSet::new(),
            broken: false,
            changes_data: false,
        };
        self.document.insert(node.place.clone());
        self.slots.insert(cell.id.clone(), slot);
        if slot == self.nodes.len() {
            self.nodes.push(node);
        } else {
            self.nodes[slot] = node;
        }
        slot
    }

    /// Replaces a cell's node, in time of the names that differ and the reads that they touch, or of all its names if its place
    /// differs.
    fn replace(&mut self, slot: Slot, after: Node, touched: &mut Touched) {
        let before = std::mem::replace(&mut self.nodes[slot], after);
        let after = &self.nodes[slot];
        self.reads = self.reads + after.reads.len() - before.reads.len();
        self.writes = self.writes + after.writes.len() - before.writes.len();
        let moved = before.place != after.place;
        // What is added comes before what is removed, so that a name in both is never without mention in between.
        for (&id, &how) in &after.reads {
            if moved || before.reads.get(&id) != Some(&how) {
                let name = &mut self.names[id];
                name.readers.insert(after.place.clone(), how);
                touched.push((id, slot));
                touched.extend(name.first_writer().map(|first| (id, first)));
            }
        }
        for &id in &after.writes {
            if moved || !before.writes.contains(&id) {
                let name = &mut self.names[id];
                name.writers.insert(after.place.clone());
                touched.extend(name.children(&after.place).map(|(place, _)| (id, place.slot)));
                // Its own read may depend on whether it and the next writer are cells that rewrite the name.
                touched.extend(name.first_writer().map(|first| (id, first)));
            }
        }
        let mut left = Vec::new();
        for &id in before.writes.iter().filter(|id| moved || !after.writes.contains(id)) {
            let name = &mut self.names[id];
            touched.extend(name.children(&before.place).map(|(place, _)| (id, place.slot)));
            touched.extend(name.first_writer().map(|first| (id, first)));
            name.writers.remove(&before.place);
            left.push(id);
        }
        for &id in before.reads.keys().filter(|id| moved || !after.reads.contains_key(id)) {
            let name = &mut self.names[id];
            name.readers.remove(&before.place);
            touched.push((id, slot));
            touched.extend(name.first_writer().map(|first| (id, first)));
            left.push(id);
        }
        for name in left {
            self.remove_unused(name);
        }
    }

    fn intern(&mut self, text: &str, is_table: bool) -> NameId {
        let ids = if is_table { &mut self.tables } else { &mut self.python };
        if let Some(&id) = ids.get(text) {
            return id;
        }
        let text: Arc<str> = Arc::from(text);
        self.text_bytes += text.len();
        let id = self.free_names.pop().unwrap_or(self.names.len());
        ids.insert(Arc::clone(&text), id);
        let name = Name { text, is_table, writers: BTreeSet::new(), readers: BTreeMap::new() };
        if id == self.names.len() {
            self.names.push(name);
        } else {
            // The name that had the number before has kept its text until now.
            self.text_bytes -= std::mem::replace(&mut self.names[id], name).text.len();
        }
        id
    }

    /// Removes a name that no cell mentions. Names typed letter by letter would otherwise accumulate.
    fn remove_unused(&mut self, id: NameId) {
        let name = &self.names[id];
        let ids = if name.is_table { &mut self.tables } else { &mut self.python };
        let unused = name.writers.is_empty() && name.readers.is_empty();
        // A name can be left twice, as a read and as a write; only the first time it is still known.
        if unused && ids.get(&name.text) == Some(&id) {
            ids.remove(&name.text);
            self.free_names.push(id);
        }
    }
}
