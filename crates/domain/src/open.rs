//! A notebook with its graph, held by its one writer task.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use quire_analysis::{Analysis, analyse};

use crate::diff::{Cycles, cycle_changes, sort_stale, stale_change};
use crate::graph::{Rebound, RunDigests};
use crate::size::{NotebookSize, cycle_index_bytes};
use crate::{
    Cell, CellChange, CellId, Change, Cycle, CycleChange, CycleUpdate, Graph, Notebook, RunDigest, StaleChange,
};

/// A notebook open for editing: the data that readers share, and the graph that only its writer needs.
///
/// ```
/// use quire_domain::{CellId, CellType, Edit, Life, Notebook, NotebookId, OpenNotebook, Place, Timestamp, UserId};
///
/// let (id, owner) = (NotebookId::new("demo")?, UserId::new("ann")?);
/// let mut open = OpenNotebook::open(Notebook::new(id, Life::UNRECORDED, owner, Timestamp::UNIX_EPOCH));
/// let cell = CellId::new("price")?;
/// let edit = Edit::InsertCell { id: cell, cell_type: CellType::Python, code: "price = 4".into(), place: Place::End };
/// let change = open.apply(&edit, None, Timestamp::UNIX_EPOCH)?.ok_or("nothing changed")?;
/// assert_eq!((change.cells.len(), open.notebook().revision.0), (1, 1));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenNotebook {
    pub(super) notebook: Notebook,
    graph: Graph,
    run_digests: RunDigests,
    pub(super) size: NotebookSize,
}

impl OpenNotebook {
    /// Opens a notebook from a store: analyses its cells and builds the graph.
    ///
    /// A cell that does not parse keeps its stored names, as deferred reads, so that an untouched cell never comes onto a cycle: the
    /// store does not know which names only functions read.
    #[must_use]
    pub fn open(notebook: Notebook) -> Self {
        let Ok(open) = Self::try_open(notebook, None, |_| Ok::<_, Infallible>(()));
        open
    }

    /// Opens a later state of the notebook `known`. Cells with the same code keep their analysis, which saves the work. Cells that do
    /// not parse keep it while it has the stored names: those of the last code that parsed.
    #[must_use]
    pub fn reopen(notebook: Notebook, known: &Notebook) -> Self {
        let Ok(open) = Self::try_open(notebook, Some(known), |_| Ok::<_, Infallible>(()));
        open
    }

    /// Opens a notebook as [`Self::open`] does, or as [`Self::reopen`] where a state is known, as long as `admit` accepts
    /// its size: the sum over the cells analysed so far, after each of them. The graph, which takes the most memory, is built
    /// only after the last.
    ///
    /// # Errors
    /// The first error of `admit`; no further cell is analysed then.
    pub fn try_open<E>(
        mut notebook: Notebook,
        known: Option<&Notebook>,
        mut admit: impl FnMut(NotebookSize) -> Result<(), E>,
    ) -> Result<Self, E> {
        let known: HashMap<&CellId, &Arc<Cell>> =
            known.into_iter().flat_map(|known| known.cells.iter()).map(|cell| (&cell.id, cell)).collect();
        let open = |cell: &Arc<Cell>| match known.get(&cell.id) {
            Some(known) if known.cell_type == cell.cell_type && known.code == cell.code => {
                Cell { analysis: Arc::clone(&known.analysis), broken: known.broken.clone(), ..(**cell).clone() }
            }
            known => {
                let known = known.filter(|known| known.cell_type == cell.cell_type && has_names_of(known, cell));
                let analysis = known.map_or_else(|| deferred(&cell.analysis), |known| Arc::clone(&known.analysis));
                let stored = Cell { analysis, ..(**cell).clone() };
                stored.with_code(cell.cell_type, Arc::clone(&cell.code), Arc::new(analyse(cell.cell_type, &cell.code)))
            }
        };
        let mut size = NotebookSize::default();
        let admitted = notebook.cells.iter().map(|cell| {
            let cell = open(cell);
            size.add(&cell);
            admit(size).map(|()| Arc::new(cell))
        });
        let mut cells: Vec<Arc<Cell>> = admitted.collect::<Result<_, E>>()?;
        let graph = Graph::new(cells.iter());
        let run_digests = RunDigests::new(&graph, cells.iter());
        for cell in &mut cells {
            set_run_digest(cell, run_digests.get(&graph, &cell.id));
        }
        notebook.cells = cells.into_iter().collect();
        let mut open = Self { notebook, graph, run_digests, size };
        open.refresh_cycles();
        Ok(open)
    }

    /// Returns the present state of the notebook.
    #[must_use]
    pub fn notebook(&self) -> &Notebook {
        &self.notebook
    }

    /// Returns the present dependency graph.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Returns the size of the cells, which is updated with each edit.
    #[must_use]
    pub fn size(&self) -> NotebookSize {
        self.size
    }

