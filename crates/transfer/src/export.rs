//! Copying notebooks out of a store: the way back from the database to files.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quire_domain::{NotebookId, SecretKeys, Timestamp, UserId};
use quire_storage::{ListFilter, NotebookStore, PageRequest, StoreError, Version, error_chain};

use crate::TransferError;
use crate::connection::{self, Secrets};
use crate::line::{Line, Outcome, ProgressObserver, Summary};
use crate::pipeline::{Job, Pipeline, Worked};
use crate::stored::{Trouble, patiently};
use crate::target::Target;

/// Notebooks of one page of the list. Large, since a list of everybody's is sorted anew for each page.
const PAGE: usize = 10_000;
/// How many notebooks' versions are asked for at once.
const BATCH: usize = 500;
/// Rounds through the store in which what others change meanwhile is copied again.
const ROUNDS: usize = 5;

/// An export: the notebooks of a store to another place, which then has these and no others of the same owners.
///
/// It may be cut off anywhere, and repeated into the same place: what is there already is recognised and left alone.
/// Nobody else may be using that place.
#[derive(Clone, Debug)]
pub struct Export {
    /// Where the notebooks are.
    pub from: Arc<dyn NotebookStore>,
    /// Where they are put.
    pub to: Arc<dyn Target>,
    /// Whose; absent means everybody's.
    pub owner: Option<UserId>,
    /// What becomes of connection strings.
    pub secrets: Secrets,
    /// What they are opened with, for [`Secrets::Plain`].
    pub keys: Option<Arc<SecretKeys>>,
    /// How many notebooks are worked on, and in memory, at once.
    pub jobs: usize,
    /// Tells the time.
    pub now: fn() -> Timestamp,
}

/// What an export came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// How many of each.
    pub summary: Summary,
    /// When the export began to read.
    pub began: Timestamp,
    /// The moment that the copy reflects: all of it is as the store was then. Absent when others changed notebooks all the
    /// while; each is then as it was at some moment after the beginning.
    pub reflects: Option<Timestamp>,
}

/// What was copied so far.
#[derive(Debug, Default)]
struct Copied {
    /// At which version each notebook was copied.
    versions: HashMap<NotebookId, Version>,
    /// Those that cannot be copied; an older copy is better than none, and stays.
    failed: HashSet<NotebookId>,
}

impl Export {
    /// Runs the export. Each notebook gets a line, and another one when it changed meanwhile and is copied again.
    ///
    /// # Errors
    /// When a store is gone, or the lines cannot be kept. What was copied until then stays.
    pub async fn run(&self, watch: &mut dyn ProgressObserver) -> Result<Exported, TransferError> {
        let began = (self.now)();
        let copied: Arc<Mutex<Copied>> = Arc::default();
        let mut pipeline = Pipeline::new(self.jobs, watch);
        let mut reflects = None;
        for round in 0..=ROUNDS {
            let start = (self.now)();
            let changed = self.changed(&copied, round == 0).await?;
            if changed.is_empty() && round > 0 {
                // Whatever was copied before this round began had not changed when it was looked at after that.
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

    /// The notebooks that are not copied as they are now. Those that are gone are forgotten.
    async fn changed(&self, copied: &Mutex<Copied>, first: bool) -> Result<Vec<NotebookId>, TransferError> {
        let ids = list(&*self.from, self.owner.as_ref()).await.map_err(from_failed)?;
        if first {
            return Ok(ids);
        }
        let present: HashSet<&NotebookId> = ids.iter().collect();
        lock(copied).versions.retain(|id, _| present.contains(id));
        let mut changed = Vec::new();
        for batch in ids.chunks(BATCH) {
            let found = patiently(|| self.from.versions(batch)).await.map_err(from_failed)?;
            let copied = lock(copied);
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

    async fn one(&self, job: Job, id: NotebookId, copied: &Mutex<Copied>) -> Worked {
        let (outcome, reason) = match self.copy(&id).await {
            Ok((version, outcome)) => {
                if let Some(version) = version {
                    lock(copied).versions.insert(id.clone(), version);
                }
                (outcome, None)
            }
            Err(trouble) => {
                lock(copied).failed.insert(id.clone());
                (Outcome::Failed, Some(job.sort(trouble)?))
            }
        };
        Ok(line(id, outcome, reason))
    }

    /// Copies one notebook. There is no version when it is gone by now.
    async fn copy(&self, id: &NotebookId) -> Result<(Option<Version>, Outcome), Trouble> {
        let loaded = patiently(|| self.from.load(id)).await.map_err(|error| Trouble::of("database", error))?;
        let Some(loaded) = loaded else { return Ok((None, Outcome::Removed)) };
        let mut notebook = loaded.notebook;
        connection::for_export(&mut notebook, self.secrets, &self.keys).map_err(Trouble::One)?;
        let is_new = self.to.put(&notebook).await.map_err(|error| match error {
            StoreError::Full { .. } => Trouble::All(to_failed(error)),
            other => Trouble::of("export's directory", other),
        })?;
        Ok((Some(loaded.version), if is_new { Outcome::Exported } else { Outcome::Unchanged }))
    }

    /// Removes what an earlier attempt copied and is no longer there.
    async fn remove_others(&self, copied: &Mutex<Copied>, pipeline: &mut Pipeline<'_>) -> Result<(), TransferError> {
        for id in self.to.ids(self.owner.as_ref()).await.map_err(to_failed)? {
            let wanted = {
                let copied = lock(copied);
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

/// The ids of all notebooks, or of one owner's.
pub(crate) async fn list(store: &dyn NotebookStore, owner: Option<&UserId>) -> Result<Vec<NotebookId>, StoreError> {
    let filter = ListFilter { owner: owner.cloned() };
    let mut ids = Vec::new();
    let mut page = PageRequest { limit: Some(PAGE), after: None };
    loop {
        let found = patiently(|| store.list(&filter, &page)).await?;
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

fn lock(copied: &Mutex<Copied>) -> MutexGuard<'_, Copied> {
    copied.lock().unwrap_or_else(PoisonError::into_inner)
}
