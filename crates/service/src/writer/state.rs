//! A writer task's decisions, without I/O: each input gives the steps to take next.

use std::sync::Arc;

use quire_domain::{Change, Notebook, NotebookId, OpenNotebook};
use quire_storage::{Committed, Loaded, StoreError, StoredVersion, Version};

use super::deletion::Deletion;
use super::edits::Group;
use super::step::{Input, Publication, Snapshot, Step};
use crate::ServiceError;
use crate::conflict::Deletions;
use crate::context::Sources;

/// The state of a writer task: its notebook and the work under way. Edits are in [`super::edits`], deletions of the notebook
/// in [`super::deletion`]; what both need is here: finding out what is stored.
#[derive(Debug)]
pub(super) struct WriterState {
    /// With the changes that are being made durable.
    pub(super) open: OpenNotebook,
    pub(super) deletions: Deletions,
    /// The version of what was published last.
    version: Version,
    /// Set when it is not known what is stored: it must be loaded before anything else is stored.
    pub(super) in_doubt: bool,
    /// Set when the notebook is no longer here.
    gone: Option<Gone>,
    /// Maximum bytes of memory that the notebook may take.
    max_bytes: usize,
    /// Set when other servers may change what is stored.
    pub(super) is_shared: bool,
    pub(super) work: Work,
    /// The version of the notebook that is being opened again.
    reopening: Option<Version>,
    /// The stored notebook while what the database has lost is set aside.
    lost: Option<Loaded>,
    /// The steps that are decided, in this order.
    pub(super) steps: Vec<Step>,
}

/// The work of a writer task.
#[derive(Debug, Default)]
pub(super) enum Work {
    /// Waiting for a request.
    #[default]
    Nothing,
    Edits(Box<Group>),
    Deletion(Box<Deletion>),
    /// Finding out what is stored.
    Look,
}

/// The reason why a writer task has its notebook no more.
#[derive(Clone, Copy, Debug)]
enum Gone {
    /// It was deleted, or is another notebook now.
    Deleted,
    /// Others have made more of it than one notebook may take of the memory.
    TooLarge { bytes: usize, max: usize },
}

impl WriterState {
    /// The state after a notebook has been opened, which may take so many bytes of memory, and is in a store that other
    /// servers use too or not.
    pub(super) fn new(open: OpenNotebook, version: Version, (max_bytes, is_shared): (usize, bool)) -> Self {
        Self {
            deletions: Deletions::from(open.notebook().revision),
            open,
            version,
            in_doubt: false,
            gone: None,
            max_bytes,
            is_shared,
            work: Work::Nothing,
            reopening: None,
            lost: None,
            steps: Vec::new(),
        }
    }

    /// Takes an input and returns the steps to take, in this order. At most the last one has an outcome; where none has, the
    /// next input is a request.
    pub(super) fn advance(&mut self, input: Input, sources: &Sources) -> Vec<Step> {
        match input {
            Input::Edits(commands) => self.begin_edits(commands, sources),
            Input::Delete(command) => self.begin_deletion(command, sources),
            Input::Look => {
                self.work = Work::Look;
                self.load(sources);
            }
            Input::Loaded(outcome) => self.loaded(outcome, sources),
            Input::Reopened(outcome) => self.reopened(outcome, sources),
            Input::SetAside(outcome) => self.set_aside(outcome, sources),
            outcome => match std::mem::take(&mut self.work) {
                Work::Edits(group) => self.continue_edits(group, outcome, sources),
                Work::Deletion(deletion) => self.continue_deletion(deletion, outcome, sources),
                idle => self.work = idle,
            },
        }
        while let Some(group) = self.group_in_line() {
            self.begin_attempts(group, sources);
        }
        std::mem::take(&mut self.steps)
    }

    fn group_in_line(&mut self) -> Option<Box<Group>> {
        match std::mem::take(&mut self.work) {
            Work::Edits(group) if group.is_in_line() => Some(group),
            other => {
                self.work = other;
                None
            }
        }
    }

    pub(super) fn id(&self) -> &NotebookId {
        &self.open.notebook().id
    }

