//! Making edits durable, step by step: those that came while a commit was under way go together in the next one.

use std::collections::VecDeque;
use std::sync::Arc;

use quire_domain::{Analysis, Edit};
use quire_storage::{Committed, StoreError};

use super::ROUNDS;
use super::applying::Attempt;
use super::state::{Work, WriterState};
use super::step::{Answer, Input, PendingCommit, Step};
use crate::command::EditCommand;
use crate::context::Sources;
use crate::error::{ends_all, repeat};
use crate::{Edited, ServiceError};

/// Edits that came together.
#[derive(Debug)]
pub(super) struct Group {
    /// Those that are not answered yet, in their order.
    commands: VecDeque<EditCommand>,
    /// Set when the store has refused them together: each is then committed alone, so that a bad one fails alone.
    singly: bool,
    /// The number of attempts that came second to somebody else's commit.
    round: usize,
    attempt: Attempt,
    waits_for: WaitsFor,
}

/// An edit that can be applied, with the analysis of its code.
type PreparedEdit = (Edit, Option<Arc<Analysis>>);

/// The next thing that a group waits for.
#[derive(Debug)]
enum WaitsFor {
    /// Its turn: the next attempt, at those edits that are not answered yet.
    Turn,
    /// The stored notebook, before the next attempt.
    Stored,
    /// The sealed connection string, or the analysis, of the next edit.
    Preparation(Edit),
    /// The stored version: nothing is to be changed, which is true only of what is stored now.
    LookUp,
    /// The stored notebook, to which another server has added results since: the edits are durable.
    Others,
    /// The outcome of a commit, which is asked for a second time when it is not known.
    Commit { pending: Arc<PendingCommit>, is_repetition: bool },
    /// The records of edits that found nothing to change.
    Records,
    /// The stored notebook, before this failure is answered.
    Certainty(StoreError),
}

impl Group {
    /// The number of edits that are committed together.
    fn together(&self) -> usize {
        if self.singly { self.commands.len().min(1) } else { self.commands.len() }
    }

    /// Returns `true` when the next attempt can begin.
    pub(super) fn is_in_line(&self) -> bool {
        matches!(self.waits_for, WaitsFor::Turn)
    }
}

impl WriterState {
    /// Begins to apply edits one by one, make them durable together, publish, and answer each; in several commits when
    /// their events would be more than are kept.
    pub(super) fn begin_edits(&mut self, commands: Vec<EditCommand>, sources: &Sources) {
        let attempt = Attempt::on(self.open.notebook().base());
        let waits_for = WaitsFor::Turn;
        let group = Group { commands: commands.into(), singly: false, round: 0, attempt, waits_for };
        self.begin_attempts(Box::new(group), sources);
    }

    /// Begins with the first edits of those that are not answered yet, with as many rounds as others' commits make necessary.
    pub(super) fn begin_attempts(&mut self, mut group: Box<Group>, sources: &Sources) {
        group.round = 0;
        // What a user has seen at another server may be newer than what is known here.
        let current = self.open.notebook().base();
        let is_behind =
            group.commands.iter().take(group.together()).any(|edit| edit.request.expected.is_unseen(current));
        if self.in_doubt || is_behind {
            self.look_for_edits(group, WaitsFor::Stored, sources);
        } else {
            self.attempt(group, sources);
        }
    }

    fn look_for_edits(&mut self, mut group: Box<Group>, waits_for: WaitsFor, sources: &Sources) {
        group.waits_for = waits_for;
        self.work = Work::Edits(group);
        self.load(sources);
    }

    pub(super) fn refreshed_for_edits(
        &mut self,
        mut group: Box<Group>,
        outcome: Result<(), StoreError>,
        sources: &Sources,
    ) {
        match (std::mem::replace(&mut group.waits_for, WaitsFor::Stored), outcome) {
            (WaitsFor::Certainty(failure), outcome) => {
                self.note_doubt(outcome);
                self.fail(group, failure);
            }
            (WaitsFor::Others, outcome) => {
                self.note_doubt(outcome);
                self.answer_attempt(group);
            }
            (_, Err(error)) => self.fail(group, error),
            // The edits, not the changes, are applied again: those whose expected revision no longer fits conflict.
            (_, Ok(())) if group.round < ROUNDS => self.attempt(group, sources),
            (_, Ok(())) => {
                for _ in 0..group.together() {
                    let contended = ServiceError::Contended(self.id().clone());
                    self.answer_first(&mut group, Err(contended));
                }
                self.go_on(group);
            }
        }
    }

