//! A notebook with its graph, held by its one writer task.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use quire_analysis::{Analysis, analyse};

use crate::diff::{Cycles, cycle_changes};
use crate::size::{NotebookSize, cycle_index_bytes};
use crate::{Cell, CellId, Change, Cycle, CycleChange, CycleUpdate, Graph, Notebook};

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
            admit(size).map(|()| cell)
        });
        let cells: Vec<Cell> = admitted.collect::<Result<_, E>>()?;
        notebook.cells = cells.into_iter().collect();
        let graph = Graph::new(notebook.cells.iter());
        let mut open = Self { notebook, graph, size };
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
        self.size.cell_bytes() + self.graph.memory_bytes() + cycle_index_bytes(self.notebook.cycles.len())
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

    /// Applies a change to the notebook, and fills in the derived parts of the change: indexes and cycles.
    pub(super) fn install(&mut self, change: &mut Change) {
        self.notebook.revision = change.revision.after;
        self.notebook.updated_at = change.updated_at.after;
        if let Some(name) = &change.name {
            self.notebook.name.clone_from(&name.after);
        }
        if let Some(connection) = &change.connection {
            self.notebook.connection.clone_from(&connection.after);
        }
        let mut updates = Vec::new();
        for cell in &mut change.cells {
            updates.push(self.graph.update(cell.before.as_ref(), cell.after.as_ref()));
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
