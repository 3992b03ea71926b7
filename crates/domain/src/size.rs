//! Estimates of the memory that notebooks take, from counts, within a factor of two of the memory that is allocated.
//!
//! Eviction and refusals depend on them, so they are cheap: an edit costs the names of its cell.

use std::collections::HashSet;
use std::mem::size_of;
use std::sync::Arc;

use quire_analysis::{Analysis, Diagnostic};

use crate::limits::{self, Invalid};
use crate::{Cell, CellChange, CellId, CellStatus, Change, Cycle, CycleChange, Notebook, Results, StaleChange};

/// Bytes of an allocation beside its content, for reference counts and the allocator.
const ALLOCATION_BYTES: usize = 16;
/// Bytes of an entry of an ordered or a hashed map beside its content, with the unused part of such maps.
const MAP_ENTRY_BYTES: usize = 24;
/// Bytes of a cell in the graph of an open notebook.
const OPEN_CELL_BYTES: usize = 480;
/// Bytes of a name in the graph of an open notebook: between one that no other cell shares and one that very many do.
const OPEN_NAME_BYTES: usize = 250;

/// The size of a notebook: the counts that are limited, and the memory of its cells. It is updated with each edit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotebookSize {
    cells: usize,
    /// Bytes of all sources.
    code_bytes: usize,
    /// Names in the analyses of all cells, each counted once for each cell and list.
    names: usize,
    /// Bytes of all sources, results and unknown fields.
    content_bytes: usize,
    /// Bytes of memory of all cells.
    cell_bytes: usize,
    /// Cells whose results have the status `running`.
    running: usize,
}

impl NotebookSize {
    /// Returns the size of a notebook with these cells.
    #[must_use]
    pub fn of<'a>(cells: impl Iterator<Item = &'a Arc<Cell>>) -> Self {
        let mut size = Self::default();
        cells.for_each(|cell| size.add(cell));
        size
    }

    pub(crate) fn add(&mut self, cell: &Cell) {
        self.cells += 1;
        self.code_bytes += cell.code.len();
        self.names += cell.analysis.names();
        self.content_bytes += content_bytes(cell);
        self.cell_bytes += cell.memory_bytes();
        self.running += usize::from(is_running(cell));
    }

    pub(crate) fn remove(&mut self, cell: &Cell) {
        self.cells -= 1;
        self.code_bytes -= cell.code.len();
        self.names -= cell.analysis.names();
        self.content_bytes -= content_bytes(cell);
        self.cell_bytes -= cell.memory_bytes();
        self.running -= usize::from(is_running(cell));
    }

    /// Returns the number of cells.
    #[must_use]
    pub fn cells(self) -> usize {
        self.cells
    }

    /// Returns the bytes of all sources.
    #[must_use]
    pub fn code_bytes(self) -> usize {
        self.code_bytes
    }

    /// Returns the bytes of all sources, results and unknown fields of cells.
    #[must_use]
    pub fn content_bytes(self) -> usize {
        self.content_bytes
    }

    /// Returns the estimated bytes of memory of all cells, without the graph.
    #[must_use]
    pub fn cell_bytes(self) -> usize {
        self.cell_bytes
    }

    /// Returns the number of cells whose results have the status `running`.
    #[must_use]
    pub fn running(self) -> usize {
        self.running
    }

    /// Estimates the bytes of memory that a notebook of this size takes when it is open.
    #[must_use]
    pub fn memory_bytes(self) -> usize {
        self.cell_bytes + self.cells * OPEN_CELL_BYTES + self.names * OPEN_NAME_BYTES
    }

    /// Checks the size against the limits of a whole notebook.
    ///
    /// # Errors
    /// [`Invalid`] naming the limit.
    pub fn check_limits(self) -> Result<(), Invalid> {
        self.check_growth(None)
    }

    /// Checks a change against the limits of the whole notebook. A change that increases no count is never refused, so that a
    /// notebook that exceeds a limit can be made smaller.
    pub(crate) fn check_change(self, changes: &[CellChange]) -> Result<(), Invalid> {
        let mut after = self;
        // Added first, so that no count falls below zero on the way.
        changes.iter().filter_map(|change| change.after.as_ref()).for_each(|cell| after.add(cell));
        changes.iter().filter_map(|change| change.before.as_ref()).for_each(|cell| after.remove(cell));
        after.check_growth(Some(self))
    }

    fn check_growth(self, before: Option<Self>) -> Result<(), Invalid> {
        let grows = |of: fn(Self) -> usize| before.is_none_or(|before| of(self) > of(before));
        if grows(|size| size.code_bytes) {
            limits::notebook_code(self.code_bytes)?;
        }
        if grows(|size| size.names) {
            limits::at_most("the notebook", "names read and written", limits::NOTEBOOK_NAMES, self.names)?;
        }
        Ok(())
    }
}

impl Cell {
    /// Estimates the bytes of memory that the cell takes, without its part of the graph.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let own = size_of::<Self>() + ALLOCATION_BYTES + self.id.as_str().len() + self.order.as_str().len();
        // In the two lists of cells, whose chunks are half full at least.
        let listed = 4 * size_of::<usize>();
        let broken = self.broken.as_deref().map_or(0, diagnostic_bytes);
        own + listed
            + self.code.len()
            + analysis_bytes(&self.analysis)
            + results_bytes(&self.results)
            + self.extra.bytes()
            + broken
            + 4 * ALLOCATION_BYTES
    }
}

impl Notebook {
    /// Checks the notebook against the limits of a whole one, for notebooks from files. A stored notebook that exceeds them can
    /// still be opened.
    ///
    /// # Errors
    /// [`Invalid`] naming the limit.
    pub fn check_limits(&self) -> Result<(), Invalid> {
        NotebookSize::of(self.cells.iter()).check_limits()
    }

    /// Estimates the bytes of memory that the notebook will take when it is open, by the names that its cells have now.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        NotebookSize::of(self.cells.iter()).memory_bytes()
    }
}

fn is_running(cell: &Cell) -> bool {
    cell.results.status == CellStatus::Running
}

/// Bytes of a cell's source, results and unknown fields.
fn content_bytes(cell: &Cell) -> usize {
    cell.code.len() + cell.results.bytes() + cell.extra.bytes()
}

fn results_bytes(results: &Results) -> usize {
    // A MIME type and two JSON texts for each output.
    let outputs = results.outputs.len() * (size_of::<crate::Output>() + 3 * ALLOCATION_BYTES + 24);
    size_of::<Results>() + ALLOCATION_BYTES + results.bytes() + outputs
}

fn analysis_bytes(analysis: &Analysis) -> usize {
    let allocations = analysis.names() * (ALLOCATION_BYTES / 2) + analysis.diagnostics.len() * ALLOCATION_BYTES;
    size_of::<Analysis>() + ALLOCATION_BYTES + analysis.bytes() + allocations
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
    /// Estimates the bytes of memory that only the change still holds after later changes: its own lists, the parts of each cell
    /// before that the cell after does not share, and the cycles that it made.
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
            + self.stale.len() * size_of::<StaleChange>()
            + made.sum::<usize>()
    }
}

/// Estimates the bytes of the cell before the change that the cell after does not share.
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
