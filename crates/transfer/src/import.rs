//! Import of notebooks from a source into a store.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use quire_domain::{Cell, ContentDigest, Life, Notebook, NotebookId, Revision, SecretKeys, StoredConnection, analyse};
use quire_storage::{NotebookStore, StoreError, StoredDigest};
use uuid::Uuid;

use crate::TransferError;
use crate::connection::{self, Keys};
use crate::decide::{Action, Decision, OnConflict, decide};
use crate::line::{Line, Outcome, ProgressObserver, Summary};
use crate::pipeline::{Job, Pipeline, WorkResult, blocking};
use crate::source::{Candidate, Fault, FaultKind, Source};
use crate::stored::{WorkError, load_digest, with_retries};

/// Number of notebooks whose digests one call asks for.
const BATCH: usize = 500;
/// Maximum number of attempts to store a notebook that others change meanwhile.
const ROUNDS: usize = 20;
/// Name of the store in messages.
const DATABASE: &str = "database";

/// An import: stores every notebook of a source in a store.
///
/// An import may be interrupted at any point and repeated: each notebook is stored by one call, wholly or not at all,
/// and notebooks that are already there are recognised by their content and left unchanged. Others may change the store
/// meanwhile, including another import. An import that is overtaken sees the other's change and decides again.
#[derive(Clone, Debug)]
pub struct Import {
    /// The store to import into.
    pub store: Arc<dyn NotebookStore>,
    /// The source of the notebooks.
    pub source: Arc<dyn Source>,
    /// Keys that seal connection strings. Without them, a notebook with an unsealed connection string fails.
    pub keys: Option<Arc<SecretKeys>>,
    /// Action if the store holds other content of a notebook.
    pub on_conflict: OnConflict,
    /// `true` to write nothing and only report what would be done.
    pub dry_run: bool,
    /// Maximum number of notebooks that are processed, and in memory, at once.
    pub jobs: usize,
}

/// The notebooks of a source by id; the first of two candidates with the same id counts.
type Claims = Mutex<HashMap<NotebookId, Claim>>;

/// The first candidate with an id.
struct Claim {
    candidate: Arc<Candidate>,
    identity: Identity,
}

/// Properties in which a notebook and its copy agree.
#[derive(PartialEq, Eq)]
struct Identity {
    digest: ContentDigest,
    revision: Revision,
    /// The connection string as the source has it, before this import seals it.
    connection: Option<StoredConnection>,
}

/// State of a stored notebook before its candidate was read.
enum EarlierState {
    /// The store was not asked about this notebook.
    Unknown,
    /// The state at that time; `None` if there was no such notebook.
    Loaded(Option<StoredDigest>),
}

/// A notebook that was read, in the form in which it is stored.
struct Prepared {
    notebook: Notebook,
    digest: ContentDigest,
    notices: Vec<String>,
}

impl Import {
    /// Runs the import. Each candidate gets one line, in the source's order. The lines of a dry run are those that a
    /// live run would give now.
    ///
    /// # Errors
    /// If the source cannot be read, the store is gone, or the lines cannot be kept. Notebooks stored until then
    /// remain.
    pub async fn run(&self, watch: &mut dyn ProgressObserver) -> Result<Summary, TransferError> {
        let source = Arc::clone(&self.source);
        let candidates = blocking(move || source.candidates()).await?.map_err(TransferError::Source)?;
        let mut pipeline = Pipeline::new(self.jobs, watch);
        pipeline.watch().begin(candidates.len());
        let outcome = self.begin_all(candidates, &mut pipeline).await;
        pipeline.end(outcome).await
    }

