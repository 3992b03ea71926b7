//! How much memory notebooks take: estimates from counts, within a factor of two of what an allocator is asked for.
//!
//! They say what to keep in memory and what to refuse, so they must be cheap: an edit costs the names of its cell.

use std::collections::HashSet;
use std::mem::size_of;
use std::sync::Arc;

use quire_analysis::{Analysis, Diagnostic, Read};

use crate::limits::{self, Invalid};
use crate::{Cell, CellChange, CellId, Change, Cycle, CycleChange, Notebook, Results};

/// Bytes of an allocation beside its content: what reference counts and the allocator take.
const ALLOCATION_BYTES: usize = 16;
/// Bytes of an entry of an ordered or a hashed map beside its content, with the room that such maps leave.
const MAP_ENTRY_BYTES: usize = 24;
/// Bytes of a cell in the graph of an open notebook.
const OPEN_CELL_BYTES: usize = 450;
/// Bytes of a name in the graph of an open notebook: between one that nobody shares and one that very many do.
const OPEN_NAME_BYTES: usize = 250;

/// What the limits of a notebook count, and its cells' memory; kept up to date edit by edit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Bytes of all sources.
    code_bytes: usize,
    /// Names that cells read or write, each counted once for each cell.
    names: usize,
    /// Bytes of memory of all cells.
    cell_bytes: usize,
}

impl Totals {
    pub(crate) fn of<'a>(cells: impl Iterator<Item = &'a Arc<Cell>>) -> Self {
        let mut totals = Self::default();
        cells.for_each(|cell| totals.add(cell));
        totals
    }

    pub(crate) fn add(&mut self, cell: &Cell) {
        self.code_bytes += cell.code.len();
        self.names += names_in(&cell.analysis);
        self.cell_bytes += cell.memory_bytes();
    }

    pub(crate) fn remove(&mut self, cell: &Cell) {
        self.code_bytes -= cell.code.len();
        self.names -= names_in(&cell.analysis);
        self.cell_bytes -= cell.memory_bytes();
    }

    pub(crate) fn cell_bytes(self) -> usize {
        self.cell_bytes
    }

    /// Checks a change against the limits of the whole notebook. One that makes nothing more is never refused, so that a
    /// notebook that was stored beyond a limit can be made smaller.
    pub(crate) fn check(self, changes: &[CellChange]) -> Result<(), Invalid> {
        let sum = |of: fn(&Cell) -> usize, side: fn(&CellChange) -> Option<&Arc<Cell>>| {
            changes.iter().filter_map(side).map(|cell| of(cell)).sum::<usize>()
        };
        let after = |total: usize, of: fn(&Cell) -> usize| {
            total + sum(of, |change| change.after.as_ref()) - sum(of, |change| change.before.as_ref())
        };
        let code_bytes = after(self.code_bytes, |cell| cell.code.len());
        let names = after(self.names, |cell| names_in(&cell.analysis));
        check(Self { code_bytes, names, ..self }, Some(self))
    }
}

fn check(now: Totals, before: Option<Totals>) -> Result<(), Invalid> {
    let grows = |of: fn(Totals) -> usize| before.is_none_or(|before| of(now) > of(before));
    if grows(|totals| totals.code_bytes) {
        limits::notebook_code(now.code_bytes)?;
    }
    if grows(|totals| totals.names) {
        limits::at_most("the notebook", "names read and written", limits::NOTEBOOK_NAMES, now.names)?;
    }
    Ok(())
}

/// Names that an analysis holds, each as often as it is in a list that the graph looks at.
fn names_in(analysis: &Analysis) -> usize {
    let Analysis { reads, builtins_read, writes, tables_read, tables_written, .. } = analysis;
    reads.len() + builtins_read.len() + writes.len() + tables_read.len() + tables_written.len()
}

impl Cell {
    /// Estimates the bytes of memory that the cell takes, without what the graph knows of it.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let own = size_of::<Self>() + ALLOCATION_BYTES + self.id.as_str().len() + self.order.as_str().len();
        // In the list of cells, and in the index of places.
        let listed = 2 * size_of::<usize>() + size_of::<(CellId, Box<str>)>() + self.order.as_str().len();
        let broken = self.broken.as_deref().map_or(0, diagnostic_bytes);
        own + listed
            + 2 * MAP_ENTRY_BYTES
            + self.code.len()
            + analysis_bytes(&self.analysis)
            + results_bytes(&self.results)
            + self.extra.bytes()
            + broken
            + 4 * ALLOCATION_BYTES
    }
}

