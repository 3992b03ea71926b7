//! How work grows, counted in steps.

use std::sync::Arc;

use quire_domain::{Cell, CellType, Extra, OpenNotebook, OrderKey, Revision, RunDigest};

use super::fixture::{empty_notebook, id, state};
use crate::schedule::{CellOutcome, Schedule, Step, Target, work};

fn notebook(cells: usize, code: impl Fn(usize) -> String) -> OpenNotebook {
    let cell = |index| Cell {
        id: id(&format!("c{index}")),
        order: OrderKey::at(index),
        cell_type: CellType::Python,
        code: code(index).into(),
        revision: Revision(0),
        analysis: Arc::default(),
        broken: None,
        results: Arc::default(),
        extra: Extra::default(),
        run_digest: RunDigest::default(),
    };
    let mut notebook = empty_notebook().notebook().clone();
    notebook.cells = (0..cells).map(cell).collect();
    OpenNotebook::open(notebook)
}

/// Runs cells to the end. Returns how many ran, and the steps of it.
fn run(notebook: &OpenNotebook, target: &Target) -> (usize, u64) {
    let before = work::steps();
    let mut schedule = Schedule::default();
    schedule.request(state(notebook), target, true).unwrap();
    let mut ran = 0;
    while let Some(Step::Execute { cell }) = schedule.next(state(notebook)).pop() {
        schedule.finished(state(notebook), &cell, CellOutcome::Success);
        ran += 1;
    }
    assert!(schedule.is_idle());
    (ran, work::steps() - before)
}

#[test]
fn running_everything_is_linear() {
    let kinds: [fn(usize) -> String; 5] = [
        |index| format!("x{index} = 1"),
        |index| format!("x{} = x{index}", index + 1),
        |index| format!("x{index} = x{}", index + 1),
        |index| format!("def f{}(): return f{index}()", index + 1),
        |index| format!("def f{index}(): return f{}()", (index + 1) % 1_000),
    ];
    for (kind, code) in kinds.into_iter().enumerate() {
        let (ran, steps) = run(&notebook(1_000, code), &Target::All);
        assert_eq!(ran, 1_000);
        assert!(steps <= 10_000, "{steps} steps for kind {kind}");
    }
}

#[test]
fn preparing_a_chain_upwards_is_linear() {
    let notebook = notebook(1_000, |index| format!("x{} = x{index}", index + 1));
    let (ran, steps) = run(&notebook, &Target::Cells(vec![id("c999")]));
    assert_eq!(ran, 1_000);
    assert!(steps <= 10_000, "{steps} steps");
}

#[test]
fn blocking_is_linear() {
    let notebook = notebook(1_000, |index| if index == 0 { "x = 1".to_owned() } else { format!("y{index} = x") });
    let before = work::steps();
    let mut schedule = Schedule::default();
    schedule.request(state(&notebook), &Target::All, true).unwrap();
    schedule.next(state(&notebook));
    let steps = schedule.finished(state(&notebook), &id("c0"), CellOutcome::Error);
    assert_eq!(steps.len(), 1_000, "999 blocked cells, and the request is done");
    assert!(work::steps() - before <= 5_000);
}
