//! Making edits durable: those that came while a commit was under way go together in the next one.

use std::sync::Arc;

use quire_domain::{Base, CellId, Change, Edit, EditError};
use quire_storage::{Commit, CommitId, Committed, IdempotencyRecord, StoreError};
use uuid::Uuid;

use crate::command::{EditCommand, EditRequest};
use crate::error::repeat;
use crate::writer::{ROUNDS, Writer};
use crate::{Edited, ServiceError, event_buffer};

/// How one attempt to commit a group ended.
enum Attempt {
    /// Durable and published; the answers, one for each edit that was tried.
    Done(Vec<Result<Edited, ServiceError>>),
    /// Nothing was stored, and memory is as it was.
    Failed(StoreError),
}

impl Writer {
    /// Applies the edits one by one, makes them durable together, publishes, and answers each; in several steps when their
    /// events would be more than are kept.
    pub(crate) async fn commit_group(&mut self, mut group: Vec<EditCommand>) {
        while !group.is_empty() {
            let done = self.commit_some(&mut group).await;
            if !done {
                return;
            }
        }
    }

    /// Commits the first edits of the group and takes them out of it. Returns false when all have been answered.
    async fn commit_some(&mut self, group: &mut Vec<EditCommand>) -> bool {
        match self.commit_together(group).await {
            Ok(answers) => {
                for (command, answer) in group.drain(..answers.len()).zip(answers) {
                    let _ = command.reply.send(answer); // a client that went away does not take its edit back
                }
                true
            }
            // One bad edit must not take the others with it. When it is not known what happened, doing them again could
            // do them twice.
            Err(error) if group.len() > 1 && !ends_all(&error) => {
                for command in group.drain(..) {
                    let alone = [command];
                    let answer = match self.commit_together(&alone).await {
                        Ok(mut answers) => answers.pop().unwrap_or_else(|| Err(repeat(&error))),
                        Err(error) => Err(ServiceError::from(error)),
                    };
                    let [command] = alone;
                    let _ = command.reply.send(answer);
                }
                false
            }
            Err(error) => {
                let mut group = group.drain(..);
                let first = group.next();
                for command in group {
                    let _ = command.reply.send(Err(repeat(&error)));
                }
                // One of them gets the failure with all its causes, so that it is logged once and whole.
                if let Some(first) = first {
                    let _ = first.reply.send(Err(ServiceError::from(error)));
                }
                false
            }
        }
    }

    /// Commits the first edits of a group, with as many rounds as others' commits make necessary. The answers are theirs.
    async fn commit_together(
        &mut self,
        group: &[EditCommand],
    ) -> Result<Vec<Result<Edited, ServiceError>>, StoreError> {
        // What a user has seen at another server may be newer than what is known here.
        let current = self.open.notebook().base();
        let is_behind = group.iter().any(|command| command.expected.is_unseen(current));
        if self.in_doubt || is_behind {
            self.refresh().await?;
        }
        for _ in 0..ROUNDS {
            match self.attempt(group).await {
                Attempt::Done(answers) => return Ok(answers),
                // The edits, not the changes, are applied again: those whose expected revision no longer fits conflict.
                Attempt::Failed(StoreError::RevisionMismatch { .. }) => self.refresh().await?,
                Attempt::Failed(error) => {
                    // What was answered before was done at another server.
                    if matches!(
                        error,
                        StoreError::OutcomeUnknown { .. } | StoreError::NotFound { .. } | StoreError::AlreadyRecorded
                    ) {
                        self.doubt().await;
                    }
                    return Err(error);
                }
            }
        }
        let contended = || Err(ServiceError::Contended(self.id().clone()));
        Ok(group.iter().map(|_| contended()).collect())
    }

    async fn attempt(&mut self, group: &[EditCommand]) -> Attempt {
        let base = self.open.notebook().base();
        let (mut changes, mut states) = (Vec::new(), Vec::new());
        let mut answers = Vec::with_capacity(group.len());
        let mut kept = Vec::new();
        let mut weight = 0;
        for command in group {
            // All that is published together is kept for watchers, whatever it holds.
            if weight > event_buffer::MAX_BYTES {
                break;
            }
            let applied = self.apply(command, &changes).await;
            answers.push(applied.map(|change| {
                if let Some(change) = &change {
                    weight += event_buffer::weight_of(change);
                    changes.push(Arc::clone(change));
                    states.push(self.open.notebook().clone());
                }
                Edited { revision: self.open.notebook().revision, change }
            }));
            if let (Some(keep), Some(Ok(edited))) = (&command.keep, answers.last()) {
                match keep.answer(self.id(), edited, self.shared.clock.now()) {
                    Ok(answer) => kept.push(answer),
                    Err(error) => {
                        self.take_back(&changes);
                        return Attempt::Failed(error);
                    }
                }
            }
        }
        if changes.is_empty() {
            return self.keep_answers(answers, &kept).await;
        }
        match self.store(base, &changes, &kept).await {
            Ok(Committed { version }) => {
                for change in &changes {
                    self.deletions.note(change);
                }
                self.publish(changes.into_iter().zip(states).collect(), version);
                Attempt::Done(answers)
            }
            Err(error) => {
                self.take_back(&changes);
                Attempt::Failed(error)
            }
        }
    }

