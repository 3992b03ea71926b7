//! Edits: those that are queued while a commit is in flight share the next commit.
//!
//! One file, because every step decides on the same fields of a group.

use std::collections::VecDeque;
use std::sync::Arc;

use quire_domain::{Analysis, Edit};
use quire_storage::{Committed, StoreError};

use super::ROUNDS;
use super::attempt::Attempt;
use super::state::{Operation, WriterState};
use super::step::{Input, PendingCommit, Reply, Step};
use crate::command::EditCommand;
use crate::context::Sources;
use crate::error::{ends_all, repeat};
use crate::{Edited, ServiceError};

/// Edits that were queued together.
#[derive(Debug)]
pub(super) struct Group {
    /// The edits without a reply so far, in order.
    commands: VecDeque<EditCommand>,
    /// `true` after the store has refused the group: each edit then gets a commit of its own, so that only a bad one fails.
    singly: bool,
    /// The number of attempts that another server's commit has made stale.
    round: usize,
    attempt: Attempt,
    waits_for: WaitsFor,
}

/// An edit that can be applied, with the analysis of its code.
type PreparedEdit = (Edit, Option<Arc<Analysis>>);

/// The input that a group waits for.
#[derive(Debug)]
enum WaitsFor {
    /// None: the next attempt can begin.
    NextAttempt,
    /// The refresh before the next attempt.
    Refresh,
    /// The sealed connection string or the analysis of the next edit.
    Preparation(Edit),
    /// The stored version, which must be the known one before edits without changes get their replies.
    LookUp,
    /// The refresh after a commit, because another server has added results. The edits are durable.
    RefreshAfterCommit,
    /// The outcome of a commit, which is repeated once if the outcome is unknown.
    Commit { pending: Arc<PendingCommit>, is_repetition: bool },
    /// The outcome of storing the idempotency records of edits that changed nothing.
    Records,
    /// The refresh before this failure is replied.
    RefreshAfterFailure(StoreError),
}

impl Group {
    /// Returns the number of edits of the next commit.
    fn together(&self) -> usize {
        if self.singly { self.commands.len().min(1) } else { self.commands.len() }
    }

    /// Returns `true` if the next attempt can begin.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.waits_for, WaitsFor::NextAttempt)
    }
}

impl WriterState {
    /// Begins edits: applies them in order, commits them together, publishes, and replies to each. Makes several commits if
    /// the event buffer could not keep the events of one.
    pub(super) fn begin_edits(&mut self, commands: Vec<EditCommand>, sources: &Sources) {
        let attempt = Attempt::on(self.open.notebook().base());
        let waits_for = WaitsFor::NextAttempt;
        let group = Group { commands: commands.into(), singly: false, round: 0, attempt, waits_for };
        self.begin_attempts(Box::new(group), sources);
    }

    /// Begins the attempts at the first edits without a reply. Commits of other servers make further attempts necessary.
    pub(super) fn begin_attempts(&mut self, mut group: Box<Group>, sources: &Sources) {
        group.round = 0;
        // A user may have seen a newer state at another server.
        let current = self.open.notebook().base();
        let is_behind =
            group.commands.iter().take(group.together()).any(|edit| edit.request.expected.is_unseen(current));
        if self.in_doubt || is_behind {
            self.refresh_for_edits(group, WaitsFor::Refresh, sources);
        } else {
            self.attempt(group, sources);
        }
    }

    fn refresh_for_edits(&mut self, mut group: Box<Group>, waits_for: WaitsFor, sources: &Sources) {
        group.waits_for = waits_for;
        self.operation = Operation::Edits(group);
        self.load(sources);
    }