    async fn begin_all(&self, candidates: Vec<Candidate>, pipeline: &mut Pipeline<'_>) -> Result<(), TransferError> {
        let claims: Arc<Claims> = Arc::default();
        let mut candidates = candidates.into_iter();
        loop {
            let batch: Vec<Candidate> = candidates.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return Ok(());
            }
            let ids: Vec<NotebookId> = batch.iter().filter_map(|candidate| candidate.id.clone()).collect();
            let digests = with_retries(|| self.store.digests(&ids)).await;
            let digests = digests.map_err(|source| TransferError::Store { which: DATABASE, source })?;
            let mut stored: HashMap<_, _> = digests.into_iter().map(|found| (found.id.clone(), found)).collect();
            for candidate in batch {
                let known = candidate.id.as_ref().map(|id| (id.clone(), stored.remove(id)));
                let (this, claims) = (self.clone(), Arc::clone(&claims));
                pipeline.begin(|job| async move { this.one(job, Arc::new(candidate), known, &claims).await }).await?;
            }
        }
    }

    /// Imports one candidate, from its file to its line.
    async fn one(
        &self,
        mut job: Job,
        candidate: Arc<Candidate>,
        known: Option<(NotebookId, Option<StoredDigest>)>,
        claims: &Claims,
    ) -> WorkResult {
        let (source, keys, what) = (Arc::clone(&self.source), self.keys.clone(), Arc::clone(&candidate));
        let mut read = blocking(move || prepare(&*source, &what, &keys))
            .await
            .unwrap_or_else(|_panicked| Err(candidate.panicked()));
        job.turn().await;
        let first = read.as_mut().map_or(Ok(()), |ready| claim(claims, &candidate, ready, self.source.is_whole()));
        job.pass_on();
        let (id, prepared) = match (read, first) {
            (Err(fault), _) => return Ok(Line::of_fault(&candidate.file, fault)),
            (Ok(Ready { id, .. }), Err((outcome, reason))) => return Ok(line(&candidate, &id, outcome, Some(reason))),
            (Ok(Ready { id, digest, prepared, .. }), Ok(())) => match prepared {
                Ok((notebook, notices)) => (id, Prepared { notebook, digest, notices }),
                Err(reason) => return Ok(line(&candidate, &id, Outcome::Failed, Some(reason))),
            },
        };
        let known = match known {
            Some((guess, stored)) if guess == id => EarlierState::Loaded(stored),
            _ => EarlierState::Unknown,
        };
        let mut decision = match self.store_one(&prepared, known).await {
            Ok(decision) => decision,
            Err(error) => {
                let reason = Some(job.classify(error)?);
                Decision { action: Action::Nothing, outcome: Outcome::Failed, reason }
            }
        };
        let reasons: Vec<String> = decision.reason.take().into_iter().chain(prepared.notices).collect();
        let reason = if reasons.is_empty() { None } else { Some(reasons.join("; ")) };
        Ok(line(&candidate, &id, decision.outcome, reason))
    }

    /// Decides and acts, and does both again if the stored notebook changed between the two.
    async fn store_one(&self, prepared: &Prepared, known: EarlierState) -> Result<Decision, WorkError> {
        let store = &*self.store;
        let failed = |error| WorkError::of(DATABASE, error);
        let id = &prepared.notebook.id;
        let mut stored = match known {
            // A dry run creates nothing, so it has to look for a damaged notebook in this place, which has no digest.
            EarlierState::Loaded(stored) if !(self.dry_run && stored.is_none()) => stored,
            EarlierState::Loaded(_) | EarlierState::Unknown => load_digest(store, id).await.map_err(failed)?,
        };
        // The decision of an earlier round whose outcome the store does not know.
        let mut in_doubt: Option<Decision> = None;
        for _ in 0..ROUNDS {
            let read = (&prepared.notebook, prepared.digest);
            let is_whole = self.source.is_whole();
            let decision = decide(store, read, stored.as_ref(), is_whole, self.on_conflict, &self.keys);
            let decision = decision.await.map_err(failed)?;
            let done = match &decision.action {
                _ if self.dry_run => return Ok(decision),
                Action::Nothing => {
                    let happened = decision.outcome == Outcome::Unchanged;
                    return Ok(in_doubt.filter(|_| happened).unwrap_or(decision));
                }
                Action::Create => with_retries(|| store.create(&prepared.notebook, None)).await,
                Action::Replace { base, notebook } => with_retries(|| store.replace(*base, notebook)).await,
            };
            match done {
                Ok(_) => return Ok(decision),
                Err(StoreError::OutcomeUnknown { .. }) => in_doubt = Some(decision),
                Err(
                    StoreError::AlreadyExists { .. }
                    | StoreError::RevisionMismatch { .. }
                    | StoreError::NotFound { .. },
                ) => {}
                Err(error) => return Err(failed(error)),
            }
            stored = load_digest(store, id).await.map_err(failed)?;
        }
        Err(WorkError::Notebook("others change it again and again; run the import again".to_owned()))
    }
}

