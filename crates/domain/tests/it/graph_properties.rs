//! Random notebooks and edits: the graph edit by edit, the graph from scratch and the model agree.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use quire_domain::{Cell, CellId, Cycle, Graph, OrderKey};

use crate::model::assert_like_model;
use crate::notation;

/// One step: what becomes of the cell with this number.
#[derive(Clone, Debug)]
enum Step {
    /// A new cell, other names for an old one, or both and another place.
    Put {
        cell: usize,
        order: usize,
        words: String,
    },
    /// Other names at the same place.
    Change {
        cell: usize,
        words: String,
    },
    /// Another place.
    Move {
        cell: usize,
        order: usize,
    },
    Delete {
        cell: usize,
    },
    Undo,
}

fn words() -> impl Strategy<Value = String> {
    let marks = prop_oneof![
        6 => Just(""), 6 => Just("+"), 3 => Just("~"), 1 => Just("@"), 1 => Just("@~"), 1 => Just("-"),
    ];
    let name =
        (marks, prop::sample::select(vec!["a", "b", "c", "d", "e"])).prop_map(|(mark, name)| format!("{mark}{name}"));
    let table = (prop::sample::select(vec!["#", "#+"]), prop::sample::select(vec!["t", "u"]))
        .prop_map(|(mark, name)| format!("{mark}{name}"));
    let flag = prop_oneof![5 => Just(""), 1 => Just("!broken"), 1 => Just("!changes")].prop_map(str::to_owned);
    let names = prop::collection::btree_set(name, 0..4);
    let tables = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(table, 1..3)];
    (names, tables, flag).prop_map(|(names, tables, flag)| {
        let words: Vec<_> = names.into_iter().chain(tables).chain([flag]).collect();
        words.join(" ")
    })
}

/// Few places, so that many cells share one.
fn step() -> impl Strategy<Value = Step> {
    let (cell, order) = (0..12_usize, 0..9_usize);
    prop_oneof![
        6 => (cell.clone(), order.clone(), words()).prop_map(|(cell, order, words)| Step::Put { cell, order, words }),
        4 => (cell.clone(), words()).prop_map(|(cell, words)| Step::Change { cell, words }),
        3 => (cell.clone(), order).prop_map(|(cell, order)| Step::Move { cell, order }),
        2 => cell.prop_map(|cell| Step::Delete { cell }),
        1 => Just(Step::Undo),
    ]
}

type Cells = BTreeMap<CellId, Arc<Cell>>;
type Change = (Option<Arc<Cell>>, Option<Arc<Cell>>);

fn change(cells: &Cells, step: Step, last: Option<&Change>) -> Option<Change> {
    let known = |cell: usize| cells.get(&notation::id(&format!("c{cell}"))).cloned();
    let make = |cell: usize, order, words: &str| Some(notation::cell(&format!("c{cell}"), order, words));
    match step {
        Step::Put { cell, order, words } => Some((known(cell), make(cell, OrderKey::at(order), &words))),
        Step::Change { cell, words } => {
            let before = known(cell)?;
            let after = make(cell, before.order.clone(), &words);
            Some((Some(before), after))
        }
        Step::Move { cell, order } => {
            let before = known(cell)?;
            let after = Cell { order: OrderKey::at(order), ..(*before).clone() };
            Some((Some(before), Some(Arc::new(after))))
        }
        Step::Delete { cell } => Some((Some(known(cell)?), None)),
        Step::Undo => last.map(|(before, after)| (after.clone(), before.clone())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_graph_is_the_same_edit_by_edit_from_scratch_and_in_the_model(
        start in prop::collection::vec((0..9_usize, words()), 0..12),
        steps in prop::collection::vec(step(), 1..40),
        asked in prop::collection::vec(0..14_usize, 0..4),
    ) {
        let asked: Vec<_> = asked.into_iter().map(|cell| notation::id(&format!("c{cell}"))).collect();
        let start = start.into_iter().enumerate();
        let mut cells: Cells = start
            .map(|(i, (order, words))| notation::cell(&format!("c{i}"), OrderKey::at(order), &words))
            .map(|cell| (cell.id.clone(), cell))
            .collect();
        let mut graph = Graph::new(cells.values());
        assert_like_model(&graph, cells.values().cloned(), &asked);
        let mut last = None;
        for step in steps {
            let Some((before, after)) = change(&cells, step, last.as_ref()) else { continue };
            let cycles: Vec<_> = graph.cycles().cloned().collect();
            let update = graph.update(before.as_ref(), after.as_ref());
            // What is said to have changed is exactly what did, and what did not is the same value.
            let only_in = |these: &[Arc<Cycle>], those: &[Arc<Cycle>]| {
                let mut only: Vec<_> = these.iter().filter(|cycle| !those.contains(cycle)).cloned().collect();
                only.sort_by(|a, b| a.cells.cmp(&b.cells));
                only
            };
            let now: Vec<_> = graph.cycles().cloned().collect();
            let sorted = |said: &[Arc<Cycle>]| only_in(said, &[]);
            prop_assert_eq!(sorted(&update.removed), only_in(&cycles, &now));
            prop_assert_eq!(sorted(&update.added), only_in(&now, &cycles));
            for cycle in &now {
                let was = cycles.iter().find(|was| *was == cycle);
                prop_assert!(was.is_none_or(|was| Arc::ptr_eq(was, cycle)), "an equal cycle was made anew");
            }
            match &after {
                Some(cell) => cells.insert(cell.id.clone(), Arc::clone(cell)),
                None => before.as_ref().and_then(|cell| cells.remove(&cell.id)),
            };
            assert_like_model(&graph, cells.values().cloned(), &asked);
            assert_like_model(&Graph::new(cells.values()), cells.values().cloned(), &asked);
            last = Some((before, after));
        }
    }
}