    /// Estimates the bytes of memory that the notebook takes with its graph. O(1) for each cycle.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.size.cell_bytes()
            + self.graph.memory_bytes()
            + self.run_digests.memory_bytes()
            + cycle_index_bytes(self.notebook.cycles.len())
    }

    /// Returns the cell with this id.
    #[must_use]
    pub fn cell(&self, id: &CellId) -> Option<&Arc<Cell>> {
        self.notebook.cells.find(id)
    }

    /// Takes the newest change back, when it could not be stored.
    pub fn undo(&mut self, change: &Change) {
        self.install(&mut change.inverse());
    }

    /// Applies a change to the notebook, and fills in the derived parts of the change: indexes, cycles, run digests and what turned
    /// stale.
    pub(super) fn install(&mut self, change: &mut Change) {
        self.notebook.revision = change.revision.after;
        self.notebook.updated_at = change.updated_at.after;
        if let Some(name) = &change.name {
            self.notebook.name.clone_from(&name.after);
        }
        if let Some(connection) = &change.connection {
            self.notebook.connection.clone_from(&connection.after);
        }
        if let Some(reactive) = &change.reactive {
            self.notebook.reactive = reactive.after;
        }
        let mut updates = Vec::new();
        let mut rebound = Rebound::default();
        for cell in &change.cells {
            updates.push(self.graph.update_and_tell(cell.before.as_ref(), cell.after.as_ref(), &mut rebound));
        }
        let after = change.cells.iter().filter_map(|cell| cell.after.as_ref().filter(|_| !cell.keeps_code()));
        let digests = self.run_digests.update(&self.graph, after, rebound);
        for cell in &mut change.cells {
            if let Some(after) = &mut cell.after {
                set_run_digest(after, self.run_digests.get(&self.graph, &cell.id));
            }
            cell.before.iter().for_each(|cell| self.size.remove(cell));
            cell.after.iter().for_each(|cell| self.size.add(cell));
            let cells = &mut self.notebook.cells;
            if let Some(before) = &cell.before
                && cell.after.as_ref().is_none_or(|after| after.order != before.order)
            {
                cells.remove(&before.order, &before.id);
            }
            if let Some(after) = &cell.after {
                cells.put(after);
            }
        }
        (change.stale, change.run_digests_changed) = self.install_run_digests(&change.cells, &digests);
        for cell in &mut change.cells {
            cell.index =
                cell.after.as_ref().and_then(|after| self.notebook.cells.position(&after.order, &after.id).ok());
        }
        change.cycles = match &*updates {
            [update] if !update.is_empty() => self.update_cycles(update),
            _ if updates.iter().all(CycleUpdate::is_empty) => Vec::new(),
            _ => self.refresh_cycles(),
        };
    }

    /// Gives the cells their new run digests, where they have not got them with the change. Returns the cells that turned stale or are
    /// no longer stale, and the number of cells that have another run digest, also of those of the change.
    fn install_run_digests(
        &mut self,
        changed: &[CellChange],
        digests: &[(CellId, RunDigest)],
    ) -> (Vec<StaleChange>, usize) {
        let (mut stale, mut others) = (Vec::new(), 0);
        let mut compare = |before: &Cell, after: &Cell| {
            stale.extend(stale_change(before, after));
            others += usize::from(before.run_digest != after.run_digest);
        };
        for CellChange { before, after, .. } in changed {
            if let (Some(before), Some(after)) = (before, after) {
                compare(before, after);
            }
        }
        for (id, digest) in digests {
            let Some(before) = self.notebook.cells.find(id).filter(|cell| cell.run_digest != *digest) else { continue };
            let after = Arc::new(Cell { run_digest: *digest, ..Cell::clone(before) });
            compare(before, &after);
            self.notebook.cells.put(&after);
        }
        sort_stale(&mut stale);
        (stale, others)
    }

    /// Takes all cycles from the graph. Returns the cells for which that made a difference.
    fn refresh_cycles(&mut self) -> Vec<CycleChange> {
        let now = by_cell(self.graph.cycles());
        let was = std::mem::replace(&mut self.notebook.cycles, Arc::new(now));
        cycle_changes(&was, &self.notebook.cycles, |id| self.cell(id).is_some())
    }

    /// Takes the cycles that an update changed from the graph, as [`Self::refresh_cycles`] does for all.
    fn update_cycles(&mut self, CycleUpdate { removed, added }: &CycleUpdate) -> Vec<CycleChange> {
        let (was, now) = (by_cell(removed), by_cell(added));
        let changes = cycle_changes(&was, &now, |id| self.cell(id).is_some());
        let cycles = Arc::make_mut(&mut self.notebook.cycles);
        for id in was.keys().filter(|id| !now.contains_key(*id)) {
            cycles.remove(id);
        }
        cycles.extend(now);
        changes
    }
}

/// Sets a cell's run digest. Copies the cell only if that is another one, and others share the cell.
fn set_run_digest(cell: &mut Arc<Cell>, digest: Option<RunDigest>) {
    if let Some(run_digest) = digest.filter(|digest| *digest != cell.run_digest) {
        Arc::make_mut(cell).run_digest = run_digest;
    }
}

fn by_cell<'a>(cycles: impl IntoIterator<Item = &'a Arc<Cycle>>) -> Cycles {
    let each = |cycle: &'a Arc<Cycle>| cycle.cells.iter().map(move |id| (id.clone(), Arc::clone(cycle)));
    cycles.into_iter().flat_map(each).collect()
}

/// Returns `true` if two cells read and write the same names.
fn has_names_of(one: &Cell, other: &Cell) -> bool {
    one.reads().eq(other.reads()) && one.writes().eq(other.writes())
}

/// Returns the analysis with all reads deferred.
fn deferred(stored: &Analysis) -> Arc<Analysis> {
    let mut analysis = stored.clone();
    for read in &mut analysis.reads {
        read.deferred = true;
    }
    Arc::new(analysis)
}
