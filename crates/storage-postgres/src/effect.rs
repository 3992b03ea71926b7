//! The net effect of a group of changes on each cell, because one statement can write each row only once.

use std::collections::HashMap;
use std::sync::Arc;

use quire_domain::{Cell, CellId, Change};

use crate::parameters::CellUpdate;

/// Net effect on a cell.
#[derive(Debug)]
pub(crate) enum Effect<'a> {
    /// The cell is new.
    Insert(&'a Cell),
    /// The cell exists and changes.
    Update(CellUpdate<'a>),
    /// The cell is deleted.
    Delete(&'a CellId),
}

/// The net change of a cell over a group.
struct NetChange<'a> {
    id: &'a CellId,
    first: Option<&'a Arc<Cell>>,
    last: Option<&'a Arc<Cell>>,
    /// `true` if the group deletes the cell on the way.
    recreated: bool,
    /// `true` if the group changes the cell's results. Each change tells this itself. A comparison of first and last
    /// state would not do: the author of an edit may not know the stored results, and must not change them.
    results_changed: bool,
}

/// Returns the net effects of the changes, in the order in which cells first appear in them.
pub(crate) fn of(changes: &[Arc<Change>]) -> Vec<Effect<'_>> {
    let mut net_changes: Vec<NetChange<'_>> = Vec::new();
    let mut places: HashMap<&CellId, usize> = HashMap::new();
    for cell in changes.iter().flat_map(|change| &change.cells) {
        let place = *places.entry(&cell.id).or_insert_with(|| {
            let (first, last) = (cell.before.as_ref(), None);
            net_changes.push(NetChange { id: &cell.id, first, last, recreated: false, results_changed: false });
            net_changes.len() - 1
        });
        let Some(net) = net_changes.get_mut(place) else { continue };
        net.last = cell.after.as_ref();
        net.recreated |= cell.after.is_none();
        net.results_changed |= match (&cell.before, &cell.after) {
            (Some(before), Some(after)) => {
                !Arc::ptr_eq(&before.results, &after.results) && before.results != after.results
            }
            _ => true,
        };
    }
    net_changes.into_iter().filter_map(NetChange::effect).collect()
}

impl<'a> NetChange<'a> {
    fn effect(self) -> Option<Effect<'a>> {
        match (self.first, self.last) {
            (None, None) => None,
            (None, Some(cell)) => Some(Effect::Insert(cell)),
            (Some(_), None) => Some(Effect::Delete(self.id)),
            (Some(before), Some(after)) => Some(Effect::Update(self.update(before, after))),
        }
    }

    fn update(&self, before: &Cell, after: &'a Cell) -> CellUpdate<'a> {
        let (code, cell_type) = (before.code != after.code, before.cell_type != after.cell_type);
        // New code always writes the names, even if they seem the same: the stored names may come from an older
        // analysis.
        let names = code || cell_type || before.analysis != after.analysis;
        CellUpdate {
            id: self.id,
            revision: after.revision.0,
            order_key: (before.order != after.order).then(|| after.order.as_str()),
            cell_type: cell_type.then(|| after.cell_type.as_str()),
            code: code.then_some(&*after.code),
            reads: names.then(|| after.reads().collect()),
            writes: names.then(|| after.writes().collect()),
            results: self.results_changed.then_some(&*after.results),
            extra: self.recreated.then_some(&after.extra),
        }
    }
}
