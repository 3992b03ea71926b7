//! How work grows, counted in steps of the algorithms. What the graph answers is tested from outside.

use std::sync::Arc;

use super::{Graph, work};
use crate::{Analysis, Cell, CellId, CellType, Extra, OrderKey, Read, Revision};

fn cell(index: usize, place: usize, read: &str, write: &str) -> Arc<Cell> {
    let analysis = Analysis {
        reads: vec![Read { name: read.to_owned(), deferred: false }],
        writes: vec![write.to_owned()],
        ..Analysis::default()
    };
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
