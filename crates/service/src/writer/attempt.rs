//! An attempt at edits: their application to the notebook in memory, before they are durable.

use std::sync::Arc;

use quire_domain::{Analysis, Base, CellId, Change, Edit, EditError, Notebook};
use quire_storage::{IdempotencyRecord, StoreError};

use super::state::WriterState;
use super::step::Step;
use crate::command::EditRequest;
use crate::context::Sources;
use crate::{Edited, ServiceError, event_buffer};

/// The first edits of a group, applied to the notebook in memory.
#[derive(Debug)]
pub(super) struct Attempt {
    /// The state that they are applied to.
    pub(super) base: Base,
    pub(super) changes: Vec<Arc<Change>>,
    /// The notebook right after each change.
    pub(super) states: Vec<Notebook>,
    /// The outcomes, one for each edit that was tried.
    pub(super) outcomes: Vec<Result<Edited, ServiceError>>,
    pub(super) records: Vec<IdempotencyRecord>,
    /// `true` if a look-up since has found that the base is stored.
    pub(super) is_confirmed: bool,
    /// Bytes of the events.
    weight: usize,
}

impl Attempt {
    pub(super) fn on(base: Base) -> Self {
        let (changes, states, outcomes, records) = Default::default();
        Self { base, changes, states, outcomes, records, is_confirmed: false, weight: 0 }
    }

    /// Returns `true` if no further edit may be published with these. The event buffer keeps everything that is published
    /// together, whatever its size.
    pub(super) fn is_full(&self) -> bool {
        self.weight > event_buffer::MAX_BYTES
    }
}

impl WriterState {
    /// Checks an edit against the state that its request expects; `pending` are the earlier changes of its group. Returns
    /// `None` for results of other code, which change nothing.
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

    /// Returns the step that must be executed before an edit is applied, if there is one.
    pub(super) fn preparation(&self, edit: &Edit) -> Option<Step> {
        if let Edit::SetConnection { connection: Some(connection) } = edit {
            return connection.plain().map(Step::Seal);
        }
        self.open.code_to_analyse(edit).map(|(cell_type, code)| Step::Analyse(cell_type, code))
    }

    /// Applies one edit of the group. Returns its change, or `None` if the edit changes nothing.
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
            // The cell, or its predecessor, existed at the revision that the user knows.
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

    /// Adds the outcome of an edit to its attempt, with the idempotency record.
    pub(super) fn add_outcome(
        &self,
        attempt: &mut Attempt,
        request: &EditRequest,
        outcome: Result<Option<Arc<Change>>, ServiceError>,
        sources: &Sources,
    ) -> Result<(), StoreError> {
        let outcome = outcome.map(|change| Edited { revision: self.open.notebook().revision, change });
        if let Ok(edited) = &outcome {
            if let Some(change) = &edited.change {
                attempt.weight += event_buffer::weight_of(change);
                attempt.changes.push(Arc::clone(change));
                attempt.states.push(self.open.notebook().clone());
            }
            attempt.records.extend(request.record(self.id(), edited, sources.now())?);
        }
        attempt.outcomes.push(outcome);
        Ok(())
    }

    /// Undoes the changes of a failed attempt in memory.
    pub(super) fn undo_changes(&mut self, changes: &[Arc<Change>]) {
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
