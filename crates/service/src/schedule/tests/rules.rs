//! Each rule of the queue by itself.

use quire_domain::{CellType, Edit, Place};

use super::fixture::{Fixture, id, ids, state};
use crate::schedule::CellEnd::{self, Blocked, Cancelled, Error, Interrupted, Success};
use crate::schedule::requests::{MAX_DONE_REQUESTS, MAX_WAITING_REQUESTS};
use crate::schedule::{CellOutcome, RunRecord, Target};

#[test]
fn a_chain_runs_in_order_and_only_what_depends_on_it() {
    let mut notebook = Fixture::new(&["x = 1", "y = x", "z = y", "w = 1"]);
    notebook.run("a");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a b c .1");
    notebook.run("c");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "c .2");
}

#[test]
fn a_diamond_runs_each_cell_once() {
    let mut notebook = Fixture::new(&["d = b + c", "c = a", "b = a", "a = 1"]);
    notebook.run("d");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "d b c a .1");
}

#[test]
fn a_cell_alone_runs_without_its_descendants() {
    let mut notebook = Fixture::new(&["x = 1", "y = x"]);
    notebook.reactive = false;
    notebook.run("a");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a .1");
}

#[test]
fn a_failed_cell_blocks_transitively_and_independent_branches_go_on() {
    let mut notebook = Fixture::new(&["x = 1", "y = x", "z = y", "w = 1", "v = w"]);
    let run = notebook.request(&Target::All);
    notebook.fail();
    assert_eq!(notebook.told(), "a !b<a !c<a d");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "e .1");
    let ends: Vec<_> = notebook.schedule.record(run).unwrap().cells().iter().map(|(_, end)| end.unwrap()).collect();
    assert_eq!(ends, [Error, Blocked, Blocked, Success, Success]);
}

#[test]
fn an_interrupted_cell_blocks_as_a_failed_one_does() {
    let mut notebook = Fixture::new(&["x = 1", "y = x"]);
    notebook.run("a");
    notebook.finish(CellOutcome::Interrupted);
    assert_eq!(notebook.told(), "a !b<a .1");
}

#[test]
fn cycles_fail_at_once_and_block_what_depends_on_them() {
    let mut notebook = Fixture::new(&["p = 1", "a = b", "b = a", "c = b", "d = c"]);
    notebook.run("a");
    assert_eq!(notebook.told(), "a");
    notebook.run("b");
    assert_eq!(notebook.told(), "!b !d<b !e<b !c .2", "while another cell runs");
    notebook.succeed();
    notebook.request(&Target::All);
    assert_eq!(notebook.told(), ".1 !b !d<b !e<b !c a");
}

#[test]
fn a_cell_that_reads_from_a_cycle_is_blocked() {
    let mut notebook = Fixture::new(&["a = b", "b = a", "c = b"]);
    notebook.run("c");
    assert_eq!(notebook.told(), "!c<b .1");
    notebook.reactive = false;
    notebook.run("a b c");
    assert_eq!(notebook.told(), "!a !c<a !b .2");
}

#[test]
fn a_value_of_a_cell_that_has_come_onto_a_cycle_is_not_used() {
    let mut notebook = Fixture::after_a_run(&["a = 1", "b = a", "c = b"]);
    notebook.run("a");
    notebook.update("a", "a = b");
    notebook.succeed();
    assert_eq!(notebook.told(), "a !b !c<b .2");
    notebook.run("c");
    assert_eq!(notebook.told(), "!c<b .3");
}

#[test]
fn requests_merge_and_a_queued_cell_is_queued_once() {
    let mut notebook = Fixture::new(&["x = 1", "y = 1", "z = x, y"]);
    notebook.run("b");
    notebook.run("a");
    notebook.run("c");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "b a .1 c .1 .2 .3".replacen(".1 ", "", 1));
}

#[test]
fn the_first_in_the_document_of_the_possible_cells_comes_next() {
    let mut notebook = Fixture::new(&["a = 1", "b = 1", "c = 1", "d = 1"]);
    notebook.run("c");
    notebook.run("d");
    notebook.run("b");
    notebook.run("a");
    assert_eq!(notebook.queued(), "a b d");
}

#[test]
fn a_request_for_the_running_cell_runs_it_again_afterwards() {
    let mut notebook = Fixture::new(&["x = 1", "y = x"]);
    notebook.run("a");
    notebook.run("a");
    notebook.run("a");
    assert_eq!(notebook.queued(), "a b");
    notebook.fail();
    assert_eq!(notebook.told(), "a a", "its failure blocks nothing, as it runs again");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "b .1 .2 .3");
}

#[test]
fn a_request_for_a_failed_cell_takes_the_failure_back() {
    let mut notebook = Fixture::new(&["x = 1", "w = 1", "v = 1", "y = x"]);
    notebook.run("a b c");
    notebook.fail();
    assert_eq!(notebook.told(), "a !d<a b");
    notebook.run("d");
    notebook.succeed();
    notebook.succeed();
    assert_eq!(notebook.told(), "c .1 !d<a .2", "it has failed in this run");
    notebook.run("b");
    notebook.run("a");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "b .3 a d .4");
}

#[test]
fn a_deleted_cell_leaves_the_queue() {
    let mut notebook = Fixture::new(&["x = 1", "y = x", "z = y"]);
    let run = notebook.run("a");
    notebook.delete("c");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a b .1");
    assert_eq!(notebook.schedule.record(run).unwrap().cells()[2], (id("c"), Some(CellEnd::Deleted)));
}

#[test]
fn the_last_cell_of_a_request_may_be_deleted() {
    let mut notebook = Fixture::new(&["x = 1", "y = 1"]);
    notebook.run("a");
    notebook.run("b");
    notebook.delete("b");
    assert_eq!(notebook.told(), "a .2");
}