    pub(super) fn refreshed_for_edits(
        &mut self,
        mut group: Box<Group>,
        outcome: Result<(), StoreError>,
        sources: &Sources,
    ) {
        match (std::mem::replace(&mut group.waits_for, WaitsFor::Refresh), outcome) {
            (WaitsFor::RefreshAfterFailure(failure), outcome) => {
                self.record_refresh(outcome);
                self.fail(group, failure);
            }
            (WaitsFor::RefreshAfterCommit, outcome) => {
                self.record_refresh(outcome);
                self.reply_attempt(group);
            }
            (_, Err(error)) => self.fail(group, error),
            // The edits are applied again, not their changes: an edit whose expected revision is stale conflicts.
            (_, Ok(())) if group.round < ROUNDS => self.attempt(group, sources),
            (_, Ok(())) => {
                for _ in 0..group.together() {
                    let contended = ServiceError::Contended(self.id().clone());
                    self.reply_first(&mut group, Err(contended));
                }
                self.continue_with_rest(group);
            }
        }
    }

    pub(super) fn continue_edits(&mut self, mut group: Box<Group>, outcome: Input, sources: &Sources) {
        match (std::mem::replace(&mut group.waits_for, WaitsFor::Refresh), outcome) {
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
                self.refresh_for_edits(group, WaitsFor::Refresh, sources);
            }
            (WaitsFor::LookUp, Input::LookedUp(Err(error))) => self.fail(group, error),
            (WaitsFor::Records, Input::Recorded(Ok(()))) => self.reply_attempt(group),
            (WaitsFor::Records, Input::Recorded(Err(error))) => self.attempt_failed(group, error, sources),
            (waits_for, _unasked) => self.wait(group, waits_for, None),
        }
    }

    fn wait(&mut self, mut group: Box<Group>, waits_for: WaitsFor, step: Option<Step>) {
        group.waits_for = waits_for;
        self.operation = Operation::Edits(group);
        self.steps.extend(step);
    }

    fn attempt(&mut self, mut group: Box<Group>, sources: &Sources) {
        group.attempt = Attempt::on(self.open.notebook().base());
        self.apply_next(group, sources);
    }

    /// Applies edits until one needs a preparation, or all edits of the next commit are applied.
    fn apply_next(&mut self, mut group: Box<Group>, sources: &Sources) {
        loop {
            let tried = group.attempt.outcomes.len();
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
            if let Err(error) = self.add_outcome(&mut group.attempt, request, outcome, sources) {
                return self.undo_and_fail(group, error, sources);
            }
        }
        self.commit_attempt(group, sources);
    }

    /// Applies the next edit after its preparation, and the edits behind it.
    fn apply_prepared(
        &mut self,
        mut group: Box<Group>,
        prepared: Result<Option<PreparedEdit>, ServiceError>,
        sources: &Sources,
    ) {
        if let Some(EditCommand { request, .. }) = group.commands.get(group.attempt.outcomes.len()) {
            let outcome = match prepared {
                Ok(Some((edit, analysis))) => self.apply(request, &group.attempt.changes, (&edit, analysis), sources),
                Ok(None) => Ok(None),
                Err(refused) => Err(refused),
            };
            if let Err(error) = self.add_outcome(&mut group.attempt, request, outcome, sources) {
                return self.undo_and_fail(group, error, sources);
            }
        }
        self.apply_next(group, sources);
    }

    fn commit_attempt(&mut self, mut group: Box<Group>, sources: &Sources) {
        let Attempt { base, changes, records, is_confirmed, .. } = &mut group.attempt;
        // A commit is a compare-and-set on its base. Without a commit, a look-up has to compare.
        let needs_look_up = self.is_shared && !*is_confirmed && !self.has_ended();
        if changes.is_empty() && needs_look_up {
            return self.wait(group, WaitsFor::LookUp, Some(Step::LookUp));
        }
        if changes.is_empty() && records.is_empty() {
            return self.reply_attempt(group);
        }
        let (changes, records) = (changes.clone(), std::mem::take(records));
        let is_record_only = changes.is_empty();
        let after = self.open.notebook().clone();
        let pending = Arc::new(PendingCommit::new(sources.commit_id(), *base, (changes, after), records));
        if is_record_only {
            // A later repetition of an edit that changed nothing could change something.
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
            // Another server's results were stored before this commit, and must be published with it.
            Ok(committed) if !self.is_next(committed) => {
                // The refresh finds the changes in the store; until then memory is as published.
                self.undo_changes(&group.attempt.changes);
                return self.refresh_for_edits(group, WaitsFor::RefreshAfterCommit, sources);
            }
            Ok(Committed { version, .. }) => {
                for change in &group.attempt.changes {
                    self.deletions.record(change);
                }
                let states = std::mem::take(&mut group.attempt.states);
                self.publish(group.attempt.changes.iter().cloned().zip(states).collect(), version);
                return self.reply_attempt(group);
            }
            // The repetition is idempotent: the store recognises the commit by its id.
            Err(StoreError::OutcomeUnknown { .. }) if !is_repetition => {
                let step = Step::Commit(Arc::clone(&pending));
                return self.wait(group, WaitsFor::Commit { pending, is_repetition: true }, Some(step));
            }
            Err(decided @ (StoreError::RevisionMismatch { .. } | StoreError::NotFound { .. })) => decided,
            // The refusal of a repetition says nothing about the first attempt.
            Err(_) if is_repetition => StoreError::OutcomeUnknown { id: self.id().clone() },
            Err(error) => error,
        };
        self.undo_and_fail(group, error, sources);
    }

    fn undo_and_fail(&mut self, group: Box<Group>, error: StoreError, sources: &Sources) {
        self.undo_changes(&group.attempt.changes);
        self.attempt_failed(group, error, sources);
    }

    /// Handles a failed attempt, or one of unknown outcome: retries, refreshes, or fails the edits.
    fn attempt_failed(&mut self, mut group: Box<Group>, error: StoreError, sources: &Sources) {
        match error {
            StoreError::RevisionMismatch { .. } => {
                group.round += 1;
                self.refresh_for_edits(group, WaitsFor::Refresh, sources);
            }
            // `AlreadyRecorded`: another server has executed the same request.
            StoreError::OutcomeUnknown { .. } | StoreError::NotFound { .. } | StoreError::AlreadyRecorded => {
                self.refresh_for_edits(group, WaitsFor::RefreshAfterFailure(error), sources);
            }
            error => self.fail(group, error),
        }
    }

    /// Replies to the edits of the attempt, and continues with the rest of the group.
    fn reply_attempt(&mut self, mut group: Box<Group>) {
        for outcome in std::mem::take(&mut group.attempt.outcomes) {
            self.reply_first(&mut group, outcome);
        }
        self.continue_with_rest(group);
    }

    /// Marks the rest of the group as ready. The next attempt is not begun here, so that the stack does not grow.
    fn continue_with_rest(&mut self, mut group: Box<Group>) {
        if !group.commands.is_empty() {
            group.waits_for = WaitsFor::NextAttempt;
            self.operation = Operation::Edits(group);
        }
    }

    /// Fails the edits of the attempt, or retries them singly, so that one bad edit does not fail the others. Edits of unknown
    /// outcome are not retried, because they could take effect twice.
    fn fail(&mut self, mut group: Box<Group>, error: StoreError) {
        if group.singly {
            self.reply_first(&mut group, Err(error.into()));
        } else if group.commands.len() > 1 && !ends_all(&error) {
            group.singly = true;
        } else {
            // One reply gets the failure with all its causes, so that it is logged once and completely.
            let repeated: Vec<_> = group.commands.iter().skip(1).map(|_| repeat(&error)).collect();
            self.reply_first(&mut group, Err(error.into()));
            for error in repeated {
                self.reply_first(&mut group, Err(error.into()));
            }
        }
        self.continue_with_rest(group);
    }

    fn reply_first(&mut self, group: &mut Group, outcome: Result<Edited, ServiceError>) {
        if let Some(command) = group.commands.pop_front() {
            self.steps.push(Step::Reply(Reply::Edit(command.reply, outcome)));
        }
    }
}
