//! Export of notebooks out of a store, for example from the database back to files.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use quire_domain::{NotebookId, SecretKeys, Timestamp, UserId};
use quire_storage::{ListFilter, NotebookStore, PageRequest, StoreError, Version, error_chain};

use crate::TransferError;
use crate::connection::{self, Secrets};
use crate::line::{Line, Outcome, ProgressObserver, Summary};
use crate::pipeline::{Job, Pipeline, WorkResult};
use crate::stored::{WorkError, with_retries};
use crate::target::Target;

/// Number of notebooks of one page of the list. It is large, because a list of all owners is sorted again for each
/// page.
const PAGE: usize = 10_000;
/// Number of notebooks whose versions one call asks for.
const BATCH: usize = 500;
/// Maximum rounds through the store. Each round copies the notebooks that changed during the last one.
const ROUNDS: usize = 5;

/// An export: copies the notebooks of a store to a target, which then has these notebooks and no others of the same
/// owners.
///
/// An export may be interrupted at any point and repeated with the same target: notebooks that are already there are
/// recognised and left unchanged. Nothing else may use the target meanwhile.
#[derive(Clone, Debug)]
pub struct Export {
    /// The store to copy from.
    pub from: Arc<dyn NotebookStore>,
    /// The target of the copies.
    pub to: Arc<dyn Target>,
    /// Owner of the exported notebooks; absent means all owners.
    pub owner: Option<UserId>,
    /// Treatment of connection strings.
    pub secrets: Secrets,
    /// Keys that open them, for [`Secrets::Plain`].
    pub keys: Option<Arc<SecretKeys>>,
    /// Maximum number of notebooks that are processed, and in memory, at once.
    pub jobs: usize,
    /// Returns the present time.
    pub now: fn() -> Timestamp,
}

/// Result of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Number of notebooks by outcome.
    pub summary: Summary,
    /// Time at which the export began to read.
    pub began: Timestamp,
    /// The moment that the copy reflects: every notebook is as the store was then. Absent if notebooks changed during
    /// every round; each is then as it was at some moment after the beginning.
    pub reflects: Option<Timestamp>,
}

/// Notebooks copied so far.
#[derive(Debug, Default)]
struct Copied {
    /// Version at which each notebook was copied.
    versions: HashMap<NotebookId, Version>,
    /// Notebooks that cannot be copied; an older copy of them is better than none, and remains.
    failed: HashSet<NotebookId>,
}

impl Export {
    /// Runs the export. Each notebook gets a line, and another line if it changed meanwhile and is copied again.
    ///
    /// # Errors
    /// If a store is gone, or the lines cannot be kept. Copies made until then remain.
    pub async fn run(&self, watch: &mut dyn ProgressObserver) -> Result<Exported, TransferError> {
        let began = (self.now)();
        let copied: Arc<Mutex<Copied>> = Arc::default();
        let mut pipeline = Pipeline::new(self.jobs, watch);
        let mut reflects = None;
        for round in 0..=ROUNDS {
            let start = (self.now)();
            let changed = self.changed(&copied, round == 0).await?;
            if changed.is_empty() && round > 0 {
                // No copy made before this round began had changed when the round compared its version.
                reflects = Some(start);
                break;
            }
            if round == ROUNDS {
                break;
            }
            if round == 0 {
                pipeline.watch().begin(changed.len());
            }
            let outcome = self.copy_all(changed, &copied, &mut pipeline).await;
            pipeline.drain(outcome).await?;
        }
        let outcome = self.remove_others(&copied, &mut pipeline).await;
        Ok(Exported { summary: pipeline.end(outcome).await?, began, reflects })
    }

    /// Returns the notebooks without a copy of their present version, and forgets those that no longer exist.
    async fn changed(&self, copied: &Mutex<Copied>, first: bool) -> Result<Vec<NotebookId>, TransferError> {
        let ids = list(&*self.from, self.owner.as_ref()).await.map_err(from_failed)?;
        if first {
            return Ok(ids);
        }
        let present: HashSet<&NotebookId> = ids.iter().collect();
        copied.lock().versions.retain(|id, _| present.contains(id));
        let mut changed = Vec::new();
        for batch in ids.chunks(BATCH) {
            let found = with_retries(|| self.from.versions(batch)).await.map_err(from_failed)?;
            let copied = copied.lock();
            for now in found {
                if copied.versions.get(&now.id) != Some(&now.version) && !copied.failed.contains(&now.id) {
                    changed.push(now.id);
                }
            }
        }
        Ok(changed)
    }