#[test]
fn an_edit_orders_the_queue_anew() {
    let mut notebook = Fixture::new(&["w = 1", "x = y", "y = 1"]);
    notebook.request(&Target::All);
    assert_eq!(notebook.queued(), "c b");
    notebook.update("b", "x = 1");
    assert_eq!(notebook.queued(), "b c");
    notebook.move_to("c", Place::Start);
    assert_eq!(notebook.queued(), "c b");
    let edit = Edit::UpdateCell { id: id("b"), code: "x = z".into() };
    super::fixture::apply(&mut notebook.notebook, &edit);
    let steps = notebook.schedule.changed(state(&notebook.notebook));
    notebook.take(steps);
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a c b .1");
}

#[test]
fn an_edit_can_put_a_queued_cell_onto_a_cycle() {
    let mut notebook = Fixture::new(&["w = 1", "x = 1", "y = x", "z = y"]);
    notebook.request(&Target::All);
    notebook.update("b", "x = y");
    notebook.succeed();
    assert_eq!(notebook.told(), "a !b !d<b !c .1");
}

#[test]
fn stopping_empties_the_queue() {
    let mut notebook = Fixture::new(&["x = 1", "y = x", "z = 1"]);
    let run = notebook.request(&Target::All);
    notebook.run("c");
    let steps = notebook.schedule.stop();
    notebook.take(steps);
    notebook.run("b");
    notebook.finish(CellOutcome::Interrupted);
    assert_eq!(
        notebook.told(),
        "a ~b ~c .2 .1 a",
        "what is asked for since is not blocked by what was stopped, but needs it"
    );
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "b .3");
    let ends: Vec<_> = notebook.schedule.record(run).unwrap().cells().iter().map(|(_, end)| end.unwrap()).collect();
    assert_eq!(ends, [Interrupted, Cancelled, Cancelled]);
    assert!(notebook.schedule.is_idle());
}

#[test]
fn the_end_of_the_kernel_empties_queue_and_namespace() {
    let mut notebook = Fixture::after_a_run(&["x = 1", "y = x", "z = x"]);
    let run = notebook.run("b c");
    let steps = notebook.schedule.kernel_ended();
    notebook.take(steps);
    notebook.go_on();
    assert_eq!(notebook.told(), "b ~c .2");
    assert_eq!(notebook.schedule.record(run).unwrap().cells(), [(id("b"), Some(Error)), (id("c"), Some(Cancelled))]);
    assert!(notebook.schedule.is_idle());
    notebook.run("b");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a b .3", "the new kernel has no x");
    notebook.delete("c");
    assert_eq!(notebook.told(), "", "nor z to remove");
}

#[test]
fn stale_cells_run_without_sql_that_changes_data() {
    let cells = ["x = 1", "SQL delete from t", "SQL select * from t", "y = x", ""];
    let mut notebook = Fixture::new(&cells);
    notebook.request(&Target::Stale);
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a d .1", "c would show what b has not changed yet; there is nothing to run in e");
    notebook.request(&Target::All);
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a b c d e .2");
}

#[test]
fn sql_that_changes_data_runs_only_when_asked_for() {
    let mut notebook = Fixture::new(&["x = 1", "SQL delete from t where a = {x}", "SQL select * from t"]);
    notebook.run("a");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a .1");
    notebook.run("b");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "b c .2");
}

#[test]
fn an_edit_to_sql_that_changes_data_takes_a_queued_cell_out() {
    let mut notebook = Fixture::new(&["x = 1", "SQL select {x} from t", "y = 1"]);
    notebook.run("a c");
    notebook.update("b", "delete from t where a = {x}");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "a ~b c .1");
}

#[test]
fn code_that_does_not_parse_runs_alone_and_takes_nothing() {
    let mut notebook = Fixture::new(&["x = 1", "y = x", "z = y"]);
    notebook.update("b", "y = x +");
    notebook.run("b");
    notebook.fail();
    assert_eq!(notebook.told(), "b .1");
}

#[test]
fn a_request_for_nothing_is_done() {
    let mut notebook = Fixture::new(&["x = 1"]);
    notebook.run("unknown");
    assert_eq!(notebook.told(), ".1");
    assert!(notebook.schedule.is_idle());
}

#[test]
fn requests_and_their_records_are_bounded() {
    let mut notebook = Fixture::new(&["x = 1", "y = 1"]);
    let first = notebook.run("a");
    for _ in 1..MAX_WAITING_REQUESTS {
        notebook.run("b");
    }
    let target = Target::Cells(ids("a"));
    let refused = notebook.schedule.request(state(&notebook.notebook), &target, true);
    assert!(refused.is_err());
    assert_eq!(notebook.queued(), "b");
    notebook.succeed_to_the_end();
    assert!(notebook.schedule.record(first).is_some_and(RunRecord::is_done));
    for _ in 0..MAX_DONE_REQUESTS {
        notebook.run("a");
        notebook.succeed();
    }
    assert!(notebook.schedule.record(first).is_none());
}

#[test]
fn a_cell_that_becomes_another_while_it_runs_ends_as_what_it_was() {
    let mut notebook = Fixture::new(&["x = 1", "y = x"]);
    notebook.run("a");
    notebook.update("a", "x = 2");
    notebook.succeed();
    assert_eq!(notebook.told(), "a a", "b needs the x of the newer text");
    notebook.succeed_to_the_end();
    assert_eq!(notebook.told(), "b .1");
    notebook.edit(&Edit::SetCellType { id: id("a"), cell_type: CellType::Sql });
    assert_eq!(notebook.told(), "-x");
}
