//! Random programs against a model: an interpreter over one namespace does what the schedule says, and the document says what
//! each cell must come to.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use quire_domain::{CellId, CellStatus, CellType, Edit, OpenNotebook, Place, Results, RunDigest};

use super::document::{Document, DocumentCell};
use super::fixture::{apply, empty_notebook, id, state};
use super::programs::{Action, Failure, Names, Statement, code, execute, mentions, program};
use crate::schedule::{CellEnd, CellOutcome, RunId, Schedule, Step, Target};

/// What the tests have seen, so that they can show that they saw enough.
#[derive(Debug, Default)]
pub(super) struct Seen {
    executed: usize,
    prepared: usize,
    checked: usize,
    blocked: usize,
    cycles: usize,
    removed: usize,
    /// Cells that could not be given all that they need.
    failed: usize,
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.executed += other.executed;
        self.prepared += other.prepared;
        self.checked += other.checked;
        self.blocked += other.blocked;
        self.cycles += other.cycles;
        self.removed += other.removed;
        self.failed += other.failed;
    }
}

/// A run that goes on.
#[derive(Debug)]
struct Run {
    cell: DocumentCell,
    digest: RunDigest,
    code_digest: String,
    /// What the cell must come to: its values, or a failure.
    ideal: Result<Names, Failure>,
    is_stopped: bool,
}