    pub(super) fn continue_edits(&mut self, mut group: Box<Group>, outcome: Input, sources: &Sources) {
        match (std::mem::replace(&mut group.waits_for, WaitsFor::Stored), outcome) {
            (WaitsFor::Preparation(_), Input::Sealed(sealed)) => {
                let set = |sealed| (Edit::SetConnection { connection: Some(sealed) }, None);
                self.apply_prepared(group, sealed.map(|sealed| sealed.map(set)), sources);
            }
            (WaitsFor::Preparation(edit), Input::Analysed(analysed)) => {
                self.apply_prepared(group, analysed.map(|analysis| Some((edit, Some(analysis)))), sources);
            }
            (WaitsFor::Commit { pending, is_repetition }, Input::Committed(outcome)) => {
                self.committed(group, (pending, is_repetition), outcome, sources);
            }
            (WaitsFor::LookUp, Input::LookedUp(Ok(stored))) if self.is_at(stored.as_ref()) => {
                group.attempt.is_confirmed = true;
                self.commit_attempt(group, sources);
            }
            (WaitsFor::LookUp, Input::LookedUp(Ok(_other))) => {
                group.round += 1;
                self.look_for_edits(group, WaitsFor::Stored, sources);
            }
            (WaitsFor::LookUp, Input::LookedUp(Err(error))) => self.fail(group, error),
            (WaitsFor::Records, Input::Recorded(Ok(()))) => self.answer_attempt(group),
            (WaitsFor::Records, Input::Recorded(Err(error))) => self.attempt_failed(group, error, sources),
            (waits_for, _unasked) => self.wait(group, waits_for, None),
        }
    }

    fn wait(&mut self, mut group: Box<Group>, waits_for: WaitsFor, step: Option<Step>) {
        group.waits_for = waits_for;
        self.work = Work::Edits(group);
        self.steps.extend(step);
    }

    fn attempt(&mut self, mut group: Box<Group>, sources: &Sources) {
        group.attempt = Attempt::on(self.open.notebook().base());
        self.apply_next(group, sources);
    }

    /// Applies edits until one needs a step before, or all that go together are applied.
    fn apply_next(&mut self, mut group: Box<Group>, sources: &Sources) {
        loop {
            let tried = group.attempt.answers.len();
            let may_try = tried < group.together() && !group.attempt.is_full();
            let Some(EditCommand { request, .. }) = group.commands.get(tried).filter(|_| may_try) else { break };
            let outcome = match self.check(request, &group.attempt.changes) {
                Ok(Some(edit)) => {
                    if let Some(step) = self.preparation(edit) {
                        let edit = edit.clone();
                        return self.wait(group, WaitsFor::Preparation(edit), Some(step));
                    }
                    self.apply(request, &group.attempt.changes, (edit, None), sources)
                }
                Ok(None) => Ok(None),
                Err(refused) => Err(refused),
            };
            if let Err(error) = self.note(&mut group.attempt, request, outcome, sources) {
                return self.take_back_and_fail(group, error, sources);
            }
        }
        self.commit_attempt(group, sources);
    }

    /// Applies the next edit as it is after its preparation, and those behind it.
    fn apply_prepared(
        &mut self,
        mut group: Box<Group>,
        prepared: Result<Option<PreparedEdit>, ServiceError>,
        sources: &Sources,
    ) {
        if let Some(EditCommand { request, .. }) = group.commands.get(group.attempt.answers.len()) {
            let outcome = match prepared {
                Ok(Some((edit, analysis))) => self.apply(request, &group.attempt.changes, (&edit, analysis), sources),
                Ok(None) => Ok(None),
                Err(refused) => Err(refused),
            };
            if let Err(error) = self.note(&mut group.attempt, request, outcome, sources) {
                return self.take_back_and_fail(group, error, sources);
            }
        }
        self.apply_next(group, sources);
    }

