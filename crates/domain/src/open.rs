//! A notebook with its graph, held by its one writer.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use quire_analysis::{Analysis, CellType, analyse};

use crate::diff::{Cycles, cycle_changes};
use crate::limits::{self, Invalid};
use crate::size::{NotebookSize, cycle_index_bytes};
use crate::{
    Cell, CellChange, CellId, Change, Cycle, CycleChange, CycleUpdate, Edit, EditError, Extra, Graph, Notebook,
    OrderKey, Place, Replaced, Timestamp,
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
    notebook: Notebook,
    graph: Graph,
    size: NotebookSize,
}

impl OpenNotebook {
    /// Opens a notebook as a store gave it: analyses its cells and builds the graph.
    ///
    /// Of a cell that does not parse only the stored names are known, not which of them only functions read; they are
    /// taken for deferred, so that a cell nobody touched is never found on a cycle.
    #[must_use]
    pub fn open(notebook: Notebook) -> Self {
        let Ok(open) = Self::try_open(notebook, None, |_| Ok::<_, Infallible>(()));
        open
    }

    /// Opens a later state of the notebook `known`. Cells whose code is the same keep their analysis from there: that
    /// saves the work, and code that does not parse keeps the names of the last code that did.
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
            _ => {
                let stored = Cell { analysis: deferred(&cell.analysis), ..(**cell).clone() };
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

    /// The notebook as it is now.
    #[must_use]
    pub fn notebook(&self) -> &Notebook {
        &self.notebook
    }

    /// The dependency graph as it is now.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What its cells come to, kept up to date edit by edit.
    #[must_use]
    pub fn size(&self) -> NotebookSize {
        self.size
    }

    /// Estimates the bytes of memory that the notebook takes with its graph. O(1) for each cycle.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.size.cell_bytes() + self.graph.memory_bytes() + cycle_index_bytes(self.notebook.cycles.len())
    }

    /// The cell with this id.
    #[must_use]
    pub fn cell(&self, id: &CellId) -> Option<&Arc<Cell>> {
        self.notebook.cells.find(id)
    }

    /// The code that applying `edit` needs analysed, for a caller who analyses elsewhere; `None` when it needs none, or
    /// when the edit will be refused for the code's length.
    #[must_use]
    pub fn code_to_analyse(&self, edit: &Edit) -> Option<(CellType, Arc<str>)> {
        let (cell_type, code) = match edit {
            Edit::InsertCell { cell_type, code, .. } => (*cell_type, Arc::clone(code)),
            Edit::UpdateCell { id, code } => (self.cell(id)?.cell_type, Arc::clone(code)),
            Edit::SetCellType { id, cell_type } => (*cell_type, Arc::clone(&self.cell(id)?.code)),
            _ => return None,
        };
        (code.len() <= limits::CELL_SOURCE_BYTES).then_some((cell_type, code))
    }

    /// Applies an edit: `analysis` is that of [`Self::code_to_analyse`], made here when it is absent. Returns what is
    /// different, or `None` when the notebook already is as the edit wants it.
    ///
    /// # Errors
    /// When the edit names a cell that is not there, or goes beyond a limit; nothing is changed then.
    pub fn apply(
        &mut self,
        edit: &Edit,
        analysis: Option<Arc<Analysis>>,
        at: Timestamp,
    ) -> Result<Option<Change>, EditError> {
        let mut change = self.unchanged();
        let next = change.revision.before.next().ok_or(EditError::LastRevision)?;
        let analysed = |cell_type, code: &str| {
            limits::at_most("the cell's source", "bytes", limits::CELL_SOURCE_BYTES, code.len())?;
            Ok::<_, Invalid>(analysis.unwrap_or_else(|| Arc::new(analyse(cell_type, code))))
        };
        match edit {
            Edit::InsertCell { id, cell_type, code, place } => {
                if self.cell(id).is_some() {
                    return Err(EditError::CellExists(id.clone()));
                }
                limits::at_most("the notebook", "cells", limits::CELLS, self.notebook.cells.len() + 1)?;
                let (order, shifted) = self.order_at(place, None)?;
                let blank = Cell {
                    id: id.clone(),
                    order,
                    cell_type: *cell_type,
                    code: Arc::default(),
                    revision: next,
                    analysis: Arc::default(),
                    broken: None,
                    results: Arc::default(),
                    extra: Extra::default(),
                };
                let cell = blank.with_code(*cell_type, Arc::clone(code), analysed(*cell_type, code)?);
                change.cells = shifted;
                change.cells.push(changed(id, None, Some(Arc::new(cell))));
            }
            Edit::UpdateCell { id, code } => {
                let before = self.known(id)?;
                let mut cell = before.with_code(before.cell_type, Arc::clone(code), analysed(before.cell_type, code)?);
                cell.revision = next;
                change.cells = vec![changed(id, Some(before), Some(Arc::new(cell)))];
            }
            Edit::SetCellType { id, cell_type } => {
                let before = self.known(id)?;
                if before.cell_type == *cell_type {
                    return Ok(None);
                }
                let code = Arc::clone(&before.code);
                let analysis = analysed(*cell_type, &code)?;
                let mut cell = before.with_code(*cell_type, code, analysis);
                cell.revision = next;
                cell.results = Arc::default(); // results of the other language say nothing about this one
                change.cells = vec![changed(id, Some(before), Some(Arc::new(cell)))];
            }
            Edit::MoveCell { id, place } => {
                let before = self.known(id)?;
                if self.is_at(&before, place)? {
                    return Ok(None);
                }
                let (order, shifted) = self.order_at(place, Some(id))?;
                let cell = Cell { order, revision: next, ..(*before).clone() };
                change.cells = shifted;
                change.cells.push(CellChange { moved: true, ..changed(id, Some(before), Some(Arc::new(cell))) });
            }
            Edit::DeleteCell { id } => change.cells = vec![changed(id, Some(self.known(id)?), None)],
            Edit::Rename { name } => {
                let (before, after) = (self.notebook.name.clone(), Notebook::name_from(name)?);
                if before == after {
                    return Ok(None);
                }
                change.name = Some(Replaced { before, after });
            }
            Edit::SetConnection { connection } => {
                if self.notebook.connection == *connection {
                    return Ok(None);
                }
                let before = self.notebook.connection.clone();
                change.connection = Some(Replaced { before, after: connection.clone() });
            }
            Edit::SetResults { id, results } => {
                let before = self.known(id)?;
                results.check()?;
                let cell = Cell { results: Arc::clone(results), ..(*before).clone() };
                change.cells = vec![changed(id, Some(before), Some(Arc::new(cell)))];
            }
        }
        self.size.check_change(&change.cells)?;
        if !matches!(edit, Edit::SetResults { .. }) {
            change.revision.after = next;
            // Never backwards, even if the clock is.
            change.updated_at.after = at.max(change.updated_at.before);
        }
        self.install(&mut change);
        Ok(Some(change))
    }

