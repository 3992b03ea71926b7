//! Each rule of the namespace by itself: what runs before a cell, and which names are removed.

use quire_domain::Place;

use super::fixture::{Fixture, state};

/// Runs cells of a notebook in which everything has run. Returns which cells ran.
fn run(cells: &[&str], asked: &str) -> String {
    let mut notebook = Fixture::after_a_run(cells);
    notebook.run(asked);
    notebook.succeed_to_the_end();
    notebook.told()
}

#[test]
fn missing_writers_run_first_upwards() {
    let mut notebook = Fixture::new(&["x = 1", "y = x", "z = y"]);
    notebook.run("c");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a b c .1");
}

#[test]
fn a_chain_of_redefinitions_runs_again_from_the_top() {
    let chain = ["df = 1", "df = df + 1", "df = df * 2", "df"];
    assert_eq!(run(&chain, "c"), "a b c d .2");
    assert_eq!(run(&chain, "d"), "d .2");
    assert_eq!(run(&chain, "b"), "a b c d .2");
}

#[test]
fn overwritten_writers_run_first_without_their_own_descendants() {
    let cells = ["x = 1; p = 1", "y = x", "p", "x = 2", "z = x"];
    assert_eq!(run(&cells, "b"), "a b .2");
    let mut notebook = Fixture::after_a_run(&cells);
    notebook.run("b");
    notebook.succeed_to_the_end();
    notebook.run("e");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a b .2 d e .3");
}

#[test]
fn a_writer_that_ran_as_something_else_runs_first() {
    let mut notebook = Fixture::after_a_run(&["x = 1", "y = x", "z = y"]);
    notebook.update("a", "x = 2");
    notebook.run("c");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a b c .2", "a and with it b are not what they were");
    notebook.update("a", "x = 3");
    notebook.update("a", "x = 2");
    notebook.run("c");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "c .3");
}

#[test]
fn a_move_that_binds_to_another_writer_makes_that_one_run() {
    let mut notebook = Fixture::after_a_run(&["x = 1", "x = 2", "y = x"]);
    notebook.move_to("c", Place::After(super::fixture::id("a")));
    notebook.run("c");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a c .2");
}

#[test]
fn names_that_functions_read_are_there_too() {
    let cells = ["k = 1", "def g(): return k", "def f(): return g()", "k = 2", "f()"];
    let mut notebook = Fixture::after_a_run(&cells);
    notebook.run("d");
    notebook.succeed_to_the_end();
    notebook.run("e");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "d .2 a e .3", "k is that of the first cell in g, however far away");
    let mut notebook = Fixture::new(&cells);
    notebook.run("e");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a b c e .1");
}

#[test]
fn functions_that_need_each_other_run_in_the_order_of_the_document() {
    let cells = ["def even(n): return n == 0 or odd(n - 1)", "def odd(n): return n > 0 and even(n - 1)", "even(4)"];
    let mut notebook = Fixture::new(&cells);
    notebook.run("c");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a b c .1");
    notebook.run("b");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a b c .2");
}

#[test]
fn a_function_that_uses_a_name_of_its_caller_runs_before_it() {
    let mut notebook = Fixture::new(&["def h(): return k", "k = 1; h()"]);
    notebook.run("b");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a b .1");
}

#[test]
fn where_functions_need_two_writers_of_a_name_the_cells_own_counts() {
    let cells = ["import np", "def f(): np", "import np", "np; f()", "f()"];
    assert_eq!(run(&cells, "d"), "c d .2", "the e of the first run has made the first import the last");
    assert_eq!(run(&cells, "e"), "e .2");
}

#[test]
fn where_only_functions_need_two_writers_of_a_name_the_last_counts() {
    let cells = ["x = 1", "def f(): return x", "x = 2", "def g(): return x", "f() + g()"];
    assert_eq!(run(&cells, "e"), "e .2");
}

#[test]
fn a_needed_writer_that_fails_blocks() {
    let mut notebook = Fixture::new(&["x = 1", "y = x", "z = y", "w = x"]);
    notebook.reactive = false;
    notebook.run("c d");
    notebook.fail();
    assert_eq!(notebook.told(), "a !d<a !c<a .1");
}