    fn commit_attempt(&mut self, mut group: Box<Group>, sources: &Sources) {
        let Attempt { base, changes, records, is_confirmed, .. } = &mut group.attempt;
        // A commit compares what is stored with its base; without one, somebody has to look.
        let must_look = self.is_shared && !*is_confirmed && !self.is_gone();
        if changes.is_empty() && must_look {
            return self.wait(group, WaitsFor::LookUp, Some(Step::LookUp));
        }
        if changes.is_empty() && records.is_empty() {
            return self.answer_attempt(group);
        }
        let (changes, records) = (changes.clone(), std::mem::take(records));
        let is_record_only = changes.is_empty();
        let after = self.open.notebook().clone();
        let pending = Arc::new(PendingCommit::new(sources.commit_id(), *base, (changes, after), records));
        if is_record_only {
            // Repeated later, an edit that found nothing to change may find something.
            self.wait(group, WaitsFor::Records, Some(Step::Record(pending)));
        } else {
            let step = Step::Commit(Arc::clone(&pending));
            self.wait(group, WaitsFor::Commit { pending, is_repetition: false }, Some(step));
        }
    }

    fn committed(
        &mut self,
        mut group: Box<Group>,
        (pending, is_repetition): (Arc<PendingCommit>, bool),
        outcome: Result<Committed, StoreError>,
        sources: &Sources,
    ) {
        let error = match outcome {
            // What is published next must hold it too.
            Ok(committed) if !self.is_next(committed) => {
                return self.look_for_edits(group, WaitsFor::Others, sources);
            }
            Ok(Committed { version, .. }) => {
                for change in &group.attempt.changes {
                    self.deletions.note(change);
                }
                let states = std::mem::take(&mut group.attempt.states);
                self.publish(group.attempt.changes.iter().cloned().zip(states).collect(), version);
                return self.answer_attempt(group);
            }
            // By the commit's id the store knows whether it has happened, so asking again does not do it twice.
            Err(StoreError::OutcomeUnknown { .. }) if !is_repetition => {
                let step = Step::Commit(Arc::clone(&pending));
                return self.wait(group, WaitsFor::Commit { pending, is_repetition: true }, Some(step));
            }
            Err(decided @ (StoreError::RevisionMismatch { .. } | StoreError::NotFound { .. })) => decided,
            // What refuses the repetition says nothing of the first time.
            Err(_) if is_repetition => StoreError::OutcomeUnknown { id: self.id().clone() },
            Err(error) => error,
        };
        self.take_back_and_fail(group, error, sources);
    }

    fn take_back_and_fail(&mut self, group: Box<Group>, error: StoreError, sources: &Sources) {
        self.take_back(&group.attempt.changes);
        self.attempt_failed(group, error, sources);
    }

    /// Decides what becomes of the edits after an attempt of which nothing was stored, or nothing is known.
    fn attempt_failed(&mut self, mut group: Box<Group>, error: StoreError, sources: &Sources) {
        match error {
            StoreError::RevisionMismatch { .. } => {
                group.round += 1;
                self.look_for_edits(group, WaitsFor::Stored, sources);
            }
            // What was recorded before was done at another server.
            StoreError::OutcomeUnknown { .. } | StoreError::NotFound { .. } | StoreError::AlreadyRecorded => {
                self.look_for_edits(group, WaitsFor::Certainty(error), sources);
            }
            error => self.fail(group, error),
        }
    }

    /// Answers the edits that were tried, and goes on with those behind them.
    fn answer_attempt(&mut self, mut group: Box<Group>) {
        for answer in std::mem::take(&mut group.attempt.answers) {
            self.answer_first(&mut group, answer);
        }
        self.go_on(group);
    }

    /// Puts those edits in line that are not answered yet. They are not begun here, so that the stack does not grow with them.
    fn go_on(&mut self, mut group: Box<Group>) {
        if !group.commands.is_empty() {
            group.waits_for = WaitsFor::Turn;
            self.work = Work::Edits(group);
        }
    }

    /// Answers the edits that have failed together, or goes on with them singly: one bad edit must not take the others with
    /// it. When it is not known what happened, doing them again could do them twice.
    fn fail(&mut self, mut group: Box<Group>, error: StoreError) {
        if group.singly {
            self.answer_first(&mut group, Err(error.into()));
        } else if group.commands.len() > 1 && !ends_all(&error) {
            group.singly = true;
        } else {
            // One of them gets the failure with all its causes, so that it is logged once and whole.
            let repeated: Vec<_> = group.commands.iter().skip(1).map(|_| repeat(&error)).collect();
            self.answer_first(&mut group, Err(error.into()));
            for error in repeated {
                self.answer_first(&mut group, Err(error.into()));
            }
        }
        self.go_on(group);
    }

    fn answer_first(&mut self, group: &mut Group, outcome: Result<Edited, ServiceError>) {
        if let Some(command) = group.commands.pop_front() {
            self.steps.push(Step::Answer(Answer::Edit(command.reply, outcome)));
        }
    }
}
