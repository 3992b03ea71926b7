//! Tests of the writer task's state machine: no task, no store, no time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quire_domain::{
    CellId, CellType, Edit, Life, Notebook, NotebookId, OpenNotebook, Place, Results, Revision, StoredConnection,
    Timestamp, UserId, analyse,
};
use quire_storage::{CommitId, Committed, Loaded, StoreError, StoredVersion, Version};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::ROUNDS;
use super::state::WriterState;
use super::step::{Input, PendingCommit, Reply, Step};
use crate::command::{DeleteCommand, EditCommand, EditRequest};
use crate::context::Sources;
use crate::{Clock, Edited, Expected, IdSource, ServiceError};

/// A source of consecutive ids, which a test can predict.
#[derive(Debug, Default)]
struct CountedIds(AtomicU64);

impl IdSource for CountedIds {
    fn next_id(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }
}

#[derive(Debug)]
struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

/// The state machine of a notebook with the empty cell `a`, at version 1.
struct Decisions {
    state: WriterState,
    sources: Sources,
}

fn user() -> UserId {
    UserId::new("ann").unwrap()
}

fn cell(id: &str) -> CellId {
    CellId::new(id).unwrap()
}

fn insert(id: &str) -> Edit {
    Edit::InsertCell { id: cell(id), cell_type: CellType::Python, code: Arc::default(), place: Place::End }
}

fn notebook(edits: impl IntoIterator<Item = Edit>) -> OpenNotebook {
    let (id, at) = (NotebookId::new("n").unwrap(), Timestamp::UNIX_EPOCH);
    let mut empty = OpenNotebook::open(Notebook::new(id, Life::UNRECORDED, user(), at));
    for edit in edits {
        empty.apply(&edit, None, at).unwrap();
    }
    empty
}

impl Decisions {
    fn new() -> Self {
        Self::of_a_store(false)
    }

    fn of_a_store(is_shared: bool) -> Self {
        let state = WriterState::new(notebook([insert("a")]), Version(1), (usize::MAX, is_shared));
        Self { state, sources: Sources::new(Arc::new(StoppedClock), Arc::new(CountedIds::default())) }
    }

    fn advance(&mut self, input: Input) -> Vec<Step> {
        self.state.advance(input, &self.sources)
    }

    fn edits(&mut self, edits: impl IntoIterator<Item = EditRequest>) -> Vec<Step> {
        let command = |request| EditCommand { request, reply: oneshot::channel().0 };
        self.advance(Input::Edits(edits.into_iter().map(command).collect()))
    }

    /// Answers steps of analysis until another step comes.
    fn analyse(&mut self, mut steps: Vec<Step>) -> Vec<Step> {
        while let Some(Step::Analyse(cell_type, code)) = steps.last() {
            let analysed = Input::Analysed(Ok(Arc::new(analyse(*cell_type, code))));
            steps.pop();
            steps.extend(self.advance(analysed));
        }
        steps
    }

    /// Answers a load with the known notebook.
    fn load_the_same(&mut self) -> Vec<Step> {
        self.advance(Input::Loaded(Ok(Some(self.loaded(1)))))
    }

    fn loaded(&self, version: i64) -> Loaded {
        Loaded { notebook: self.state.open.notebook().clone(), version: Version(version) }
    }

    fn mismatch(&self) -> StoreError {
        StoreError::RevisionMismatch { id: self.state.id().clone(), expected: Revision(0) }
    }

    fn full(&self) -> StoreError {
        StoreError::Full { id: self.state.id().clone(), reason: "a test said so".to_owned() }
    }

    fn unknown(&self) -> StoreError {
        StoreError::OutcomeUnknown { id: self.state.id().clone() }
    }
}

fn committed(version: i64) -> Input {
    Input::Committed(Ok(Committed { version: Version(version), previous: Some(Version(version - 1)) }))
}

fn request(edit: Edit) -> EditRequest {
    EditRequest::new(user(), Expected::Any, edit)
}

