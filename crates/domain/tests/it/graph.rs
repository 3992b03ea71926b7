//! The graph's rules, each with an example.

use std::sync::Arc;

use quire_domain::{Cell, Cycle, Graph, GraphDiagnostic, OrderKey};

use crate::model::assert_like_model;
use crate::notation::{self, cells, id, ids, show};

fn graph(lines: &[&str]) -> Graph {
    let cells = cells(lines);
    let graph = Graph::new(cells.iter());
    assert_like_model(&graph, cells.iter().cloned(), &[]);
    let mut edited = Graph::default();
    for cell in cells.iter().rev() {
        edited.update(None, Some(cell));
    }
    assert_like_model(&edited, cells, &[]);
    graph
}

/// The edges, by child.
fn check(lines: &[&str], edges: &[&str]) {
    assert_eq!(graph(lines).edges().map(|edge| show(&edge)).collect::<Vec<_>>(), edges, "{lines:?}");
}

#[test]
fn a_read_binds_to_the_nearest_writer_above() {
    check(&["a: +x", "b: +x", "c: x", "d: +x"], &["b -x-> c"]);
    check(&["a: +x +y", "b: x y"], &["a -x-> b", "a -y-> b"]);
    check(&["a: +x", "b: +y", "c: y x"], &["a -x-> c", "b -y-> c"]);
}

#[test]
fn a_read_without_a_writer_above_binds_to_the_nearest_below() {
    check(&["a: x", "b: +x", "c: +x"], &["b -x-> a"]);
    check(&["a: x", "b: x"], &[]);
}

#[test]
fn cells_that_read_and_write_a_name_form_a_chain() {
    check(&["a: +df", "b: df +df", "c: df +df", "d: df"], &["a -df-> b", "b -df-> c", "c -df-> d"]);
    assert_eq!(graph(&["a: +df", "b: df +df", "c: df +df"]).cycles().count(), 0);
    check(&["a: x +x"], &[]);
    check(&["a: x +x", "b: +x"], &["b -x-> a"]);
    // With the first definition deleted, still a chain.
    check(&["a: x +x", "b: x +x", "c: x +x"], &["a -x-> b", "b -x-> c"]);
    check(&["a: ~x +x", "b: @x +x"], &["a -x-> b"]);
}

#[test]
fn functions_read_later() {
    check(&["a: +x", "b: ~x"], &["a ~x~> b"]);
    check(&["a: ~x", "b: +x"], &["b ~x~> a"]);
    check(&["a: +x", "b: x ~x"], &["a -x-> b"]);
}

#[test]
fn built_ins_count_where_a_cell_writes_them() {
    check(&["a: @list", "b: @~input"], &[]);
    check(&["a: +list", "b: @list", "c: @~list"], &["a -list-> b", "a ~list~> c"]);
    check(&["a: @list", "b: +list"], &[]);
    check(&["a: @list +x", "b: x +list"], &["a -x-> b"]);
}

#[test]
fn deletes_bind_nothing() {
    check(&["a: +x", "b: -x", "c: x"], &["a -x-> c"]);
    check(&["a: -x", "b: x"], &[]);
}

#[test]
fn tables_bind_upwards_only_and_are_no_names() {
    check(&["a: #+t", "b: #t"], &["a #t#> b"]);
    check(&["a: #t", "b: #+t"], &[]);
    check(&["a: #+t", "b: #t #+t", "c: #t #+t", "d: #t"], &["a #t#> b", "b #t#> c", "c #t#> d"]);
    check(&["a: +t", "b: #t", "c: #+t", "d: t"], &["a -t-> d"]);
    // A SQL cell's placeholders and its result are names like any.
    check(&["a: +limit", "b: limit #t +rows", "c: rows"], &["a -limit-> b", "b -rows-> c"]);
}

#[test]
fn a_broken_cell_keeps_its_edges() {
    check(&["a: +x", "b: x +y !broken", "c: y"], &["a -x-> b", "b -y-> c"]);
}

#[test]
fn diagnostics() {
    let check = |lines: &[&str], cell, expected: &[GraphDiagnostic]| {
        assert_eq!(graph(lines).diagnostics(&id(cell)), expected, "{cell} of {lines:?}");
    };
    let later = |name: &str, writer| GraphDiagnostic::DefinedLater { name: name.to_owned(), writer: id(writer) };
    let others =
        |name: &str, others| GraphDiagnostic::MultipleDefinition { name: name.to_owned(), others: ids(others) };
    check(&["a: x ~y", "b: +x", "c: +x +y"], "a", &[later("x", "b"), later("y", "c")]);
    check(&["a: +x", "b: x"], "b", &[]);
    check(&["a: +df", "b: df +df", "c: +df +x"], "b", &[others("df", "a c")]);
    check(&["a: df +df", "b: +df"], "a", &[later("df", "b"), others("df", "b")]);
    check(&["a: #+t", "b: #+t"], "a", &[]);
    check(&[], "nobody", &[]);
}

/// Cycles as they are told, each with its cells.
fn check_cycles(lines: &[&str], expected: &[(&str, &str)]) {
    let graph = graph(lines);
    let way = |cycle: &Cycle| {
        let steps = cycle.path.iter().map(|(cell, name)| format!("{cell} → {name} → "));
        steps.collect::<String>() + cycle.path[0].0.as_str()
    };
    let cycles: Vec<_> = graph.cycles().map(|cycle| (cycle.cells.clone(), way(cycle))).collect();
    let told = |&(cells, way): &(&str, &str)| (ids(cells), way.to_owned());
    assert_eq!(cycles, expected.iter().map(told).collect::<Vec<_>>(), "{lines:?}");
}