/// A notebook that was read.
struct Ready {
    id: NotebookId,
    digest: ContentDigest,
    /// The claim takes it.
    identity: Option<Identity>,
    /// The notebook to store, with notices; or the reason why it cannot be stored.
    prepared: Result<(Notebook, Vec<String>), String>,
}

/// Reads a candidate and converts it to the form in which it is stored.
fn prepare(source: &dyn Source, candidate: &Candidate, keys: &Keys) -> Result<Ready, Fault> {
    let found = candidate.fault.clone().map_or_else(|| source.read(candidate), Err)?;
    let mut notebook = found.notebook;
    let mut notices: Vec<String> = found.notice.into_iter().collect();
    let id = notebook.id.clone();
    match id.as_str() {
        "demo" | "blank" => notices
            .push(format!("shadowed: `{id}` is short for each user's own `{id}-…`, so nobody can open it by its id")),
        "import" => notices.push("shadowed: `import` is no id in the API, so nobody can open it by its id".to_owned()),
        _ => {}
    }
    let cells = notebook.cells.iter().map(|cell| analysed(cell)).collect();
    let analysed = Notebook { cells, ..notebook.clone() };
    let wrong = notebook.cells.iter().find_map(|cell| cell.results.check().err());
    if let Some(limit) = wrong.or_else(|| analysed.check_limits().err()) {
        let reason = limit.to_string();
        return Err(Fault { kind: FaultKind::Invalid, id: Some(id), reason, offset: None });
    }
    let digest = notebook.content_digest();
    let identity = Some(Identity { digest, revision: notebook.revision, connection: notebook.connection.clone() });
    if !source.is_whole() {
        notebook.life = Life::new(Uuid::new_v4()); // such a file contains no life
    }
    let sealed = connection::seal(&mut notebook, keys);
    notebook.cells = analysed.cells;
    let prepared = sealed.map(|notice| (notebook, notices.into_iter().chain(notice).collect()));
    Ok(Ready { id, digest, identity, prepared })
}

/// Returns the cell with the names that its code reads and writes, computed again. Code that does not parse keeps the
/// names that came with it: they may be of the last code that parsed.
fn analysed(cell: &Cell) -> Cell {
    let analysis = analyse(cell.cell_type, &cell.code);
    if analysis.error().is_some() {
        return cell.clone();
    }
    Cell { analysis: Arc::new(analysis), ..cell.clone() }
}

/// Claims an id for a candidate; fails if an earlier candidate has it.
fn claim(
    claims: &Claims,
    candidate: &Arc<Candidate>,
    ready: &mut Ready,
    is_whole: bool,
) -> Result<(), (Outcome, String)> {
    let Some(identity) = ready.identity.take() else { return Ok(()) };
    let mut claims = claims.lock();
    match claims.entry(ready.id.clone()) {
        Entry::Vacant(free) => {
            free.insert(Claim { candidate: Arc::clone(candidate), identity });
            Ok(())
        }
        Entry::Occupied(taken) => {
            let Claim { candidate: first, identity: theirs } = taken.get();
            let first = &first.file;
            Err(if *theirs == identity {
                (Outcome::Skipped, format!("holds the same notebook as {first}"))
            } else {
                let reason = if is_whole {
                    format!(
                        "has the id of {first} and another content, revision or connection string: give one of them another id"
                    )
                } else {
                    format!(
                        "stands for the same notebook as {first}, and has another content: give one of them another name"
                    )
                };
                (Outcome::Failed, reason)
            })
        }
    }
}

fn line(candidate: &Candidate, id: &NotebookId, outcome: Outcome, reason: Option<String>) -> Line {
    Line { file: Some(candidate.file.clone()), id: Some(id.clone()), outcome, reason, offset: None }
}