fn names(steps: &[Step]) -> Vec<&'static str> {
    let name = |step: &Step| match step {
        Step::Seal(_) => "seal",
        Step::Analyse(..) => "analyse",
        Step::Commit(_) => "commit",
        Step::Record(_) => "record",
        Step::Delete(..) => "delete",
        Step::LookUp => "look up",
        Step::SetAside => "set aside",
        Step::TellRecovered(_) => "tell recovered",
        Step::Load => "load",
        Step::Reopen(_) => "reopen",
        Step::Publish(_) => "publish",
        Step::Reply(_) => "reply",
        Step::EndDeleted(_) => "end deleted",
        Step::EndWithError(_) => "end with error",
        Step::ReportInDoubt { .. } => "report in doubt",
    };
    steps.iter().map(name).collect()
}

fn commit(steps: &[Step]) -> &PendingCommit {
    match steps.last() {
        Some(Step::Commit(pending)) => pending,
        other => panic!("{other:?}"),
    }
}

fn outcomes(steps: Vec<Step>) -> Vec<Result<Edited, ServiceError>> {
    let outcome = |step| match step {
        Step::Reply(Reply::Edit(_, outcome)) => Some(outcome),
        _ => None,
    };
    steps.into_iter().filter_map(outcome).collect()
}

fn revisions(steps: Vec<Step>) -> Vec<i64> {
    outcomes(steps).into_iter().map(|outcome| outcome.unwrap().revision.0).collect()
}

#[test]
fn an_edit_is_analysed_committed_published_and_then_answered() {
    let mut decisions = Decisions::new();
    let steps = decisions.edits([request(insert("b"))]);
    assert_eq!(names(&steps), ["analyse"]);
    let steps = decisions.analyse(steps);
    assert_eq!(names(&steps), ["commit"]);
    // The first id is the epoch of the service.
    assert_eq!(
        (commit(&steps).id, commit(&steps).as_commit().base.revision),
        (CommitId(Uuid::from_u128(1)), Revision(1))
    );
    let steps = decisions.advance(committed(2));
    assert_eq!(names(&steps), ["publish", "reply"]);
    assert!(matches!(&steps[0], Step::Publish(done) if done.version == Version(2) && done.changes.len() == 1));
    assert_eq!(revisions(steps), [2]);
}

#[test]
fn edits_that_came_together_are_one_commit_and_answered_in_their_order() {
    let mut decisions = Decisions::new();
    let steps = decisions.edits(["b", "c", "d"].map(|id| request(insert(id))));
    let steps = decisions.analyse(steps);
    assert_eq!((names(&steps), commit(&steps).changes.len()), (vec!["commit"], 3));
    let steps = decisions.advance(committed(2));
    assert_eq!(names(&steps), ["publish", "reply", "reply", "reply"]);
    assert_eq!(revisions(steps), [2, 3, 4]);
}

#[test]
fn an_edit_that_comes_second_is_applied_again_to_what_came_first() {
    let mut decisions = Decisions::new();
    let steps = decisions.edits([request(insert("b"))]);
    decisions.analyse(steps);
    let mismatch = decisions.mismatch();
    assert_eq!(names(&decisions.advance(Input::Committed(Err(mismatch)))), ["load"]);
    assert_eq!(decisions.state.open.notebook().revision, Revision(1), "memory is as it was");
    let theirs = notebook([insert("a"), insert("theirs")]);
    let loaded = Loaded { notebook: theirs.notebook().clone(), version: Version(5) };
    assert_eq!(names(&decisions.advance(Input::Loaded(Ok(Some(loaded))))), ["reopen"]);
    let change = quire_domain::Change::between(decisions.state.open.notebook(), theirs.notebook());
    let steps = decisions.advance(Input::Reopened(Ok(Box::new((theirs, change)))));
    assert_eq!(names(&steps), ["publish", "analyse"]);
    let steps = decisions.analyse(steps);
    assert_eq!(commit(&steps).as_commit().base.revision, Revision(2));
    assert_eq!(revisions(decisions.advance(committed(6))), [3]);
}

