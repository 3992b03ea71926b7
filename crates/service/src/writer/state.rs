//! The state machine of a writer task, without I/O: each input yields the steps to execute next.

use std::sync::Arc;

use quire_domain::{Change, NotebookId, OpenNotebook};
use quire_storage::{Committed, Loaded, StoreError, StoredVersion, Version};

use super::deletion::Deletion;
use super::edits::Group;
use super::step::{Input, Publication, Snapshot, Step};
use crate::ServiceError;
use crate::conflict::Deletions;
use crate::context::Sources;

/// The state of a writer task: its notebook and the current operation. Edits are in [`super::edits`], deletions of the
/// notebook in [`super::deletion`]. The refresh from the store, which both need, is here.
#[derive(Debug)]
pub(super) struct WriterState {
    /// The notebook with the changes whose commit is in flight.
    pub(super) open: OpenNotebook,
    pub(super) deletions: Deletions,
    /// The version of the last published state.
    version: Version,
    /// `true` while the stored state is unknown: it must be loaded before another change is stored.
    pub(super) in_doubt: bool,
    /// Present once the writer task no longer has the notebook.
    end_reason: Option<EndReason>,
    /// Maximum bytes of memory that the notebook may take.
    max_bytes: usize,
    /// `true` if other servers may change the stored notebook.
    pub(super) is_shared: bool,
    pub(super) operation: Operation,
    /// The version of the loaded notebook that is being reopened.
    reopening: Option<Version>,
    /// The stored notebook, of an earlier state than the published one, while a copy of the published one is being stored.
    earlier: Option<Loaded>,
    /// The copy of what the database has lost, until watchers are told.
    recovered: Option<NotebookId>,
    /// The decided steps, in the order of their execution.
    pub(super) steps: Vec<Step>,
}

/// The current operation of a writer task.
#[derive(Debug, Default)]
pub(super) enum Operation {
    /// None: the task waits for a request.
    #[default]
    Idle,
    Edits(Box<Group>),
    Deletion(Box<Deletion>),
    /// A refresh from the store, without a request.
    Refresh,
}

/// The reason for which a writer task has ended its notebook.
#[derive(Clone, Copy, Debug)]
enum EndReason {
    /// The notebook was deleted, or the id belongs to another notebook now.
    Deleted,
    /// Other servers have made the notebook larger than the memory of one notebook.
    TooLarge { bytes: usize, max: usize },
}

impl WriterState {
    /// Creates the state of an opened notebook with a maximum of bytes of memory; `is_shared` is `true` if other servers use
    /// the store.
    pub(super) fn new(open: OpenNotebook, version: Version, (max_bytes, is_shared): (usize, bool)) -> Self {
        Self {
            deletions: Deletions::from(open.notebook().revision),
            open,
            version,
            in_doubt: false,
            end_reason: None,
            max_bytes,
            is_shared,
            operation: Operation::Idle,
            reopening: None,
            earlier: None,
            recovered: None,
            steps: Vec::new(),
        }
    }

    /// Processes an input and returns the steps to execute, in order. Only the last step may have an outcome. If it has none,
    /// the next input is a request.
    pub(super) fn advance(&mut self, input: Input, sources: &Sources) -> Vec<Step> {
        match input {
            Input::Edits(commands) => self.begin_edits(commands, sources),
            Input::Delete(command) => self.begin_deletion(command, sources),
            Input::Refresh => {
                self.operation = Operation::Refresh;
                self.load(sources);
            }
            Input::Loaded(outcome) => self.loaded(outcome, sources),
            Input::Reopened(outcome) => self.reopened(outcome, sources),
            Input::SetAside(outcome) => self.set_aside(outcome, sources),
            outcome => match std::mem::take(&mut self.operation) {
                Operation::Edits(group) => self.continue_edits(group, outcome, sources),
                Operation::Deletion(deletion) => self.continue_deletion(deletion, outcome, sources),
                idle => self.operation = idle,
            },
        }
        while let Some(group) = self.take_ready_group() {
            self.begin_attempts(group, sources);
        }
        std::mem::take(&mut self.steps)
    }

    fn take_ready_group(&mut self) -> Option<Box<Group>> {
        match std::mem::take(&mut self.operation) {
            Operation::Edits(group) if group.is_ready() => Some(group),
            other => {
                self.operation = other;
                None
            }
        }
    }

    pub(super) fn id(&self) -> &NotebookId {
        &self.open.notebook().id
    }

    /// Returns `true` if the writer task no longer has the notebook.
    pub(super) fn has_ended(&self) -> bool {
        self.end_reason.is_some()
    }

    /// Returns an error once the writer task no longer has the notebook.
    pub(super) fn check_present(&self) -> Result<(), ServiceError> {
        match self.end_reason {
            Some(EndReason::Deleted) => Err(ServiceError::UnknownNotebook(self.id().to_string())),
            Some(EndReason::TooLarge { bytes, max }) => {
                Err(ServiceError::NotebookTooLarge { id: self.id().clone(), bytes, max })
            }
            None => Ok(()),
        }
    }

    /// Checks that the notebook may take so many bytes of memory.
    pub(super) fn check_size(&self, bytes: usize) -> Result<(), ServiceError> {
        let max = self.max_bytes;
        if bytes > max {
            return Err(ServiceError::NotebookTooLarge { id: self.id().clone(), bytes, max });
        }
        Ok(())
    }

    /// Begins a refresh from the store; [`Self::refreshed`] continues the operation.
    pub(super) fn load(&mut self, sources: &Sources) {
        if self.has_ended() {
            self.refreshed(Ok(()), sources);
        } else {
            self.steps.push(Step::Load);
        }
    }