    async fn copy_all(
        &self,
        ids: Vec<NotebookId>,
        copied: &Arc<Mutex<Copied>>,
        pipeline: &mut Pipeline<'_>,
    ) -> Result<(), TransferError> {
        for id in ids {
            let (this, copied) = (self.clone(), Arc::clone(copied));
            pipeline.begin(|job| async move { this.one(job, id, &copied).await }).await?;
        }
        Ok(())
    }

    async fn one(&self, job: Job, id: NotebookId, copied: &Mutex<Copied>) -> WorkResult {
        let (outcome, reason) = match self.copy(&id).await {
            Ok((version, outcome)) => {
                if let Some(version) = version {
                    copied.lock().versions.insert(id.clone(), version);
                }
                (outcome, None)
            }
            Err(error) => {
                copied.lock().failed.insert(id.clone());
                (Outcome::Failed, Some(job.classify(error)?))
            }
        };
        Ok(line(id, outcome, reason))
    }

    /// Copies one notebook. The version is absent if the notebook no longer exists.
    async fn copy(&self, id: &NotebookId) -> Result<(Option<Version>, Outcome), WorkError> {
        let loaded = with_retries(|| self.from.load(id)).await.map_err(|error| WorkError::of("database", error))?;
        let Some(loaded) = loaded else { return Ok((None, Outcome::Removed)) };
        let mut notebook = loaded.notebook;
        connection::for_export(&mut notebook, self.secrets, &self.keys).map_err(WorkError::Notebook)?;
        let is_new = self.to.put(&notebook).await.map_err(|error| match error {
            StoreError::Full { .. } => WorkError::Transfer(to_failed(error)),
            other => WorkError::of("export's directory", other),
        })?;
        Ok((Some(loaded.version), if is_new { Outcome::Exported } else { Outcome::Unchanged }))
    }

    /// Removes copies of an earlier attempt whose notebooks no longer exist.
    async fn remove_others(&self, copied: &Mutex<Copied>, pipeline: &mut Pipeline<'_>) -> Result<(), TransferError> {
        for id in self.to.ids(self.owner.as_ref()).await.map_err(to_failed)? {
            let wanted = {
                let copied = copied.lock();
                copied.versions.contains_key(&id) || copied.failed.contains(&id)
            };
            if !wanted {
                let (outcome, reason) = match self.to.delete(&id).await {
                    Ok(()) | Err(StoreError::NotFound { .. }) => (Outcome::Removed, None),
                    Err(error) => (Outcome::Failed, Some(error_chain(&error))),
                };
                pipeline.tell_now(&line(id, outcome, reason))?;
            }
        }
        Ok(())
    }
}

/// Returns the ids of all notebooks, or of one owner's.
pub(crate) async fn list(store: &dyn NotebookStore, owner: Option<&UserId>) -> Result<Vec<NotebookId>, StoreError> {
    let filter = ListFilter { owner: owner.cloned() };
    let mut ids = Vec::new();
    let mut page = PageRequest { limit: Some(PAGE), after: None };
    loop {
        let found = with_retries(|| store.list(&filter, &page)).await?;
        ids.extend(found.notebooks.into_iter().map(|listed| listed.id));
        page.after = found.next;
        if page.after.is_none() {
            return Ok(ids);
        }
    }
}

fn line(id: NotebookId, outcome: Outcome, reason: Option<String>) -> Line {
    Line { file: None, id: Some(id), outcome, reason, offset: None }
}

fn from_failed(source: StoreError) -> TransferError {
    TransferError::Store { which: "database", source }
}

fn to_failed(source: StoreError) -> TransferError {
    TransferError::Store { which: "export's directory", source }
}
