//! The deletion of a notebook, step by step.

use quire_storage::{IdempotencyRecord, StoreError};

use super::ROUNDS;
use super::state::{Work, WriterState};
use super::step::{Answer, Input, Step};
use crate::ServiceError;
use crate::command::DeleteCommand;
use crate::context::Sources;

/// A deletion under way.
#[derive(Debug)]
pub(super) struct Deletion {
    command: DeleteCommand,
    record: Option<IdempotencyRecord>,
    /// The number of times that the store has refused it because somebody else's commit came first.
    round: usize,
    /// Set when the notebook may be gone all the same: the failure that is answered when it is known what is stored.
    failure: Option<StoreError>,
}

impl WriterState {
    pub(super) fn begin_deletion(&mut self, command: DeleteCommand, sources: &Sources) {
        match command.context.record(self.id(), &(), sources.now()) {
            Ok(record) => self.look_before_deletion(Deletion { command, record, round: 0, failure: None }, sources),
            Err(error) => self.answer_deletion(command, Err(error.into())),
        }
    }

    /// Another server may have changed the notebook since, and given it another owner; what is deleted is gone.
    fn look_before_deletion(&mut self, deletion: Deletion, sources: &Sources) {
        self.work = Work::Deletion(Box::new(deletion));
        self.load(sources);
    }

    pub(super) fn refreshed_for_deletion(&mut self, mut deletion: Box<Deletion>, outcome: Result<(), StoreError>) {
        if let Some(failure) = deletion.failure.take() {
            self.note_doubt(outcome);
            return self.answer_deletion(deletion.command, Err(failure.into()));
        }
        if let Err(error) = outcome {
            return self.answer_deletion(deletion.command, Err(error.into()));
        }
        let notebook = self.open.notebook();
        let base = notebook.base();
        let expected = deletion.command.expected;
        if let Err(gone) = self.check_present() {
            self.answer_deletion(deletion.command, Err(gone));
        } else if let Some(expected) = expected.state().filter(|_| expected.is_other(base)) {
            let changed = self.deletions.changed_since(expected, notebook, &[]);
            let conflict = ServiceError::Conflict { expected, current: notebook.revision, changed };
            self.answer_deletion(deletion.command, Err(conflict));
        } else {
            self.steps.push(Step::Delete(base, deletion.record.clone()));
            self.work = Work::Deletion(deletion);
        }
    }

    pub(super) fn continue_deletion(&mut self, mut deletion: Box<Deletion>, outcome: Input, sources: &Sources) {
        let Input::Deleted(outcome) = outcome else {
            self.work = Work::Deletion(deletion);
            return;
        };
        match outcome {
            Ok(()) | Err(StoreError::NotFound { .. }) => {
                self.vanish();
                self.answer_deletion(deletion.command, outcome.map_err(ServiceError::from));
            }
            // Changed by somebody else just now.
            Err(StoreError::RevisionMismatch { .. }) => {
                deletion.round += 1;
                if deletion.round < ROUNDS {
                    self.look_before_deletion(*deletion, sources);
                } else {
                    let contended = ServiceError::Contended(self.id().clone());
                    self.answer_deletion(deletion.command, Err(contended));
                }
            }
            // It may be gone all the same.
            Err(error) => {
                deletion.failure = Some(error);
                self.look_before_deletion(*deletion, sources);
            }
        }
    }

    fn answer_deletion(&mut self, command: DeleteCommand, outcome: Result<(), ServiceError>) {
        self.steps.push(Step::Answer(Answer::Delete(command.reply, outcome)));
    }
}