    /// Keeps the answers to edits that found nothing to change: repeated later, they may find something.
    async fn keep_answers(&self, answers: Vec<Result<Edited, ServiceError>>, kept: &[IdempotencyRecord]) -> Attempt {
        if kept.is_empty() {
            return Attempt::Done(answers);
        }
        match self.shared.store.for_writer(&self.open.notebook().owner).await.put_records(kept).await {
            Ok(()) => Attempt::Done(answers),
            Err(error) => Attempt::Failed(error),
        }
    }

    fn take_back(&mut self, changes: &[Arc<Change>]) {
        for change in changes.iter().rev() {
            self.open.undo(change);
        }
    }

    /// Applies one edit to the notebook in memory, where `pending` are the changes of its group before it.
    async fn apply(
        &mut self,
        command: &EditCommand,
        pending: &[Arc<Change>],
    ) -> Result<Option<Arc<Change>>, ServiceError> {
        self.check_access(&command.user)?;
        let current = self.open.notebook().base();
        let is_late = command.expected.is_other(current);
        let revision_of = |id: &CellId| self.open.cell(id).map(|cell| cell.revision);
        let is_allowed = match &command.request {
            EditRequest::Edit(edit) => command.expected.allows(edit, current, revision_of),
            EditRequest::Connect(_) => !is_late,
        };
        if !is_allowed {
            return Err(self.conflict(command, pending));
        }
        let connect;
        let edit = match &command.request {
            EditRequest::Edit(edit) => edit,
            EditRequest::Connect(entered) => match self.shared.sealing.enter(self.open.notebook(), entered)? {
                Some(connection) => {
                    connect = Edit::SetConnection { connection: Some(connection) };
                    &connect
                }
                None => return Ok(None),
            },
        };
        let analysis = match self.open.code_to_analyse(edit) {
            Some((cell_type, code)) => Some(self.shared.analyser.analyse(&command.user, cell_type, code).await?),
            None => None,
        };
        let before = self.open.memory_bytes();
        match self.open.apply(edit, analysis, self.shared.clock.now()) {
            // The cell, or the one that it was to stand behind, was there at the revision that the user knows.
            Err(EditError::CellNotFound(_)) if is_late => Err(self.conflict(command, pending)),
            Ok(Some(change)) => {
                let after = self.open.memory_bytes();
                if after > before
                    && let Err(too_large) = self.shared.memory.check_one(self.id(), after)
                {
                    self.open.undo(&change);
                    return Err(too_large);
                }
                Ok(Some(Arc::new(change)))
            }
            applied => Ok(applied?.map(Arc::new)),
        }
    }

    fn conflict(&self, command: &EditCommand, pending: &[Arc<Change>]) -> ServiceError {
        let notebook = self.open.notebook();
        let expected = command.expected.state().unwrap_or_else(|| notebook.base().into());
        let changed = self.deletions.changed_since(expected, notebook, pending);
        ServiceError::Conflict { expected, current: notebook.revision, changed }
    }

    async fn store(
        &self,
        base: Base,
        changes: &[Arc<Change>],
        records: &[IdempotencyRecord],
    ) -> Result<Committed, StoreError> {
        let commit = Commit { id: CommitId(Uuid::new_v4()), base, changes, after: self.open.notebook(), records };
        let store = self.shared.store.for_writer(&commit.after.owner).await;
        match store.commit(commit).await {
            // By the commit's id the store knows whether it has happened, so asking again does not do it twice.
            Err(StoreError::OutcomeUnknown { .. }) => match store.commit(commit).await {
                decided @ (Ok(_) | Err(StoreError::RevisionMismatch { .. } | StoreError::NotFound { .. })) => decided,
                // What refuses the repetition says nothing of the first time.
                Err(_) => Err(StoreError::OutcomeUnknown { id: self.id().clone() }),
            },
            outcome => outcome,
        }
    }
}

/// Whether a failure says the same of every edit, so that trying them singly is of no use or would do harm.
fn ends_all(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::OutcomeUnknown { .. }
            | StoreError::NotFound { .. }
            | StoreError::Damaged { .. }
            | StoreError::Unavailable { .. }
            | StoreError::Overloaded { .. }
    )
}
