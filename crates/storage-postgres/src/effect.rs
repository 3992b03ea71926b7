//! What a group of changes comes to for each cell, since one statement can write each row once.

use std::collections::HashMap;
use std::sync::Arc;

use quire_domain::{Cell, CellId, Change};

use crate::parameters::CellUpdate;

/// What becomes of a cell.
#[derive(Debug)]
pub(crate) enum Effect<'a> {
    /// It is new.
    Insert(&'a Cell),
    /// It is there and changes.
    Update(CellUpdate<'a>),
    /// It goes.
    Delete(&'a CellId),
}

/// The net change of a cell over a group.
struct NetChange<'a> {
    id: &'a CellId,
    first: Option<&'a Arc<Cell>>,
    last: Option<&'a Arc<Cell>>,
    /// It was deleted on the way.
    recreated: bool,
    /// Its results changed on the way. Told by each change, not by first and last: whoever edits a cell may not know the
    /// results that are stored, and must not touch them.
    results_changed: bool,
}

/// What the changes come to, in the order in which cells first appear in them.
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
        // With other code, names are written even if they seem the same: what is stored may be from an older analysis.
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