impl Notebook {
    /// Checks the notebook against the limits of a whole one, as one that comes from a file must be. One that is stored
    /// beyond them already can still be opened.
    ///
    /// # Errors
    /// [`Invalid`] naming the limit.
    pub fn check_limits(&self) -> Result<(), Invalid> {
        check(Totals::of(self.cells.iter()), None)
    }

    /// Estimates the bytes of memory that the notebook will take when it is open, by the names that its cells have now.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let totals = Totals::of(self.cells.iter());
        totals.cell_bytes + self.cells.len() * OPEN_CELL_BYTES + totals.names * OPEN_NAME_BYTES
    }
}

fn results_bytes(results: &Results) -> usize {
    // A MIME type and two JSON texts for each output.
    let outputs = results.outputs.len() * (size_of::<crate::Output>() + 3 * ALLOCATION_BYTES + 24);
    size_of::<Results>() + ALLOCATION_BYTES + results.bytes() + outputs
}

fn analysis_bytes(analysis: &Analysis) -> usize {
    let Analysis { reads, builtins_read, writes, deletes, tables_read, tables_written, diagnostics, .. } = analysis;
    let texts = |list: &Vec<String>| {
        list.capacity() * size_of::<String>() + list.iter().map(|name| name.len() + ALLOCATION_BYTES / 2).sum::<usize>()
    };
    let read = |list: &Vec<Read>| {
        let names = list.iter().map(|read| read.name.len() + ALLOCATION_BYTES / 2);
        list.capacity() * size_of::<Read>() + names.sum::<usize>()
    };
    size_of::<Analysis>()
        + ALLOCATION_BYTES
        + [reads, builtins_read].map(read).iter().sum::<usize>()
        + [writes, deletes, tables_read, tables_written].map(texts).iter().sum::<usize>()
        + diagnostics.iter().map(diagnostic_bytes).sum::<usize>()
}

fn diagnostic_bytes(diagnostic: &Diagnostic) -> usize {
    size_of::<Diagnostic>() + diagnostic.message.len() + ALLOCATION_BYTES
}

impl Cycle {
    /// Estimates the bytes of memory that the cycle takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let names = self.path.iter().map(|(_, name)| name.len() + ALLOCATION_BYTES / 2);
        size_of::<Self>()
            + ALLOCATION_BYTES
            + self.cells.len() * size_of::<CellId>()
            + self.path.len() * size_of::<(CellId, String)>()
            + names.sum::<usize>()
    }
}

/// Estimates the bytes of an index from the cells that are on cycles to these.
pub(crate) fn cycle_index_bytes(cells: usize) -> usize {
    cells * (size_of::<(CellId, Arc<Cycle>)>() + MAP_ENTRY_BYTES / 2)
}

impl Change {
    /// Estimates the bytes of memory that the change alone keeps from being freed once later changes have replaced what it
    /// brought: its own lists, what each cell was before as far as it is not so after, and the cycles that it made.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let cycles: HashSet<*const Cycle> =
            self.cycles.iter().filter_map(|change| Some(Arc::as_ptr(change.cycle.as_ref()?))).collect();
        let mut left = cycles;
        let made = self.cycles.iter().filter_map(|change| change.cycle.as_ref());
        let made = made.filter(|cycle| left.remove(&Arc::as_ptr(cycle))).map(|cycle| cycle.memory_bytes());
        size_of::<Self>()
            + ALLOCATION_BYTES
            + self.cells.iter().map(replaced_bytes).sum::<usize>()
            + self.cycles.len() * size_of::<CycleChange>()
            + made.sum::<usize>()
    }
}

/// What a cell was before the change and is not after it.
fn replaced_bytes(CellChange { before, after, .. }: &CellChange) -> usize {
    let Some(before) = before else { return size_of::<CellChange>() };
    let is_shared =
        |of: fn(&Cell) -> *const u8| after.as_ref().is_some_and(|after| std::ptr::eq(of(before), of(after)));
    let shared = [
        (is_shared(|cell| cell.code.as_ptr()), before.code.len()),
        (is_shared(|cell| Arc::as_ptr(&cell.results).cast()), results_bytes(&before.results)),
        (is_shared(|cell| Arc::as_ptr(&cell.analysis).cast()), analysis_bytes(&before.analysis)),
    ];
    let shared = shared.iter().filter(|(is_shared, _)| *is_shared).map(|(_, bytes)| bytes);
    (size_of::<CellChange>() + before.memory_bytes()).saturating_sub(shared.sum())
}