#[test]
fn edits_that_always_come_second_are_told_so() {
    let mut decisions = Decisions::new();
    let mut steps = decisions.edits(["b", "c"].map(|id| request(insert(id))));
    for _ in 0..ROUNDS {
        steps = decisions.analyse(steps);
        assert_eq!(names(&steps), ["commit"]);
        let mismatch = decisions.mismatch();
        decisions.advance(Input::Committed(Err(mismatch)));
        steps = decisions.load_the_same();
    }
    let outcomes = outcomes(steps);
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(ServiceError::Contended(_)))));
}

#[test]
fn edits_that_are_refused_together_are_committed_singly() {
    let mut decisions = Decisions::new();
    let steps = decisions.edits(["b", "c"].map(|id| request(insert(id))));
    decisions.analyse(steps);
    let full = decisions.full();
    let steps = decisions.advance(Input::Committed(Err(full)));
    let steps = decisions.analyse(steps);
    assert_eq!((names(&steps), commit(&steps).changes.len()), (vec!["commit"], 1));
    // The first fails alone, the second succeeds.
    let full = decisions.full();
    let steps = decisions.advance(Input::Committed(Err(full)));
    assert_eq!(names(&steps), ["reply", "analyse"]);
    let steps = decisions.analyse(steps);
    assert_eq!(names(&steps), ["reply", "commit"]);
    assert!(matches!(outcomes(steps)[..], [Err(ServiceError::Store(StoreError::Full { .. }))]));
    assert_eq!(revisions(decisions.advance(committed(2))), [2]);
}

#[test]
fn a_failure_that_says_the_same_of_all_is_not_tried_singly() {
    let mut decisions = Decisions::new();
    let steps = decisions.edits(["b", "c"].map(|id| request(insert(id))));
    decisions.analyse(steps);
    let away = StoreError::Unavailable { reason: "a test said so".to_owned(), source: None };
    assert_eq!(names(&decisions.advance(Input::Committed(Err(away)))), ["reply", "reply"]);
}

#[test]
fn a_commit_of_unknown_outcome_is_repeated_under_its_id_then_what_is_stored_is_looked_up() {
    let mut decisions = Decisions::new();
    let steps = decisions.edits([request(insert("b"))]);
    let steps = decisions.analyse(steps);
    let first = commit(&steps).id;
    let unknown = decisions.unknown();
    let steps = decisions.advance(Input::Committed(Err(unknown)));
    assert_eq!((names(&steps), commit(&steps).id), (vec!["commit"], first));
    let refused = decisions.full();
    assert_eq!(names(&decisions.advance(Input::Committed(Err(refused)))), ["load"]);
    let away = || StoreError::Unavailable { reason: "a test said so".to_owned(), source: None };
    let steps = decisions.advance(Input::Loaded(Err(away())));
    assert!(matches!(&steps[0], Step::ReportInDoubt { is_first: true, .. }), "{steps:?}");
    assert!(matches!(outcomes(steps)[..], [Err(ServiceError::Store(StoreError::OutcomeUnknown { .. }))]));
    // No change is stored before the refresh succeeds.
    assert_eq!(names(&decisions.advance(Input::Refresh)), ["load"]);
    let steps = decisions.advance(Input::Loaded(Err(away())));
    assert!(matches!(&steps[..], [Step::ReportInDoubt { is_first: false, .. }]), "{steps:?}");
    assert_eq!(names(&decisions.edits([request(insert("c"))])), ["load"]);
    assert_eq!(names(&decisions.load_the_same()), ["analyse"]);
    assert!(!decisions.state.in_doubt);
}

#[test]
fn a_connection_string_is_sealed_before_it_is_stored_unless_it_is_the_one_that_there_is() {
    let mut decisions = Decisions::new();
    let set = |text: &str| request(Edit::SetConnection { connection: StoredConnection::new(text).unwrap() });
    assert_eq!(names(&decisions.edits([set("postgres://db")])), ["seal"]);
    assert_eq!(revisions(decisions.advance(Input::Sealed(Ok(None)))), [1]);
    assert_eq!(names(&decisions.edits([set("postgres://other")])), ["seal"]);
    let sealed = StoredConnection::new("q1.key.sealed").unwrap();
    let steps = decisions.advance(Input::Sealed(Ok(sealed.clone())));
    assert_eq!(commit(&steps).as_commit().after.connection, sealed);
}

