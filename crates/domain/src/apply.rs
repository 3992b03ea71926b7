//! Applying edits to an open notebook.

use std::sync::Arc;

use quire_analysis::{Analysis, CellType, analyse};

use crate::limits::{self, Invalid};
use crate::{
    Cell, CellChange, CellId, Change, Edit, EditError, Extra, Notebook, OpenNotebook, OrderKey, Place, Replaced,
    RunDigest, Timestamp,
};

impl OpenNotebook {
    /// Returns the code that must be analysed to apply `edit`, for a caller that analyses elsewhere; `None` when there is none, or
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

    /// Applies an edit. `analysis` is that of [`Self::code_to_analyse`], made here when it is absent. Returns the change, or `None`
    /// when the notebook already is as the edit asks.
    ///
    /// # Errors
    /// When the edit names a cell that does not exist, or exceeds a limit; nothing is changed then.
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
                    run_digest: RunDigest::default(),
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
            Edit::SetReactive { reactive } => {
                if self.notebook.reactive == *reactive {
                    return Ok(None);
                }
                change.reactive = Some(Replaced { before: self.notebook.reactive, after: *reactive });
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
            // Never earlier than before, even if the clock was set back.
            change.updated_at.after = at.max(change.updated_at.before);
        }
        self.install(&mut change);
        Ok(Some(change))
    }

    /// Makes an empty change, to be filled in.
    fn unchanged(&self) -> Change {
        let (revision, updated_at) = (self.notebook.revision, self.notebook.updated_at);
        Change {
            revision: Replaced { before: revision, after: revision },
            updated_at: Replaced { before: updated_at, after: updated_at },
            name: None,
            connection: None,
            reactive: None,
            cells: Vec::new(),
            cycles: Vec::new(),
            stale: Vec::new(),
            run_digests_changed: 0,
        }
    }

    fn known(&self, id: &CellId) -> Result<Arc<Cell>, EditError> {
        self.cell(id).cloned().ok_or_else(|| EditError::CellNotFound(id.clone()))
    }

    /// Returns the index of `place`.
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

    /// Returns an order key for a cell at `place`, and changes of other cells: if the neighbours' keys are equal, there is no key
    /// between them, so the cells after the place that share the key get others.
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

fn changed(id: &CellId, before: Option<Arc<Cell>>, after: Option<Arc<Cell>>) -> CellChange {
    CellChange { id: id.clone(), before, after, moved: false, index: None }
}