    /// Returns `true` if the notebook is known at this version or a later one.
    pub(super) fn has(&self, stored: &StoredVersion) -> bool {
        stored.life == self.open.notebook().life && stored.version <= self.version
    }

    /// Returns `true` if the notebook is known at exactly the version that is stored.
    pub(super) fn is_at(&self, stored: Option<&StoredVersion>) -> bool {
        let revision = self.open.notebook().revision;
        stored.is_some_and(|stored| stored.version == self.version && stored.revision == revision && self.has(stored))
    }

    /// Returns `true` if a commit changed exactly the known version.
    pub(super) fn is_next(&self, committed: Committed) -> bool {
        committed.previous == Some(self.version)
    }

    fn loaded(&mut self, outcome: Result<Option<Loaded>, StoreError>, sources: &Sources) {
        let loaded = match outcome {
            Ok(loaded) => loaded,
            Err(error) => return self.refreshed(Err(error), sources),
        };
        let known = self.open.notebook();
        match loaded {
            None => self.end_deleted(),
            // The id belongs to another user or another notebook now. The next request starts a new writer task.
            Some(Loaded { notebook, .. }) if notebook.owner != known.owner || notebook.life != known.life => {
                self.in_doubt = false;
                self.end_deleted();
            }
            Some(loaded) if self.is_shared && self.is_lost(&loaded) => {
                self.earlier = Some(loaded);
                self.steps.push(Step::SetAside);
                return;
            }
            Some(Loaded { notebook, version }) => {
                if version != self.version || notebook.revision != known.revision {
                    match self.check_size(notebook.memory_bytes()) {
                        Ok(()) => {
                            self.reopening = Some(version);
                            self.steps.push(Step::Reopen(notebook));
                            return;
                        }
                        Err(too_large) => self.end_with_error(too_large),
                    }
                }
                self.in_doubt = false;
            }
        }
        self.refreshed(Ok(()), sources);
    }

    /// Returns `true` if the database no longer has the known content. Within a life, neither version nor revision decreases.
    fn is_lost(&self, stored: &Loaded) -> bool {
        let (known, notebook) = (self.open.notebook(), &stored.notebook);
        let decreases = stored.version < self.version || notebook.revision < known.revision;
        decreases && (known.connection != notebook.connection || known.content_digest() != notebook.content_digest())
    }

    /// Takes over the earlier state of a database that has lost history, after a copy of the lost state was stored.
    fn set_aside(&mut self, outcome: Result<NotebookId, StoreError>, sources: &Sources) {
        match (outcome, self.earlier.take()) {
            (Ok(copy), Some(Loaded { notebook, version })) => {
                self.recovered = Some(copy);
                self.reopening = Some(version);
                self.steps.push(Step::Reopen(notebook));
            }
            (Err(error), _) => self.refreshed(Err(error), sources),
            (Ok(_), None) => self.refreshed(Ok(()), sources), // nothing was set aside
        }
    }

    fn reopened(&mut self, outcome: Result<Box<(OpenNotebook, Option<Change>)>, ServiceError>, sources: &Sources) {
        let refreshed = match (outcome, self.reopening.take()) {
            (Ok(reopened), Some(version)) => {
                let change;
                (self.open, change) = *reopened;
                let change = change.map(Arc::new);
                if let Some(change) = &change {
                    self.deletions.record(change);
                }
                let step = change.map(|change| (change, self.open.notebook().clone()));
                self.in_doubt = false;
                self.steps.extend(self.recovered.take().map(Step::TellRecovered));
                self.publish(step.into_iter().collect(), version);
                Ok(())
            }
            (Err(ServiceError::Store(error)), _) => Err(error),
            (Err(too_large), _) => {
                self.end_with_error(too_large);
                Ok(())
            }
            (Ok(_), None) => Ok(()), // nothing was being opened
        };
        self.refreshed(refreshed, sources);
    }

    /// Continues the current operation with the outcome of a refresh.
    fn refreshed(&mut self, outcome: Result<(), StoreError>, sources: &Sources) {
        match std::mem::take(&mut self.operation) {
            Operation::Edits(group) => self.refreshed_for_edits(group, outcome, sources),
            Operation::Deletion(deletion) => self.refreshed_for_deletion(deletion, outcome),
            Operation::Refresh | Operation::Idle => self.record_refresh(outcome),
        }
    }

    /// Records the outcome of a refresh. After a failure the stored state is in doubt: the refresh is retried, and no change
    /// is stored until it succeeds.
    pub(super) fn record_refresh(&mut self, refreshed: Result<(), StoreError>) {
        if let Err(error) = refreshed {
            let is_first = !std::mem::replace(&mut self.in_doubt, true);
            self.steps.push(Step::ReportInDoubt { error, is_first });
        }
    }

    /// Publishes durable changes, each with the notebook right after it.
    pub(super) fn publish(&mut self, changes: Vec<(Arc<Change>, quire_domain::Notebook)>, version: Version) {
        self.version = version;
        let snapshot = Snapshot::from(&self.open);
        self.steps.push(Step::Publish(Publication { changes, snapshot, version }));
    }

    /// Ends the writer task of a deleted notebook. No request reaches it any more, and watchers get an event.
    pub(super) fn end_deleted(&mut self) {
        self.end_reason = Some(EndReason::Deleted);
        self.steps.push(Step::EndDeleted(self.open.notebook().clone()));
    }

    /// Ends the writer task because the stored notebook cannot be taken over. Waiting requests get the error; watchers
    /// reconnect and get it too.
    fn end_with_error(&mut self, why: ServiceError) {
        self.end_reason = Some(match &why {
            ServiceError::NotebookTooLarge { bytes, max, .. } => EndReason::TooLarge { bytes: *bytes, max: *max },
            _ => EndReason::Deleted,
        });
        self.steps.push(Step::EndWithError(why));
    }
}
