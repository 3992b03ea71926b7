//! Notebooks of 10,000 cells, deeper than any stack.

use std::sync::Arc;

use quire_domain::{Cell, Graph, OrderKey};

use crate::notation::{self, id};

const CELLS: usize = 10_000;

/// On a thread with a stack of 2 MB, as servers have them; less than a recursion over all cells would need.
fn on_a_small_stack(test: fn()) {
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(test).unwrap();
    thread.join().unwrap();
}

fn cells(words: impl Fn(usize) -> String) -> Vec<Arc<Cell>> {
    (0..CELLS).map(|i| notation::cell(&format!("c{i}"), OrderKey::at(i), &words(i))).collect()
}

fn last() -> String {
    format!("c{}", CELLS - 1)
}

#[test]
fn a_chain() {
    on_a_small_stack(|| {
        let cells = cells(|i| format!("x{i} +x{}", i + 1));
        let graph = Graph::new(cells.iter());
        let all: Vec<_> = cells.iter().map(|cell| cell.id.clone()).collect();
        assert_eq!(graph.topological_order(), all);
        assert_eq!(graph.plan(&[id("c0")]).run, all);
        assert_eq!(graph.descendants(&id("c0")), all[1..]);
        assert_eq!(graph.ancestors(&id(&last())), all[..CELLS - 1]);
        assert_eq!(graph.cycles().count(), 0);
    });
}

#[test]
fn a_chain_upwards() {
    on_a_small_stack(|| {
        let cells = cells(|i| format!("x{} +x{i}", i + 1));
        let graph = Graph::new(cells.iter());
        let all: Vec<_> = cells.iter().rev().map(|cell| cell.id.clone()).collect();
        assert_eq!(graph.topological_order(), all);
        assert_eq!(graph.plan(&[id(&last())]).run, all);
        let mut edited = Graph::default();
        for cell in &cells {
            edited.update(None, Some(cell));
        }
        assert_eq!(edited.topological_order(), all);
    });
}

#[test]
fn a_ring_that_opens_and_closes() {
    on_a_small_stack(|| {
        let cells = cells(|i| format!("x{i} +x{}", (i + 1) % CELLS));
        let mut graph = Graph::new(cells.iter());
        assert_eq!(graph.cycles().next().unwrap().cells.len(), CELLS);
        assert_eq!(graph.plan(&[id("c5")]).cyclic.len(), CELLS);
        let open = notation::cell("c0", OrderKey::at(0), "+x1");
        assert!(!graph.update(Some(&cells[0]), Some(&open)).is_empty());
        assert_eq!(graph.cycles().count(), 0);
        assert!(!graph.update(Some(&open), Some(&cells[0])).is_empty());
        let cycle = graph.cycles().next().unwrap();
        assert_eq!((cycle.cells.len(), cycle.path.len()), (CELLS, CELLS));
    });
}
