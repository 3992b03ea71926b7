//! The deletion of a notebook.

use quire_storage::{IdempotencyRecord, StoreError};

use super::ROUNDS;
use super::state::{Operation, WriterState};
use super::step::{Input, Reply, Step};
use crate::ServiceError;
use crate::command::DeleteCommand;
use crate::context::Sources;

/// A deletion in progress.
#[derive(Debug)]
pub(super) struct Deletion {
    command: DeleteCommand,
    record: Option<IdempotencyRecord>,
    /// The number of times that the store has refused it because of another commit.
    round: usize,
    /// The failure of a deletion of unknown outcome; replied after a refresh.
    failure: Option<StoreError>,
}

impl WriterState {
    pub(super) fn begin_deletion(&mut self, command: DeleteCommand, sources: &Sources) {
        match command.context.record(self.id(), &(), sources.now()) {
            Ok(record) => self.refresh_for_deletion(Deletion { command, record, round: 0, failure: None }, sources),
            Err(error) => self.reply_deletion(command, Err(error.into())),
        }
    }

    /// Refreshes the notebook before its deletion, because another server may have changed it or its owner.
    fn refresh_for_deletion(&mut self, deletion: Deletion, sources: &Sources) {
        self.operation = Operation::Deletion(Box::new(deletion));
        self.load(sources);
    }

    pub(super) fn refreshed_for_deletion(&mut self, mut deletion: Box<Deletion>, outcome: Result<(), StoreError>) {
        if let Some(failure) = deletion.failure.take() {
            self.record_refresh(outcome);
            return self.reply_deletion(deletion.command, Err(failure.into()));
        }
        if let Err(error) = outcome {
            return self.reply_deletion(deletion.command, Err(error.into()));
        }
        let notebook = self.open.notebook();
        let base = notebook.base();
        let expected = deletion.command.expected;
        if let Err(gone) = self.check_present() {
            self.reply_deletion(deletion.command, Err(gone));
        } else if let Some(expected) = expected.state().filter(|_| expected.is_other(base)) {
            let changed = self.deletions.changed_since(expected, notebook, &[]);
            let conflict = ServiceError::Conflict { expected, current: notebook.revision, changed };
            self.reply_deletion(deletion.command, Err(conflict));
        } else {
            self.steps.push(Step::Delete(base, deletion.record.clone()));
            self.operation = Operation::Deletion(deletion);
        }
    }

    pub(super) fn continue_deletion(&mut self, mut deletion: Box<Deletion>, outcome: Input, sources: &Sources) {
        let Input::Deleted(outcome) = outcome else {
            self.operation = Operation::Deletion(deletion);
            return;
        };
        match outcome {
            Ok(()) | Err(StoreError::NotFound { .. }) => {
                self.end_deleted();
                self.reply_deletion(deletion.command, outcome.map_err(ServiceError::from));
            }
            // Another server has changed the notebook since the refresh.
            Err(StoreError::RevisionMismatch { .. }) => {
                deletion.round += 1;
                if deletion.round < ROUNDS {
                    self.refresh_for_deletion(*deletion, sources);
                } else {
                    let contended = ServiceError::Contended(self.id().clone());
                    self.reply_deletion(deletion.command, Err(contended));
                }
            }
            // The deletion may have taken effect nevertheless.
            Err(error) => {
                deletion.failure = Some(error);
                self.refresh_for_deletion(*deletion, sources);
            }
        }
    }

    fn reply_deletion(&mut self, command: DeleteCommand, outcome: Result<(), ServiceError>) {
        self.steps.push(Step::Reply(Reply::Delete(command.reply, outcome)));
    }
}
