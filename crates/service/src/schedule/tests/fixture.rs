//! A notebook of real code with a schedule, told in short texts.

use quire_domain::{CellId, CellType, Edit, Life, Notebook, NotebookId, OpenNotebook, Place, Timestamp, UserId};

use crate::schedule::{CellOutcome, NotebookState, RunId, Schedule, Step, Target};

/// A notebook, its schedule, and all that the schedule has said.
pub(super) struct Fixture {
    pub(super) notebook: OpenNotebook,
    pub(super) schedule: Schedule,
    /// Steps since the last [`Self::told`], as texts.
    told: Vec<String>,
    /// Set to run descendants too.
    pub(super) reactive: bool,
}

pub(super) fn id(text: &str) -> CellId {
    CellId::new(text).unwrap()
}

pub(super) fn ids(text: &str) -> Vec<CellId> {
    text.split_whitespace().map(id).collect()
}

pub(super) fn empty_notebook() -> OpenNotebook {
    let (id, owner) = (NotebookId::new("n").unwrap(), UserId::new("u").unwrap());
    OpenNotebook::open(Notebook::new(id, Life::UNRECORDED, owner, Timestamp::default()))
}

/// Applies an edit. Returns the cells that it changed.
pub(super) fn apply(notebook: &mut OpenNotebook, edit: &Edit) {
    notebook.apply(edit, None, Timestamp::default()).unwrap();
}

pub(super) fn state(notebook: &OpenNotebook) -> NotebookState<'_> {
    NotebookState { notebook: notebook.notebook(), graph: notebook.graph() }
}

impl Fixture {
    /// Makes a notebook of these cells, which are called `a`, `b` and so on. Code that begins with `SQL ` is SQL.
    pub(super) fn new(cells: &[&str]) -> Self {
        let mut notebook = empty_notebook();
        for (code, name) in cells.iter().zip('a'..='z') {
            let (cell_type, code) =
                code.strip_prefix("SQL ").map_or((CellType::Python, *code), |code| (CellType::Sql, code));
            let id = id(&name.to_string());
            let edit = Edit::InsertCell { id, cell_type, code: code.into(), place: Place::End };
            apply(&mut notebook, &edit);
        }
        Self { notebook, schedule: Schedule::default(), told: Vec::new(), reactive: true }
    }

    /// Makes a notebook in which every cell has run.
    pub(super) fn after_a_run(cells: &[&str]) -> Self {
        let mut fixture = Self::new(cells);
        fixture.request(&Target::All);
        while fixture.running().is_some() {
            fixture.succeed();
        }
        fixture.told();
        fixture
    }

    pub(super) fn running(&self) -> Option<String> {
        self.schedule.running().map(|cell| cell.as_str().to_owned())
    }

    pub(super) fn queued(&mut self) -> String {
        let queued = self.schedule.queued(state(&self.notebook));
        queued.iter().map(CellId::as_str).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn run(&mut self, cells: &str) -> RunId {
        self.request(&Target::Cells(ids(cells)))
    }

    pub(super) fn request(&mut self, target: &Target) -> RunId {
        let (run, steps) = self.schedule.request(state(&self.notebook), target, self.reactive).unwrap();
        self.take(steps);
        self.go_on();
        run
    }

    pub(super) fn succeed(&mut self) {
        self.finish(CellOutcome::Success);
    }

    pub(super) fn fail(&mut self) {
        self.finish(CellOutcome::Error);
    }

    pub(super) fn finish(&mut self, outcome: CellOutcome) {
        let cell = self.schedule.running().cloned().unwrap();
        let steps = self.schedule.finished(state(&self.notebook), &cell, outcome);
        self.take(steps);
        self.go_on();
    }

    pub(super) fn succeed_to_the_end(&mut self) {
        while self.running().is_some() {
            self.succeed();
        }
    }

    pub(super) fn edit(&mut self, edit: &Edit) {
        apply(&mut self.notebook, edit);
        let steps = self.schedule.changed(state(&self.notebook));
        self.take(steps);
        self.go_on();
    }

    pub(super) fn update(&mut self, cell: &str, code: &str) {
        self.edit(&Edit::UpdateCell { id: id(cell), code: code.into() });
    }

    pub(super) fn delete(&mut self, cell: &str) {
        self.edit(&Edit::DeleteCell { id: id(cell) });
    }

    pub(super) fn move_to(&mut self, cell: &str, place: Place) {
        self.edit(&Edit::MoveCell { id: id(cell), place });
    }

    pub(super) fn insert(&mut self, cell: &str, code: &str, place: Place) {
        self.edit(&Edit::InsertCell { id: id(cell), cell_type: CellType::Python, code: code.into(), place });
    }

    /// Returns what was said since the last call: `a` for an execution, `!b<a` for a cell blocked by another, `!b` for one on a
    /// cycle, `?b` for one that cannot run, `-x` for a removed name, `~b` for one that left the queue, `.1` for a done request.
    pub(super) fn told(&mut self) -> String {
        std::mem::take(&mut self.told).join(" ")
    }

    pub(super) fn take(&mut self, steps: Vec<Step>) {
        self.told.extend(steps.into_iter().map(|step| match step {
            Step::Execute { cell } => cell.as_str().to_owned(),
            Step::RemoveNames(names) => format!("-{}", names.join(",")),
            Step::Block { cell, by } => format!("!{}<{}", cell.as_str(), by.as_str()),
            Step::FailCycle { cell } => format!("!{}", cell.as_str()),
            Step::Fail { cell, .. } => format!("?{}", cell.as_str()),
            Step::Dequeued { cell } => format!("~{}", cell.as_str()),
            Step::RequestDone(run) => format!(".{run}"),
        }));
    }

    /// Asks for what comes next until the kernel has work or nothing is left.
    pub(super) fn go_on(&mut self) {
        loop {
            let steps = self.schedule.next(state(&self.notebook));
            let has_removed = matches!(steps.last(), Some(Step::RemoveNames(_)));
            self.take(steps);
            if !has_removed {
                return;
            }
        }
    }
}