#[test]
fn a_failed_cell_holds_no_name() {
    let mut notebook = Fixture::after_a_run(&["x = 1", "y = x"]);
    notebook.run("a");
    notebook.fail();
    notebook.run("b");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a !b<a .2 a b .3");
}

#[test]
fn a_deleted_name_comes_back() {
    assert_eq!(run(&["x = 1", "del x", "y = x"], "c"), "c .2");
    let mut notebook = Fixture::after_a_run(&["x = 1", "y = x", "del x"]);
    notebook.run("b");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a b .2");
}

#[test]
fn code_that_does_not_parse_leaves_the_names_as_they_were() {
    let mut notebook = Fixture::after_a_run(&["x = 1", "y = x"]);
    notebook.update("a", "x = (");
    notebook.run("a");
    notebook.fail();
    notebook.update("a", "x = 1");
    notebook.run("b");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a .2 b .3");
}

#[test]
fn sql_that_changes_data_does_not_run_for_another_cell() {
    let mut notebook = Fixture::new(&["SQL -- name: df\ndelete from t returning *", "y = df", "z = y"]);
    notebook.run("b");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "?b !c<b .1");
    notebook.run("a");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a b c .2");
}

#[test]
fn a_name_goes_with_the_cell_that_wrote_it_last() {
    let mut notebook = Fixture::after_a_run(&["x = 1; u = 1", "x = 2"]);
    notebook.delete("a");
    assert_eq!(notebook.told(), "-u");
    notebook.delete("b");
    assert_eq!(notebook.told(), "-x");
}

#[test]
fn a_name_goes_when_its_cell_no_longer_writes_it() {
    let mut notebook = Fixture::after_a_run(&["x = 1; y = 1", "z = 1"]);
    notebook.update("a", "x = 1; y = (");
    assert_eq!(notebook.told(), "", "half-typed code keeps its names");
    notebook.update("a", "y = 1");
    assert_eq!(notebook.told(), "-x");
    notebook.update("a", "x = 1; y = 1");
    notebook.run("a");
    notebook.succeed();
    assert_eq!(notebook.told(), "a .2");
}

#[test]
fn names_are_removed_after_the_run_that_goes_on() {
    let mut notebook = Fixture::after_a_run(&["x = 1", "y = 1", "z = 1"]);
    notebook.run("b");
    notebook.delete("a");
    notebook.delete("b");
    assert_eq!(notebook.told(), "b");
    notebook.succeed();
    assert_eq!(notebook.told(), ".2 -x,y");
}

#[test]
fn a_name_that_comes_back_before_it_is_removed_stays() {
    let mut notebook = Fixture::after_a_run(&["x = 1", "y = 1"]);
    notebook.run("b");
    notebook.update("a", "w = 1");
    notebook.update("a", "x = 1");
    notebook.succeed();
    assert_eq!(notebook.told(), "b .2");
}

#[test]
fn a_reader_of_a_removed_name_gets_that_of_another_writer() {
    let mut notebook = Fixture::after_a_run(&["x = 1", "x = 2", "y = x"]);
    notebook.delete("b");
    notebook.run("c");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "-x a c .2");
}

#[test]
fn a_caller_that_missed_edits_can_say_so() {
    let mut notebook = Fixture::after_a_run(&["x = 1", "y = 1"]);
    let edit = quire_domain::Edit::DeleteCell { id: super::fixture::id("a") };
    super::fixture::apply(&mut notebook.notebook, &edit);
    let steps = notebook.schedule.changed(state(&notebook.notebook));
    notebook.take(steps);
    notebook.go_on();
    assert_eq!(notebook.told(), "-x");
}

#[test]
fn a_name_that_a_new_cell_writes_nearer_is_overwritten() {
    let mut notebook = Fixture::after_a_run(&["x = 1", "y = x"]);
    notebook.insert("n", "x = 5", Place::After(super::fixture::id("a")));
    notebook.run("b");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "n b .2");
}