/// A notebook with its schedule and its kernel, and what the model knows of them.
pub(super) struct World {
    notebook: OpenNotebook,
    schedule: Schedule,
    cells: Vec<DocumentCell>,
    last_id: usize,
    names: Names,
    /// The cell that wrote each name last, with its digest unless it failed.
    holders: BTreeMap<&'static str, (CellId, Option<RunDigest>)>,
    queue: BTreeSet<CellId>,
    /// The queue's order, until it changes.
    order: Option<Vec<CellId>>,
    running: Option<Run>,
    failed: BTreeMap<CellId, RunDigest>,
    /// The cell whose end the present steps answer.
    finished: Option<CellId>,
    /// How often each cell has run for the start of the first.
    starts: (Option<CellId>, BTreeMap<CellId, usize>),
    waiting: BTreeSet<RunId>,
    /// How the last run of each cell ended.
    ends: BTreeMap<CellId, CellEnd>,
    /// The cells that could not be given all that they need.
    overwriting: BTreeSet<CellId>,
    pub(super) seen: Seen,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            notebook: empty_notebook(),
            schedule: Schedule::default(),
            cells: Vec::new(),
            last_id: 0,
            names: Names::new(),
            holders: BTreeMap::new(),
            queue: BTreeSet::new(),
            order: None,
            running: None,
            failed: BTreeMap::new(),
            finished: None,
            starts: (None, BTreeMap::new()),
            waiting: BTreeSet::new(),
            ends: BTreeMap::new(),
            overwriting: BTreeSet::new(),
            seen: Seen::default(),
        }
    }

    pub(super) fn act(&mut self, action: &Action) {
        let count = self.cells.len();
        let place = |at: usize, cells: &[DocumentCell]| match at % (cells.len() + 1) {
            0 => Place::Start,
            at => Place::After(cells[at - 1].id.clone()),
        };
        match action {
            Action::Insert(at, statements) => {
                self.last_id += 1;
                let id = id(&format!("c{}", self.last_id));
                let to = place(*at, &self.cells);
                let cell = DocumentCell { id: id.clone(), statements: statements.clone(), is_broken: false };
                self.cells.insert(at % (count + 1), cell);
                let code = code(statements).into();
                self.edit(&Edit::InsertCell { id, cell_type: CellType::Python, code, place: to });
            }
            Action::RunAll(reactive) => self.request(&Target::All, *reactive),
            Action::RunStale(reactive) => self.request(&Target::Stale, *reactive),
            Action::Finish(cells) => {
                for _ in 0..*cells {
                    self.finish(None);
                }
            }
            Action::Interrupt(after) => self.finish(Some(*after)),
            Action::Stop => self.stop(),
            Action::EndKernel => self.end_kernel(),
            _ if count == 0 => {}
            Action::Update(at, statements) => {
                let cell = &mut self.cells[at % count];
                (cell.statements, cell.is_broken) = (statements.clone(), false);
                let edit = Edit::UpdateCell { id: cell.id.clone(), code: code(statements).into() };
                self.edit(&edit);
            }
            Action::Break(at) => {
                let cell = &mut self.cells[at % count];
                cell.is_broken = true;
                let edit = Edit::UpdateCell { id: cell.id.clone(), code: "x = (".into() };
                self.edit(&edit);
            }
            Action::Delete(at) => {
                let cell = self.cells.remove(at % count);
                self.queue.remove(&cell.id);
                self.failed.remove(&cell.id);
                self.edit(&Edit::DeleteCell { id: cell.id });
            }
            Action::Move(from, to) => {
                let cell = self.cells.remove(from % count);
                let place = place(*to, &self.cells);
                self.cells.insert(to % count, cell.clone());
                self.edit(&Edit::MoveCell { id: cell.id, place });
            }
            Action::Run(cells, reactive) => {
                let cells = cells.iter().map(|at| self.cells[at % count].id.clone()).collect();
                self.request(&Target::Cells(cells), *reactive);
            }
        }
    }

    fn document(&self) -> Document {
        Document::new(&self.cells)
    }

    fn digest(&self, cell: &CellId) -> RunDigest {
        self.notebook.cell(cell).unwrap().run_digest
    }

    fn edit(&mut self, edit: &Edit) {
        apply(&mut self.notebook, edit);
        assert!(self.notebook.notebook().cells.iter().map(|cell| &cell.id).eq(self.cells.iter().map(|cell| &cell.id)));
        self.order = None;
        self.starts = (None, BTreeMap::new());
        let steps = self.schedule.changed(state(&self.notebook));
        self.take(steps);
        self.go_on();
    }

    fn request(&mut self, target: &Target, reactive: bool) {
        let document = self.document();
        let asked: BTreeSet<usize> = match target {
            Target::All => document.all().collect(),
            Target::Cells(cells) => cells.iter().map(|cell| document.number(cell)).collect(),
            Target::Stale => {
                let cells =
                    document.all().filter(|&cell| self.notebook.cell(&document.cells[cell].id).unwrap().is_stale());
                cells.collect()
            }
        };
        let mut cells = asked;
        let mut is_growing = reactive;
        while is_growing {
            let parsing = |cell: usize| cells.contains(&cell) && !document.cells[cell].is_broken;
            let is_child = |cell: &usize| document.edges_to(*cell).into_iter().any(|(_, writer, _)| parsing(writer));
            let more: BTreeSet<usize> = document.all().filter(is_child).filter(|cell| !cells.contains(cell)).collect();
            is_growing = !more.is_empty();
            cells.extend(more);
        }
        for cell in cells {
            let cell = &document.cells[cell].id;
            self.failed.remove(cell);
            if self.queue.insert(cell.clone()) {
                self.order = None;
            }
        }
        let (run, steps) = self.schedule.request(state(&self.notebook), target, reactive).unwrap();
        self.waiting.insert(run);
        self.take(steps);
        self.go_on();
    }

    fn stop(&mut self) {
        let steps = self.schedule.stop();
        self.take(steps);
        self.emptied();
        if let Some(run) = &mut self.running {
            run.is_stopped = true;
        }
        self.go_on();
    }

    fn end_kernel(&mut self) {
        let steps = self.schedule.kernel_ended();
        self.running = None;
        self.take(steps);
        self.emptied();
        (self.names, self.holders) = (Names::new(), BTreeMap::new());
        self.go_on();
        assert!(self.schedule.is_idle() && self.waiting.is_empty());
    }

    fn emptied(&mut self) {
        assert!(self.queue.is_empty(), "every queued cell was told to have left the queue");
        self.failed.clear();
        self.starts = (None, BTreeMap::new());
    }

    /// Lets what runs end, after some of its statements if it is interrupted.
    fn finish(&mut self, interrupted_after: Option<usize>) {
        let Some(run) = self.running.take() else { return };
        let DocumentCell { id, mut statements, is_broken } = run.cell;
        let writes = mentions(&statements).writes;
        statements.truncate(interrupted_after.unwrap_or(usize::MAX));
        let result = if is_broken { Err(Failure::Raised) } else { execute(&statements, &mut self.names).map(|_| ()) };
        let outcome = match result {
            _ if interrupted_after.is_some() => CellOutcome::Interrupted,
            Ok(()) => CellOutcome::Success,
            Err(_) => CellOutcome::Error,
        };
        if interrupted_after.is_none() {
            match &run.ideal {
                Ok(values) => {
                    assert_eq!(result, Ok(()), "{id:?} must succeed");
                    for (name, value) in values.iter().filter(|(_, value)| value.is_some()) {
                        assert_eq!(self.names.get(name), Some(value), "{name} after {id:?}");
                        self.seen.checked += 1;
                    }
                }
                Err(Failure::Raised) => assert_eq!(result, Err(Failure::Raised), "{id:?} must fail"),
                Err(Failure::Unknown) => {}
            }
        }
        let has_succeeded = outcome == CellOutcome::Success;
        if !is_broken {
            for name in writes {
                self.holders.insert(name, (id.clone(), has_succeeded.then_some(run.digest)));
            }
            if let [Statement::Delete(name)] = &*statements {
                self.holders.remove(name);
            }
        }
        self.ends.insert(id.clone(), if has_succeeded { CellEnd::Success } else { CellEnd::Error });
        self.store(&id, &run.code_digest, run.digest, has_succeeded);

        let document = self.document();
        let mut expected = BTreeSet::new();
        if has_succeeded {
            self.failed.remove(&id);
        } else if !run.is_stopped && !self.queue.contains(&id) {
            self.failed.insert(id.clone(), run.digest);
            if self.cells.iter().any(|cell| cell.id == id) {
                expected = self.queued_dependents(&document, document.number(&id));
            }
        }
        let steps = self.schedule.finished(state(&self.notebook), &id, outcome);
        let blocked = steps.iter().filter_map(|step| match step {
            Step::Block { cell, by } => {
                assert_eq!(by, &id);
                Some(cell.clone())
            }
            _ => None,
        });
        assert_eq!(blocked.collect::<BTreeSet<_>>(), expected);
        self.finished = Some(id);
        self.take(steps);
        self.finished = None;
        self.go_on();
    }

    /// Stores the results, if the cell still has the code that ran.
    fn store(&mut self, cell: &CellId, code_digest: &str, run_digest: RunDigest, has_succeeded: bool) {
        let status = if has_succeeded { CellStatus::Success } else { CellStatus::Error };
        if self.notebook.cell(cell).is_some_and(|cell| cell.code_digest() == code_digest) {
            let results = Results {
                status,
                code_digest: Some(code_digest.to_owned()),
                run_digest: Some(run_digest),
                ..Results::default()
            };
            apply(&mut self.notebook, &Edit::SetResults { id: cell.clone(), results: results.into() });
        }
    }

    /// The queued cells that depend on a cell, directly or through other queued ones.
    fn queued_dependents(&self, document: &Document, of: usize) -> BTreeSet<CellId> {
        let mut found = BTreeSet::from([of]);
        for _ in document.all() {
            for cell in document.all().filter(|&cell| self.queue.contains(&document.cells[cell].id)) {
                if document.edges_to(cell).into_iter().any(|(_, writer, _)| found.contains(&writer)) {
                    found.insert(cell);
                }
            }
        }
        found.remove(&of);
        found.retain(|&cell| !document.is_on_cycle(cell));
        found.into_iter().map(|cell| document.cells[cell].id.clone()).collect()
    }

    /// Asks for what comes next until a cell runs or nothing is left.
    fn go_on(&mut self) {
        loop {
            let steps = self.schedule.next(state(&self.notebook));
            let has_removed = matches!(steps.last(), Some(Step::RemoveNames(_)));
            self.take(steps);
            if has_removed {
                continue;
            }
            if self.running.is_none() {
                assert!(self.schedule.is_idle() && self.queue.is_empty(), "{:?} is left", self.queue);
                assert!(self.waiting.is_empty(), "{:?} is not done", self.waiting);
                self.failed.clear();
                self.check_that_no_name_is_left_over();
            }
            return;
        }
    }

    fn take(&mut self, steps: Vec<Step>) {
        for step in steps {
            if let Step::Block { cell, .. } | Step::Fail { cell, .. } | Step::Execute { cell } = &step {
                // Another start of the cell counts anew.
                self.starts.0.take_if(|head| head == cell);
            }
            match step {
                Step::Execute { cell } => self.execute(&cell),
                Step::RemoveNames(names) => self.remove(&names),
                Step::Block { cell, by } => {
                    let document = self.document();
                    assert!(self.queue.remove(&cell), "{cell:?} was not queued");
                    // A deleted cell that failed may be the reason only while it is there.
                    let reason = document.number(&by);
                    assert!(document.depends(document.number(&cell), reason), "{cell:?} does not depend on {by:?}");
                    // Only while the cell is as it was when it failed, or at the time of the failure itself.
                    let has_failed = self.has_failed(&by) || self.finished.as_ref() == Some(&by);
                    assert!(document.is_on_cycle(reason) || has_failed, "{by:?} has not failed");
                    self.ends.insert(cell, CellEnd::Blocked);
                    self.seen.blocked += 1;
                }
                Step::FailCycle { cell } => {
                    let document = self.document();
                    assert!(self.queue.remove(&cell) && document.is_on_cycle(document.number(&cell)));
                    self.ends.insert(cell, CellEnd::Error);
                    self.seen.cycles += 1;
                }
                Step::Fail { cell, .. } => {
                    assert!(self.queue.remove(&cell));
                    let document = self.document();
                    assert!(!self.can_be_prepared(&document, document.number(&cell)), "{cell:?} can run");
                    self.failed.insert(cell.clone(), self.digest(&cell));
                    self.ends.insert(cell.clone(), CellEnd::Error);
                    self.overwriting.insert(cell);
                    self.seen.failed += 1;
                }
                Step::Dequeued { cell } => assert!(self.queue.remove(&cell)),
                Step::RequestDone(run) => assert!(self.waiting.remove(&run), "{run} was done before"),
            }
        }
    }

    fn has_failed(&self, cell: &CellId) -> bool {
        self.failed.get(cell) == Some(&self.digest(cell))
    }

    fn remove(&mut self, names: &[String]) {
        assert!(self.running.is_none());
        for name in names {
            let (name, (cell, _)) = self.holders.remove_entry(&**name).unwrap();
            assert!(!self.writes(&cell, name), "{cell:?} still writes {name}");
            self.names.remove(name);
            self.seen.removed += 1;
        }
    }

    fn writes(&self, cell: &CellId, name: &str) -> bool {
        self.cells.iter().any(|other| other.id == *cell && mentions(&other.statements).writes.contains(name))
    }

    fn check_that_no_name_is_left_over(&self) {
        for (name, (cell, _)) in &self.holders {
            assert!(self.writes(cell, name), "{name} is of {cell:?}, which no longer writes it");
        }
    }

    /// The writers whose values a cell needs and the namespace does not hold.
    fn unmet(&self, document: &Document, cell: usize) -> BTreeSet<usize> {
        let is_met = |name: &str, writer: usize| {
            let id = &document.cells[writer].id;
            !document.is_on_cycle(writer) && self.holders.get(name) == Some(&(id.clone(), Some(self.digest(id))))
        };
        let needs = document.needs(cell).into_iter().filter_map(|(name, writer)| Some((name, writer?)));
        needs.filter(|(name, writer)| !is_met(name, *writer)).map(|(_, writer)| writer).collect()
    }

    /// The writers that must run before a cell.
    fn to_prepare(&self, document: &Document, cell: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut waiting = self.unmet(document, cell);
        while let Some(writer) = waiting.pop_first() {
            if found.insert(writer) {
                waiting.extend(self.unmet(document, writer));
            }
        }
        found
    }

    /// Looks through all orders of runs for one that gives a cell all that it needs, if each run succeeds.
    fn can_be_prepared(&self, document: &Document, cell: usize) -> bool {
        let needs: Vec<BTreeMap<&str, usize>> = document
            .all()
            .map(|cell| document.needs(cell).into_iter().filter_map(|(name, writer)| Some((name, writer?))).collect())
            .collect();
        let are_met = |cell: usize, held: &BTreeMap<&'static str, usize>| {
            needs[cell].iter().all(|(name, writer)| held.get(name) == Some(writer))
        };
        let valid = self.holders.iter().filter(|(_, (cell, digest))| {
            self.cells.iter().any(|other| other.id == *cell) && *digest == Some(self.digest(cell))
        });
        let held: BTreeMap<&'static str, usize> =
            valid.map(|(name, (cell, _))| (*name, document.number(cell))).collect();
        let mut seen = BTreeSet::from([held.clone()]);
        let mut waiting = vec![held];
        while let Some(held) = waiting.pop() {
            if are_met(cell, &held) {
                return true;
            }
            let runnable = document.all().filter(|&other| {
                let id = &document.cells[other].id;
                other != cell && !document.is_on_cycle(other) && !self.has_failed(id) && are_met(other, &held)
            });
            for other in runnable {
                let mut after = held.clone();
                after.extend(document.writes(other).iter().map(|name| (*name, other)));
                if seen.insert(after.clone()) {
                    waiting.push(after);
                }
            }
        }
        false
    }

    /// Checks that the cell is the right one to run now, and begins its run.
    fn execute(&mut self, cell: &CellId) {
        self.check_that_no_name_is_left_over();
        assert!(self.running.is_none());
        let document = self.document();
        if self.order.is_none() {
            let queue = self.queue.iter().map(|cell| document.number(cell)).collect();
            let order = document.order(&queue).into_iter().map(|cell| document.cells[cell].id.clone());
            self.order = Some(order.collect());
        }
        let head = self.order.iter().flatten().find(|cell| self.queue.contains(*cell)).unwrap().clone();
        let to_prepare = self.to_prepare(&document, document.number(&head));
        let number = document.number(cell);
        assert!(self.unmet(&document, number).is_empty(), "{cell:?} lacks values");
        assert!(!document.is_on_cycle(number) && (!self.has_failed(cell) || *cell == head));
        if *cell == head {
            assert!(to_prepare.is_empty());
        } else {
            assert!(to_prepare.contains(&number), "{head:?} comes before {cell:?}, which it does not need");
            if self.starts.0.as_ref() != Some(&head) {
                self.starts = (Some(head), BTreeMap::new());
            }
            let starts = self.starts.1.entry(cell.clone()).or_default();
            *starts += 1;
            assert!(*starts <= 2);
            self.seen.prepared += 1;
        }
        self.queue.remove(cell);
        self.seen.executed += 1;
        let in_notebook = self.notebook.cell(cell).unwrap();
        self.running = Some(Run {
            cell: document.cells[number].clone(),
            digest: in_notebook.run_digest,
            code_digest: in_notebook.code_digest(),
            ideal: document.ideals().swap_remove(number),
            is_stopped: false,
        });
    }

    /// Runs everything, after which each cell must have come to what the document says.
    fn check_the_whole(&mut self) {
        while self.running.is_some() {
            self.finish(None);
        }
        self.overwriting.clear();
        self.request(&Target::All, true);
        while self.running.is_some() {
            self.finish(None);
        }
        let document = self.document();
        let overwriting: Vec<_> = self.overwriting.iter().map(|cell| document.number(cell)).collect();
        for (number, (cell, ideal)) in document.cells.iter().zip(document.ideals()).enumerate() {
            if overwriting.iter().any(|&failed| failed == number || document.depends(number, failed)) {
                continue;
            }
            let end = self.ends[&cell.id];
            match ideal {
                // A function that could do without a cell that failed is blocked with the others, and what needs the function.
                Ok(_) if end == CellEnd::Blocked => {
                    let did_not_run = |on: usize| self.ends[&document.cells[on].id] != CellEnd::Success;
                    let mut excused = document.all().filter(|&cell| {
                        let mut partners = document.all().filter(|&on| on != cell && document.depends(on, cell));
                        let is_needed = cell == number || document.depends(number, cell);
                        is_needed && partners.any(|on| document.depends(cell, on) && did_not_run(on))
                    });
                    assert!(excused.next().is_some(), "{:?}", cell.id);
                }
                Ok(_) => assert_eq!(end, CellEnd::Success, "{:?}", cell.id),
                Err(Failure::Raised) => assert_ne!(end, CellEnd::Success, "{:?}", cell.id),
                Err(Failure::Unknown) => {}
            }
        }
    }

    /// Checks that the document binds as the graph does.
    fn check_the_edges(&self) {
        let document = self.document();
        for (number, cell) in document.cells.iter().enumerate() {
            let edges = self.notebook.graph().parents(&cell.id).into_iter().map(|edge| (edge.name, edge.parent));
            let expected = document.edges_to(number).into_iter();
            let expected = expected.map(|(name, writer, _)| (name.to_owned(), document.cells[writer].id.clone()));
            assert_eq!(edges.collect::<BTreeSet<_>>(), expected.collect::<BTreeSet<_>>());
        }
    }
}

/// Programs to run: more for a longer look.
const PROGRAMS: u32 = 400;

#[test]
fn every_cell_runs_on_the_values_of_the_writers_that_it_binds_to() {
    let config = Config { cases: PROGRAMS, failure_persistence: None, ..Config::default() };
    let total = RefCell::new(Seen::default());
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(&program(), |program| {
        let mut world = World::new();
        for action in &program {
            world.act(action);
            world.check_the_edges();
        }
        world.check_the_whole();
        total.borrow_mut().add(&world.seen);
        Ok(())
    });
    result.unwrap();
    let total = total.into_inner();
    for seen in [total.executed, total.prepared, total.checked, total.blocked, total.cycles, total.removed] {
        assert!(seen >= PROGRAMS as usize / 2, "{total:?}: the programs must show each rule at work");
    }
}