#[test]
fn cycles_name_all_cells_and_the_shortest_way_around() {
    check_cycles(&["a: y +x", "b: x +y"], &[("a b", "a → x → b → y → a")]);
    check_cycles(&["a: z +x", "b: x +y", "c: x y +z"], &[("a b c", "a → x → c → z → a")]);
    check_cycles(&["a: p q +x +y", "b: x y +p +q"], &[("a b", "a → x → b → p → a")]);
    let two = ["a: d +c", "b: e +f", "c: f +e", "d: c +d"];
    check_cycles(&two, &[("a d", "a → c → d → d → a"), ("b c", "b → f → c → e → b")]);
}

#[test]
fn deferred_reads_alone_make_no_cycle() {
    check_cycles(&["a: ~g +f", "b: ~f +g"], &[]);
    check_cycles(&["a: ~y +x", "b: x +y"], &[]);
    // A deferred edge between cells of a cycle is not its reason.
    check_cycles(&["a: y +x", "b: x +y +f", "c: ~f ~x"], &[("a b", "a → x → b → y → a")]);
}

#[test]
fn tables_close_cycles_with_names() {
    check_cycles(&["a: rows #+t", "b: #t +rows"], &[("a b", "a → t → b → rows → a")]);
}

fn check_order(lines: &[&str], expected: &str) {
    assert_eq!(graph(lines).topological_order(), ids(expected), "{lines:?}");
}

#[test]
fn topological_order() {
    check_order(&["a:", "b:", "c:"], "a b c");
    check_order(&["a: x", "b: y +x", "c: +y", "d:"], "c b a d");
    // Deferred reads are respected where they can be.
    check_order(&["a: ~f", "b: +f"], "b a");
    check_order(&["a: ~y +x", "b: x +y"], "a b");
    // A cycle stands together, after what it needs.
    check_order(&["a: y +x", "b: z", "c: x w +y", "d: +w", "e: y"], "b d a c e");
    assert_eq!(graph(&["a: +x", "b: x"]).ancestors(&id("b")), ids("a"));
    assert_eq!(graph(&["a: y +x", "b: x +y"]).ancestors(&id("b")), ids("a"));
}

/// What runs, what is cyclic, what turns stale.
fn check_plan(lines: &[&str], asked: &str, expected: [&str; 3]) {
    let cells = cells(lines);
    let graph = Graph::new(cells.iter());
    assert_like_model(&graph, cells, &ids(asked));
    let plan = graph.plan(&ids(asked));
    assert_eq!([plan.run, plan.cyclic, plan.stale], expected.map(ids), "{asked} of {lines:?}");
}

#[test]
fn a_plan_has_the_asked_cells_and_all_that_depends_on_them() {
    let lines = ["a: +x", "b: x +y", "c: y", "d: ~y", "e:"];
    check_plan(&lines, "a", ["a b c d", "", ""]);
    check_plan(&lines, "b", ["b c d", "", ""]);
    check_plan(&lines, "e c", ["c e", "", ""]);
    check_plan(&lines, "nobody", ["", "", ""]);
    check_plan(&["a: x", "b: +x"], "b", ["b a", "", ""]);
}

#[test]
fn a_broken_cell_runs_without_its_dependants() {
    let lines = ["a: +x", "b: x +y !broken", "c: y", "d: x y"];
    check_plan(&lines, "b", ["b", "", ""]);
    check_plan(&lines, "a", ["a b d", "", ""]);
    check_plan(&lines, "b c", ["b c", "", ""]);
}

#[test]
fn cyclic_cells_and_what_depends_on_them_do_not_run() {
    let lines = ["a: +x", "b: x z +y", "c: y +z", "d: z", "e: x"];
    check_plan(&lines, "a", ["a e", "b c d", ""]);
    check_plan(&lines, "d", ["d", "", ""]);
    check_plan(&lines, "c e", ["e", "b c d", ""]);
}

#[test]
fn sql_that_changes_data_runs_only_when_asked_for() {
    let lines = ["a: +n", "b: n #+t !changes", "c: #t +rows", "d: rows", "e: n"];
    check_plan(&lines, "a", ["a e", "", "b c d"]);
    check_plan(&lines, "b", ["b c d", "", ""]);
    check_plan(&lines, "a b", ["a b c d e", "", ""]);
    check_plan(&lines, "a c", ["a c e", "", "b d"]);
}

#[test]
fn edits_give_cycles_and_take_them_back() {
    let mut cells = cells(&["a: +x", "b: x +y", "c: y +z"]);
    let mut graph = Graph::new(cells.iter());
    let mut edit = |index: usize, words: &str| {
        let after = notation::cell(cells[index].id.as_str(), OrderKey::at(index), words);
        let changed = graph.update(Some(&cells[index]), Some(&after));
        cells[index] = after;
        assert_like_model(&graph, cells.iter().cloned(), &[]);
        (!changed.is_empty(), graph.cycles().count())
    };
    assert_eq!(edit(0, "z +x"), (true, 1));
    assert_eq!(edit(2, "y +z"), (false, 1), "the same names again");
    assert_eq!(edit(1, "~x +y"), (true, 0));
    assert_eq!(edit(1, "+y"), (false, 0));
    assert_eq!(edit(1, "x +y"), (true, 1));
    assert_eq!(edit(0, "+x"), (true, 0));
}

#[test]
fn results_do_not_reach_the_graph() {
    let cells = cells(&["a: y +x", "b: x +y"]);
    let mut graph = Graph::new(cells.iter());
    let after = Arc::new(Cell { code: Arc::from("other"), ..(*cells[0]).clone() });
    assert!(graph.update(Some(&cells[0]), Some(&after)).is_empty());
    assert!(graph.update(None, None).is_empty());
}
