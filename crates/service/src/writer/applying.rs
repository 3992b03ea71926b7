//! Applying edits to the notebook in memory, before they are durable.

use std::sync::Arc;

use quire_domain::{Analysis, Base, CellId, Change, Edit, EditError, Notebook};
use quire_storage::{IdempotencyRecord, StoreError};

use super::state::WriterState;
use super::step::Step;
use crate::command::EditRequest;
use crate::context::Sources;
use crate::{Edited, ServiceError, event_buffer};

/// The first edits of a group as they are applied to the notebook in memory.
#[derive(Debug)]
pub(super) struct Attempt {
    /// The state that they are applied to.
    pub(super) base: Base,
    pub(super) changes: Vec<Arc<Change>>,
    /// The notebook right after each change.
    pub(super) states: Vec<Notebook>,
    /// The answers, one for each edit that was tried.
    pub(super) answers: Vec<Result<Edited, ServiceError>>,
    pub(super) records: Vec<IdempotencyRecord>,
    /// Set when what is stored was looked up since, and is the base.
    pub(super) is_confirmed: bool,
    /// Bytes of the events.
    weight: usize,
}

impl Attempt {
    pub(super) fn on(base: Base) -> Self {
        let (changes, states, answers, records) = Default::default();
        Self { base, changes, states, answers, records, is_confirmed: false, weight: 0 }
    }

    /// Returns `true` when no further edit may be published with these: all that is published together is kept for watchers,
    /// whatever it holds.
    pub(super) fn is_full(&self) -> bool {
        self.weight > event_buffer::MAX_BYTES
    }
}

impl WriterState {
    /// Decides whether an edit may be applied now, where `pending` are the changes of its group before it. Returns nothing
    /// when the edit changes nothing because it is of other code.
    pub(super) fn check<'a>(
        &self,
        request: &'a EditRequest,
        pending: &[Arc<Change>],
    ) -> Result<Option<&'a Edit>, ServiceError> {
        self.check_present()?;
        let EditRequest { expected, edit, code_digest, .. } = request;
        let revision_of = |id: &CellId| self.open.cell(id).map(|cell| cell.revision);
        if !expected.allows(edit, self.open.notebook().base(), revision_of) {
            return Err(self.conflict(request, pending));
        }
        let is_of_other_code = match (code_digest, edit) {
            (Some(digest), Edit::SetResults { id, .. }) => {
                self.open.cell(id).is_none_or(|cell| cell.code_digest() != **digest)
            }
            _ => false,
        };
        Ok((!is_of_other_code).then_some(edit))
    }

    /// The step that must be taken before an edit is applied, if there is one.
    pub(super) fn preparation(&self, edit: &Edit) -> Option<Step> {
        if let Edit::SetConnection { connection: Some(connection) } = edit {
            return connection.plain().map(Step::Seal);
        }
        self.open.code_to_analyse(edit).map(|(cell_type, code)| Step::Analyse(cell_type, code))
    }

    /// Applies one edit of the group; returns what is different, or nothing when the notebook already is as it wants it.
    pub(super) fn apply(
        &mut self,
        request: &EditRequest,
        pending: &[Arc<Change>],
        (edit, analysis): (&Edit, Option<Arc<Analysis>>),
        sources: &Sources,
    ) -> Result<Option<Arc<Change>>, ServiceError> {
        let is_late = request.expected.is_other(self.open.notebook().base());
        let before = self.open.memory_bytes();
        match self.open.apply(edit, analysis, sources.now()) {
            // The cell, or the one that it was to stand behind, was there at the revision that the user knows.
            Err(EditError::CellNotFound(_)) if is_late => Err(self.conflict(request, pending)),
            Ok(Some(change)) => {
                let after = self.open.memory_bytes();
                if after > before
                    && let Err(too_large) = self.check_size(after)
                {
                    self.open.undo(&change);
                    return Err(too_large);
                }
                Ok(Some(Arc::new(change)))
            }
            applied => Ok(applied?.map(Arc::new)),
        }
    }

    /// Adds the outcome of an edit to its attempt, with the record of it.
    pub(super) fn note(
        &self,
        attempt: &mut Attempt,
        request: &EditRequest,
        outcome: Result<Option<Arc<Change>>, ServiceError>,
        sources: &Sources,
    ) -> Result<(), StoreError> {
        let answer = outcome.map(|change| Edited { revision: self.open.notebook().revision, change });
        if let Ok(edited) = &answer {
            if let Some(change) = &edited.change {
                attempt.weight += event_buffer::weight_of(change);
                attempt.changes.push(Arc::clone(change));
                attempt.states.push(self.open.notebook().clone());
            }
            attempt.records.extend(request.record(self.id(), edited, sources.now())?);
        }
        attempt.answers.push(answer);
        Ok(())
    }

    /// Makes the notebook in memory what it was before the changes of an attempt, which are not durable.
    pub(super) fn take_back(&mut self, changes: &[Arc<Change>]) {
        for change in changes.iter().rev() {
            self.open.undo(change);
        }
    }

    fn conflict(&self, request: &EditRequest, pending: &[Arc<Change>]) -> ServiceError {
        let notebook = self.open.notebook();
        let expected = request.expected.state().unwrap_or_else(|| notebook.base().into());
        let changed = self.deletions.changed_since(expected, notebook, pending);
        ServiceError::Conflict { expected, current: notebook.revision, changed }
    }
}