#[test]
fn results_of_other_code_change_nothing() {
    let mut decisions = Decisions::new();
    let results = |cell_id: &str, code: &str| EditRequest {
        code_digest: Some(quire_domain::Cell::digest_of(CellType::Python, code).into()),
        ..request(Edit::SetResults { id: cell(cell_id), results: Arc::new(Results::default()) })
    };
    for (cell_id, code) in [("a", "x = 1"), ("gone", "")] {
        let outcomes = outcomes(decisions.edits([results(cell_id, code)]));
        assert!(matches!(&outcomes[..], [Ok(Edited { revision: Revision(1), change: None })]), "{outcomes:?}");
    }
    assert_eq!(names(&decisions.edits([results("a", "")])), ["commit"]);
    assert_eq!(revisions(decisions.advance(committed(2))), [1]);
}

#[test]
fn an_edit_that_changes_nothing_is_answered_when_what_is_stored_was_looked_up() {
    let mut decisions = Decisions::of_a_store(true);
    let late = || EditRequest { expected: Some(Revision(0)).into(), ..request(insert("b")) };
    let stored = |version| {
        let (id, life) = (NotebookId::new("n").unwrap(), Life::UNRECORDED);
        Input::LookedUp(Ok(Some(StoredVersion { id, life, revision: Revision(1), version: Version(version) })))
    };
    assert_eq!(names(&decisions.edits([late()])), ["look up"]);
    assert!(matches!(outcomes(decisions.advance(stored(1)))[..], [Err(ServiceError::Conflict { .. })]));
    // Another server has changed the notebook: the edit is tried again.
    assert_eq!(names(&decisions.edits([late()])), ["look up"]);
    assert_eq!(names(&decisions.advance(stored(2))), ["load"]);
    assert_eq!(names(&decisions.load_the_same()), ["look up"]);
    assert!(matches!(outcomes(decisions.advance(stored(1)))[..], [Err(ServiceError::Conflict { .. })]));
    // The store is away: no client gets a reply that may be stale.
    assert_eq!(names(&decisions.edits([late()])), ["look up"]);
    let away = StoreError::Unavailable { reason: "a test said so".to_owned(), source: None };
    let steps = decisions.advance(Input::LookedUp(Err(away)));
    assert!(matches!(outcomes(steps)[..], [Err(ServiceError::Store(StoreError::Unavailable { .. }))]));
}

#[test]
fn a_commit_beside_results_of_others_publishes_both() {
    let mut decisions = Decisions::of_a_store(true);
    let steps = decisions.edits([request(insert("b"))]);
    decisions.analyse(steps);
    let committed = Committed { version: Version(3), previous: Some(Version(2)) };
    assert_eq!(names(&decisions.advance(Input::Committed(Ok(committed)))), ["load"]);
    let results = Edit::SetResults { id: cell("a"), results: Arc::new(Results::default()) };
    let both = notebook([insert("a"), insert("b"), results]);
    let loaded = Loaded { notebook: both.notebook().clone(), version: Version(3) };
    assert_eq!(names(&decisions.advance(Input::Loaded(Ok(Some(loaded))))), ["reopen"]);
    let change = quire_domain::Change::between(notebook([insert("a")]).notebook(), both.notebook());
    let steps = decisions.advance(Input::Reopened(Ok(Box::new((both, change)))));
    assert_eq!(names(&steps), ["publish", "reply"]);
    assert_eq!(revisions(steps), [2]);
}

