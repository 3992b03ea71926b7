//! What cannot be seen from outside: that the list of components stays a topological order, and how work grows,
//! counted in steps of the algorithms. What the graph answers is tested from outside.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Graph, work};
use crate::{Analysis, Cell, CellId, CellType, Extra, OrderKey, Read, Revision};

fn cell(index: usize, place: usize, read: &str, write: &str) -> Arc<Cell> {
    cell_with(index, place, &[read.to_owned()], &[write.to_owned()])
}

fn cell_with(index: usize, place: usize, reads: &[String], writes: &[String]) -> Arc<Cell> {
    let reads = reads.iter().map(|name| Read { name: name.clone(), deferred: false });
    let analysis = Analysis { reads: reads.collect(), writes: writes.to_vec(), ..Analysis::default() };
    Arc::new(Cell {
        id: CellId::new(format!("c{index}")).unwrap(),
        order: OrderKey::at(place),
        cell_type: CellType::Python,
        code: Arc::default(),
        revision: Revision(0),
        analysis: Arc::new(analysis),
        broken: None,
        results: Arc::default(),
        extra: Extra::default(),
        run_digest: crate::RunDigest::default(),
    })
}

/// A chain in which each cell reads the name of the next one above.
fn down(index: usize) -> Arc<Cell> {
    cell(index, index + 1, &format!("x{index}"), &format!("x{}", index + 1))
}

/// A chain in which each cell reads the name of the next one below.
fn up(index: usize) -> Arc<Cell> {
    cell(index, index + 1, &format!("x{}", index + 1), &format!("x{index}"))
}

fn steps(what: impl FnOnce()) -> u64 {
    let before = work::steps();
    what();
    work::steps() - before
}

#[test]
fn building_a_chain_is_linear() {
    for chain in [down, up] {
        let build = |cells: usize| {
            let cells: Vec<_> = (0..cells).map(chain).collect();
            steps(|| drop(Graph::new(cells.iter())))
        };
        assert!(build(10_000) <= 11 * build(1_000));
    }
}

#[test]
fn inserting_a_chain_cell_by_cell_is_linear_from_either_end() {
    const CELLS: usize = 10_000;
    for chain in [down, up] {
        for from_the_end in [false, true] {
            let mut graph = Graph::default();
            let taken = steps(|| {
                for index in 0..CELLS {
                    let index = if from_the_end { CELLS - 1 - index } else { index };
                    graph.update(None, Some(&chain(index)));
                }
            });
            assert!(taken <= 20 * CELLS as u64, "{taken} steps");
        }
    }
}

#[test]
fn an_edit_of_a_chain_costs_the_same_in_a_small_notebook_and_a_large_one() {
    for chain in [down, up] {
        for cells in [100, 10_000] {
            let all: Vec<_> = (0..cells).map(chain).collect();
            let mut graph = Graph::new(all.iter());
            for index in [0, cells / 2, cells - 1] {
                let was = &all[index];
                let others = [
                    cell(index, index + 1, &format!("x{}", cells / 3), "y"),
                    cell(index, cells + 1, "x0", "x1"),
                    cell(index, 0, "x2", "x3"),
                ];
                for other in others {
                    let there = steps(|| {
                        graph.update(Some(was), Some(&other));
                    });
                    let back = steps(|| {
                        graph.update(Some(&other), Some(was));
                    });
                    assert!(there < 60 && back < 60, "{there} and {back} steps at {index} of {cells}");
                }
            }
        }
    }
}

#[test]
fn an_edit_that_leaves_a_cycle_as_it_is_costs_nothing_of_its_size() {
    const CELLS: usize = 10_000;
    let member =
        |index: usize| cell(index, index + 1, &format!("x{}", (index + CELLS - 1) % CELLS), &format!("x{index}"));
    let cells: Vec<_> = (0..CELLS).map(member).collect();
    let mut graph = Graph::new(cells.iter());
    assert_eq!(graph.cycles().next().unwrap().cells.len(), CELLS);
    let with = |index: usize, reads: &[&str], writes: &[&str]| {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        cell_with(index, index + 1, &names(reads), &names(writes))
    };
    let others = [
        with(5_000, &["x4999", "unknown"], &["x5000"]),
        with(5_000, &["x4999"], &["unread", "x5000"]),
        with(5_000, &["x4999", "outside"], &["x5000"]),
    ];
    graph.update(None, Some(&cell_with(CELLS, CELLS + 1, &[], &["outside".to_owned()])));
    for other in others {
        for (before, after) in [(&cells[5_000], &other), (&other, &cells[5_000])] {
            let taken = steps(|| assert!(graph.update(Some(before), Some(after)).is_empty()));
            assert!(taken < 60, "{taken} steps");
        }
    }
    // And where it is another one, once the size.
    let taken = steps(|| {
        let update = graph.update(Some(&cells[5_000]), Some(&with(5_000, &["x4999", "x10"], &["x5000"])));
        assert_eq!((update.removed.len(), update.added.len()), (1, 1), "there is a shorter way around");
    });
    assert!(taken < 20 * CELLS as u64, "{taken} steps");
}

/// Returns `true` if every edge goes forward in the list of components, or stays within one.
fn assert_list_agrees(graph: &Graph) {
    let components = &graph.components;
    for child in graph.index.document() {
        for edge in graph.index.parents(child).filter(super::bindings::Binding::is_hard) {
            let (parent, child) = (components.of(edge.cell), components.of(child));
            assert!(parent == child || components.rank(parent) < components.rank(child), "{edge:?} to {child}");
        }
    }
}

/// One cell to come in place of another: number, place, whether it is there at all, reads and writes.
type Edit = (usize, usize, bool, Vec<String>, Vec<String>);

fn edits(cells: usize, names: usize) -> impl Strategy<Value = Vec<Edit>> {
    let names = move |most| prop::collection::vec((0..names).prop_map(|name| format!("x{name}")), 0..=most);
    prop::collection::vec((0..cells, 0..cells, prop::bool::weighted(0.9), names(2), names(2)), 1..150)
}

fn assert_that_edits_lead_to_the_same_graph(edits: Vec<Edit>) -> Result<(), TestCaseError> {
    let mut cells = vec![None; 24];
    let mut graph = Graph::default();
    for (index, place, is_there, reads, writes) in edits {
        let after = is_there.then(|| cell_with(index, place, &reads, &writes));
        graph.update(cells[index].as_ref(), after.as_ref());
        cells[index] = after;
        assert_list_agrees(&graph);
        let anew = Graph::new(cells.iter().flatten());
        assert_list_agrees(&anew);
        prop_assert!(graph.cycles().eq(anew.cycles()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Enough cells and few enough edges that ways through the graph are long.
    #[test]
    fn the_list_stays_a_topological_order(edits in edits(24, 24)) {
        assert_that_edits_lead_to_the_same_graph(edits)?;
    }

    /// Few names, so that most cells rewrite what others write.
    #[test]
    fn the_list_stays_a_topological_order_where_cells_rewrite_names(edits in edits(5, 3)) {
        assert_that_edits_lead_to_the_same_graph(edits)?;
    }
}
