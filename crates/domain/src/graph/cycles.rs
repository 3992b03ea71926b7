//! Descriptions of cycles.

use super::bindings::Binding;
use super::index::{Index, Slot};
use super::subgraph::Subgraph;
use super::types::Cycle;

/// Describes the cycle that these cells, a whole component, are on: the shortest way from the first of them around.
/// O(n log n + e log n) of the component.
pub(super) fn describe(index: &Index, members: Vec<Slot>) -> Cycle {
    let subgraph = Subgraph::of(index, members);
    let way: Vec<_> = subgraph.way_around().into_iter().map(|cell| subgraph.slots[cell]).collect();
    let next = way.iter().cycle().skip(1);
    Cycle {
        cells: subgraph.slots.iter().map(|&slot| index.id(slot).clone()).collect(),
        path: way
            .iter()
            .zip(next)
            .map(|(&cell, &next)| (index.id(cell).clone(), name_between(index, cell, next)))
            .collect(),
    }
}

/// Returns the first name that `child` takes from `parent` and cannot run without.
fn name_between(index: &Index, parent: Slot, child: Slot) -> String {
    let edges = index.parents(child).filter(|edge| edge.cell == parent && Binding::is_hard(edge));
    let name = edges.map(|edge| &*index.name(edge.name).text).min();
    name.unwrap_or_default().to_owned()
}
