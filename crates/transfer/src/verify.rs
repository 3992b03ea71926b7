//! Verification that a store holds what a source holds.

use std::sync::Arc;

use quire_domain::SecretKeys;
use quire_storage::{Loaded, NotebookStore};

use crate::TransferError;
use crate::compare::{cells_with_other_names, compare};
use crate::line::{Line, Outcome, ProgressObserver, Summary};
use crate::pipeline::{Job, Pipeline, WorkResult, blocking};
use crate::source::{Candidate, Source};
use crate::stored::{WorkError, with_retries};

/// A verification: compares every notebook of a source completely with the stored one. It writes nothing.
///
/// The comparison covers id, owner, name, connection string (opened), unknown fields, and of each cell in order id,
/// type, code, unknown fields, and results with every output. If anything differs, a stored notebook of the same owner
/// and life at a higher revision was edited since ([`Outcome::Newer`]). Every other difference is
/// [`Outcome::Different`]: for another owner or another life, or for a file that has no revision, nothing shows that
/// the one comes from the other. A stored notebook at a lower revision is different.
#[derive(Clone, Debug)]
pub struct Verify {
    /// The store that should hold the notebooks.
    pub store: Arc<dyn NotebookStore>,
    /// The source of the notebooks.
    pub source: Arc<dyn Source>,
    /// Keys that seal connection strings.
    pub keys: Option<Arc<SecretKeys>>,
    /// Maximum number of notebooks that are processed at once.
    pub jobs: usize,
}

impl Verify {
    /// Runs the verification. Each candidate gets one line, in the source's order.
    ///
    /// # Errors
    /// If the source cannot be read, the store is gone, or the lines cannot be kept.
    pub async fn run(&self, watch: &mut dyn ProgressObserver) -> Result<Summary, TransferError> {
        let source = Arc::clone(&self.source);
        let candidates = blocking(move || source.candidates()).await?.map_err(TransferError::Source)?;
        let mut pipeline = Pipeline::new(self.jobs, watch);
        pipeline.watch().begin(candidates.len());
        let outcome = self.begin_all(candidates, &mut pipeline).await;
        pipeline.end(outcome).await
    }

    async fn begin_all(&self, candidates: Vec<Candidate>, pipeline: &mut Pipeline<'_>) -> Result<(), TransferError> {
        for candidate in candidates {
            let this = self.clone();
            pipeline.begin(|job| async move { this.one(job, Arc::new(candidate)).await }).await?;
        }
        Ok(())
    }

    async fn one(&self, job: Job, candidate: Arc<Candidate>) -> WorkResult {
        let source = Arc::clone(&self.source);
        let what = Arc::clone(&candidate);
        let read = blocking(move || what.fault.clone().map_or_else(|| source.read(&what), Err)).await;
        let read = match read.unwrap_or_else(|_panicked| Err(candidate.panicked())) {
            Ok(found) => found,
            Err(fault) => return Ok(Line::of_fault(&candidate.file, fault)),
        };
        let (mut read, notice) = (read.notebook, read.notice);
        let line = |id, outcome, reason| Line { file: Some(candidate.file.clone()), id, outcome, reason, offset: None };
        let id = Some(read.id.clone());
        let stored = match with_retries(|| self.store.load(&read.id)).await {
            Ok(Some(Loaded { notebook, .. })) => notebook,
            Ok(None) => return Ok(line(id, Outcome::Missing, Some("it is not in the database".to_owned()))),
            Err(error) => {
                let reason = job.classify(WorkError::of("database", error))?;
                return Ok(line(id, Outcome::Failed, Some(reason)));
            }
        };
        let is_whole = self.source.is_whole();
        if !is_whole {
            read.connection.clone_from(&stored.connection);
        }
        let keys = self.keys.clone();
        let (outcome, reasons) = blocking(move || {
            let mut different = compare(&read, &stored, &keys);
            if stored.revision < read.revision {
                different.add(format!("revision {} in the database, {} in the file", stored.revision, read.revision));
            }
            if stored.life != read.life && is_whole {
                different.add("life: it was deleted and made again, or comes from elsewhere".to_owned());
            }
            let mut reasons: Vec<String> = notice.into_iter().collect();
            let comes_from_it = is_whole && stored.owner == read.owner && stored.life == read.life;
            let outcome = if different.is_empty() {
                Outcome::Same
            } else if comes_from_it && stored.revision > read.revision {
                let (stored, read) = (stored.revision, read.revision);
                reasons.push(format!("edited since: revision {stored} in the database, {read} in the file"));
                reasons.push(format!("changed: {}", different.text()));
                Outcome::Newer
            } else {
                reasons.push(format!("different: {}", different.text()));
                Outcome::Different
            };
            let derived = cells_with_other_names(&stored);
            if derived > 0 {
                reasons.push(format!(
                    "information: the stored reads or writes of {derived} cells are not those of a fresh analysis"
                ));
            }
            (outcome, reasons)
        })
        .await?;
        let reason = if reasons.is_empty() { None } else { Some(reasons.join("; ")) };
        Ok(line(id, outcome, reason))
    }
}