    /// Returns `true` when the notebook is no longer here.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.is_some()
    }

    /// Refuses everybody once the notebook is gone.
    pub(super) fn check_present(&self) -> Result<(), ServiceError> {
        match self.gone {
            Some(Gone::Deleted) => Err(ServiceError::UnknownNotebook(self.id().to_string())),
            Some(Gone::TooLarge { bytes, max }) => {
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

    /// Begins to find out what is stored; [`Self::refreshed`] goes on with the work.
    pub(super) fn load(&mut self, sources: &Sources) {
        if self.is_gone() {
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
        stored.is_some_and(|stored| stored.version == self.version && self.has(stored))
    }

    /// Returns `true` if a commit changed exactly what is known.
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
            None => self.vanish(),
            // Another user's now, or another notebook: the next one who asks gets a writer task that knows no other.
            Some(Loaded { notebook, .. }) if notebook.owner != known.owner || notebook.life != known.life => {
                self.in_doubt = false;
                self.vanish();
            }
            Some(loaded) if self.is_shared && loaded.version < self.version && self.differs(&loaded.notebook) => {
                self.lost = Some(loaded);
                self.steps.push(Step::SetAside);
                return;
            }
            Some(Loaded { notebook, version }) => {
                if version != self.version {
                    match self.check_size(notebook.memory_bytes()) {
                        Ok(()) => {
                            self.reopening = Some(version);
                            self.steps.push(Step::Reopen(notebook));
                            return;
                        }
                        Err(too_large) => self.leave(too_large),
                    }
                }
                self.in_doubt = false;
            }
        }
        self.refreshed(Ok(()), sources);
    }

    /// Returns `true` if a notebook has other content than this one.
    fn differs(&self, other: &Notebook) -> bool {
        self.open.notebook().content_digest() != other.content_digest()
    }

    /// Takes over what a database holds that has lost history, once what it has lost is stored as a notebook of its own.
    fn set_aside(&mut self, outcome: Result<NotebookId, StoreError>, sources: &Sources) {
        match (outcome, self.lost.take()) {
            (Ok(copy), Some(Loaded { notebook, version })) => {
                self.steps.push(Step::TellRecovered(copy));
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
                    self.deletions.note(change);
                }
                let step = change.map(|change| (change, self.open.notebook().clone()));
                self.in_doubt = false;
                self.publish(step.into_iter().collect(), version);
                Ok(())
            }
            (Err(ServiceError::Store(error)), _) => Err(error),
            (Err(too_large), _) => {
                self.leave(too_large);
                Ok(())
            }
            (Ok(_), None) => Ok(()), // nothing was being opened
        };
        self.refreshed(refreshed, sources);
    }

    /// Goes on with the work now that it is known what is stored, or that it cannot be found out.
    fn refreshed(&mut self, outcome: Result<(), StoreError>, sources: &Sources) {
        match std::mem::take(&mut self.work) {
            Work::Edits(group) => self.refreshed_for_edits(group, outcome, sources),
            Work::Deletion(deletion) => self.refreshed_for_deletion(deletion, outcome),
            Work::Look | Work::Nothing => self.note_doubt(outcome),
        }
    }

    /// Takes note of whether it is known what is stored. Where it is not, it is looked for again, and until then nothing
    /// else is stored.
    pub(super) fn note_doubt(&mut self, refreshed: Result<(), StoreError>) {
        if let Err(error) = refreshed {
            let is_first = !std::mem::replace(&mut self.in_doubt, true);
            self.steps.push(Step::Doubt { error, is_first });
        }
    }

    /// Lets everybody see what has just become durable: each change, with the notebook right after it.
    pub(super) fn publish(&mut self, changes: Vec<(Arc<Change>, quire_domain::Notebook)>, version: Version) {
        self.version = version;
        let snapshot = Snapshot::from(&self.open);
        self.steps.push(Step::Publish(Publication { changes, snapshot, version }));
    }

    /// Ends the notebook here: nobody finds this writer task any more, and watchers are told.
    pub(super) fn vanish(&mut self) {
        self.gone = Some(Gone::Deleted);
        self.steps.push(Step::Vanish(self.open.notebook().clone()));
    }

    /// Ends the notebook here because it cannot be taken over as it is now. Requests that wait are told why; watchers come
    /// again and are told too.
    fn leave(&mut self, why: ServiceError) {
        self.gone = Some(match &why {
            ServiceError::NotebookTooLarge { bytes, max, .. } => Gone::TooLarge { bytes: *bytes, max: *max },
            _ => Gone::Deleted,
        });
        self.steps.push(Step::Leave(why));
    }
}