#[test]
fn what_the_database_has_lost_is_set_aside_before_its_state_is_taken_over() {
    let mut decisions = Decisions::of_a_store(true);
    let earlier = notebook([]);
    let loaded = || Loaded { notebook: earlier.notebook().clone(), version: Version(0) };
    assert_eq!(names(&decisions.advance(Input::Refresh)), ["load"]);
    assert_eq!(names(&decisions.advance(Input::Loaded(Ok(Some(loaded()))))), ["set aside"]);
    let away = StoreError::Unavailable { reason: "a test said so".to_owned(), source: None };
    assert_eq!(names(&decisions.advance(Input::SetAside(Err(away)))), ["report in doubt"], "nothing is taken over yet");
    assert_eq!(names(&decisions.advance(Input::Refresh)), ["load"]);
    decisions.advance(Input::Loaded(Ok(Some(loaded()))));
    let copy = NotebookId::new("copy").unwrap();
    assert_eq!(names(&decisions.advance(Input::SetAside(Ok(copy)))), ["reopen"]);
    let change = quire_domain::Change::between(decisions.state.open.notebook(), earlier.notebook());
    let steps = decisions.advance(Input::Reopened(Ok(Box::new((notebook([]), change)))));
    assert_eq!(names(&steps), ["tell recovered", "publish"]);
    assert!(!decisions.state.in_doubt);
}

/// A large group of conflicting edits: the stack does not grow with their number.
#[test]
fn many_refusals_need_no_more_stack_than_one() {
    let mut decisions = Decisions::new();
    let late = |_| EditRequest { expected: Some(Revision(0)).into(), ..request(insert("b")) };
    let outcomes = outcomes(decisions.edits((0..100_000).map(late)));
    assert_eq!(outcomes.len(), 100_000);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(ServiceError::Conflict { .. }))));
}

#[test]
fn a_deletion_looks_first_and_then_ends_the_notebook() {
    let mut decisions = Decisions::new();
    let delete =
        |expected| Input::Delete(DeleteCommand { context: user().into(), expected, reply: oneshot::channel().0 });
    assert_eq!(names(&decisions.advance(delete(Some(Revision(0)).into()))), ["load"]);
    let steps = decisions.load_the_same();
    assert!(matches!(&steps[..], [Step::Reply(Reply::Delete(_, Err(ServiceError::Conflict { .. })))]), "{steps:?}");
    decisions.advance(delete(Expected::Any));
    assert_eq!(names(&decisions.load_the_same()), ["delete"]);
    let mismatch = decisions.mismatch();
    assert_eq!(names(&decisions.advance(Input::Deleted(Err(mismatch)))), ["load"]);
    assert_eq!(names(&decisions.load_the_same()), ["delete"]);
    assert_eq!(names(&decisions.advance(Input::Deleted(Ok(())))), ["end deleted", "reply"]);
    // A later edit fails without another load.
    assert!(matches!(outcomes(decisions.edits([request(insert("b"))]))[..], [Err(ServiceError::UnknownNotebook(_))]));
}

#[test]
fn a_notebook_that_is_another_one_now_is_gone_here() {
    let mut decisions = Decisions::new();
    decisions.advance(Input::Refresh);
    let mut other = decisions.loaded(2);
    other.notebook.life = Life::new(Uuid::from_u128(99));
    assert_eq!(names(&decisions.advance(Input::Loaded(Ok(Some(other))))), ["end deleted"]);
    assert!(decisions.state.has_ended());
}

#[test]
fn a_notebook_that_has_become_too_large_leaves_memory() {
    let mut decisions = Decisions::new();
    let known = decisions.state.open.memory_bytes();
    decisions.state = WriterState::new(notebook([insert("a")]), Version(1), (known + 1_000, false));
    decisions.advance(Input::Refresh);
    let larger =
        Loaded { notebook: notebook((0..9).map(|n| insert(&format!("c{n}")))).notebook().clone(), version: Version(2) };
    let steps = decisions.advance(Input::Loaded(Ok(Some(larger))));
    assert!(matches!(&steps[..], [Step::EndWithError(ServiceError::NotebookTooLarge { .. })]), "{steps:?}");
}

#[test]
fn an_outcome_that_nothing_waits_for_changes_nothing() {
    let mut decisions = Decisions::new();
    assert_eq!(names(&decisions.advance(committed(9))), Vec::<&str>::new());
    let steps = decisions.edits([request(insert("b"))]);
    assert_eq!(names(&decisions.advance(committed(9))), Vec::<&str>::new());
    let steps = decisions.analyse(steps);
    assert_eq!(names(&steps), ["commit"]);
}