    /// Takes the newest change back, as when it could not be stored.
    pub fn undo(&mut self, change: &Change) {
        self.install(&mut change.inverse());
    }

    /// A change of nothing, to be filled.
    fn unchanged(&self) -> Change {
        let (revision, updated_at) = (self.notebook.revision, self.notebook.updated_at);
        Change {
            revision: Replaced { before: revision, after: revision },
            updated_at: Replaced { before: updated_at, after: updated_at },
            name: None,
            connection: None,
            cells: Vec::new(),
            cycles: Vec::new(),
        }
    }

    /// Makes a change true here, and fills in what follows from it: indexes and cycles.
    fn install(&mut self, change: &mut Change) {
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

    /// Takes all cycles over from the graph and says for which cells that made a difference.
    fn refresh_cycles(&mut self) -> Vec<CycleChange> {
        let now = by_cell(self.graph.cycles());
        let was = std::mem::replace(&mut self.notebook.cycles, Arc::new(now));
        cycle_changes(&was, &self.notebook.cycles, |id| self.cell(id).is_some())
    }

    /// Takes those cycles over that an update made different, as [`Self::refresh_cycles`].
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

    fn known(&self, id: &CellId) -> Result<Arc<Cell>, EditError> {
        self.cell(id).cloned().ok_or_else(|| EditError::CellNotFound(id.clone()))
    }

    /// The index at which a cell at `place` stands, not counting `moving`.
    fn index_at(&self, place: &Place) -> Result<usize, EditError> {
        match place {
            Place::Start => Ok(0),
            Place::End => Ok(self.notebook.cells.len()),
            Place::After(id) => {
                let cell = self.known(id)?;
                Ok(self.notebook.cells.position(&cell.order, id).map_or_else(|index| index, |index| index + 1))
            }
        }
    }

    /// Returns `true` if moving the cell to `place` would change nothing.
    fn is_at(&self, cell: &Cell, place: &Place) -> Result<bool, EditError> {
        let wanted = self.index_at(place)?;
        Ok(match self.notebook.cells.position(&cell.order, &cell.id) {
            Ok(index) => wanted == index || wanted == index + 1,
            Err(_) => false,
        })
    }

    /// An order key for a cell at `place`. Where the neighbours' keys are equal there is no key between them: then the
    /// cells after the place that share the key move up, and their changes come too.
    fn order_at(&self, place: &Place, moving: Option<&CellId>) -> Result<(OrderKey, Vec<CellChange>), EditError> {
        let index = self.index_at(place)?;
        let stays = |cell: &&Arc<Cell>| Some(&cell.id) != moving;
        let low = self.notebook.cells.iter_back_from(index).find(stays).map(|cell| cell.order.clone());
        let mut equal = Vec::new();
        let mut high = None;
        for cell in self.notebook.cells.iter_from(index).filter(stays) {
            if Some(&cell.order) == low.as_ref() {
                equal.push(cell);
            } else {
                high = Some(&cell.order);
                break;
            }
        }
        // `low` is below `high` here, so there always is a key; the start of a fresh sequence stands in otherwise.
        let between = |low: Option<&OrderKey>| OrderKey::between(low, high).unwrap_or_else(|| OrderKey::at(0));
        let order = between(low.as_ref());
        let mut last = order.clone();
        let mut shifted = Vec::new();
        for cell in equal {
            last = between(Some(&last));
            let after = Cell { order: last.clone(), ..(**cell).clone() };
            shifted.push(changed(&cell.id, Some(Arc::clone(cell)), Some(Arc::new(after))));
        }
        Ok((order, shifted))
    }
}

fn by_cell<'a>(cycles: impl IntoIterator<Item = &'a Arc<Cycle>>) -> Cycles {
    let each = |cycle: &'a Arc<Cycle>| cycle.cells.iter().map(move |id| (id.clone(), Arc::clone(cycle)));
    cycles.into_iter().flat_map(each).collect()
}

/// The same names, all reads deferred.
fn deferred(stored: &Analysis) -> Arc<Analysis> {
    let mut analysis = stored.clone();
    for read in &mut analysis.reads {
        read.deferred = true;
    }
    Arc::new(analysis)
}

fn changed(id: &CellId, before: Option<Arc<Cell>>, after: Option<Arc<Cell>>) -> CellChange {
    CellChange { id: id.clone(), before, after, moved: false, index: None }
}
