//! Committing changes to a notebook.

use std::collections::BTreeMap;
use std::sync::Arc;

use quire_domain::{Base, CellId, Change, Notebook, NotebookId, Results, Revision};
use quire_storage::{CommitId, Committed, IdempotencyRecord, Version};

use super::create::{entry_of, text_of};
use super::observe::{CurrentFile, Freshness, ROUNDS};
use super::{Engine, RememberedCommit, Slot};
use crate::digest::Digest;
use crate::disk::{self, Meta, Replaced, Replacement};
use crate::error::Error;
use crate::idempotency::FileState;
use crate::results::{Record, ResultsFile};

/// [`quire_storage::Commit`], owned.
#[derive(Debug)]
pub(crate) struct OwnedCommit {
    pub(crate) id: CommitId,
    pub(crate) base: Base,
    pub(crate) changes: Vec<Arc<Change>>,
    pub(crate) after: Notebook,
    pub(crate) records: Vec<IdempotencyRecord>,
    /// Set when the changes do not list every difference, so that the whole file is written.
    pub(crate) whole: bool,
}

impl Engine {
    pub(crate) fn commit(&self, commit: &OwnedCommit) -> Result<Committed, Error> {
        let id = &commit.after.id;
        let slot = self.slot(id);
        let mut slot = slot.lock();
        if let Some(done) = slot.commits.iter_mut().find(|done| done.id == commit.id) {
            if !done.durable {
                self.notebooks.sync().map_err(Error::DurabilityUnknown)?;
                done.durable = true;
                self.records.confirm(&self.notebooks).map_err(Error::DurabilityUnknown)?;
            }
            return Ok(done.committed);
        }
        let edits = commit.whole || commit.changes.iter().any(|change| !change.is_results());
        // An edit compares the content while it replaces it, so the file's state is enough to begin with.
        let mut freshness = if edits { Freshness::State } else { Freshness::Content };
        for _ in 0..ROUNDS {
            let current = self.observe(id, freshness)?.ok_or(Error::NotFound)?;
            if current.known.base() != commit.base {
                return Err(Error::Mismatch(commit.base.revision));
            }
            if commit.changes.is_empty() && !commit.whole {
                self.records.put(&commit.records)?;
                let version = current.known.version;
                return Ok(Committed { version, previous: Some(version) });
            }
            let written = if edits || current.known.inline_results {
                self.commit_file(&mut slot, commit, &current)?
            } else {
                self.commit_results(&mut slot, commit, &current)?
            };
            let previous = Some(current.known.version);
            match written {
                Some((version, Ok(()))) => {
                    let committed = Committed { version, previous };
                    slot.remember(RememberedCommit { id: commit.id, committed, durable: true });
                    if let Some(results) = &mut slot.results {
                        results.tidy(&commit.after);
                    }
                    return Ok(committed);
                }
                Some((version, Err(error))) => {
                    let committed = Committed { version, previous };
                    slot.remember(RememberedCommit { id: commit.id, committed, durable: false });
                    return Err(Error::DurabilityUnknown(error));
                }
                // Another program was at the file. If its content is another, it is observed at a later revision.
                None => freshness = Freshness::Content,
            }
        }
        Err(Error::ConcurrentlyModified)
    }

    /// Commits changes of results alone, which the notebook's file does not hold.
    fn commit_results(&self, slot: &mut Slot, commit: &OwnedCommit, current: &CurrentFile) -> Result<Written, Error> {
        self.records.check_unused(&commit.records)?;
        let results = slot.results(&self.outputs, &commit.after.id, current.known.own_revision)?;
        let record = record_of(&commit.changes, BTreeMap::new(), results, None);
        if !record.is_empty() {
            results.append(&record)?;
        }
        // No change of the file shows that it has happened; doing it again leaves the same.
        self.records.put(&commit.records)?;
        Ok(Some((self.index().wrote_results(&current.file), Ok(()))))
    }

    /// Commits changes of the notebook's file, and any results with them. Returns `None` when the file was changed from outside
    /// meanwhile.
    fn commit_file(&self, slot: &mut Slot, commit: &OwnedCommit, current: &CurrentFile) -> Result<Written, Error> {
        let notebook = &commit.after;
        let text = text_of(notebook)?;
        let inline = if current.known.inline_results { self.inline_results(&notebook.id)? } else { BTreeMap::new() };
        let results = slot.results(&self.outputs, &notebook.id, current.known.own_revision)?;
        let record = record_of(&commit.changes, inline, results, Some(notebook.revision));
        // Results first, since the file is what makes them true. For results that the old file holds inside, it also
        // means that they are in a safe place before they are gone from there.
        let mark = if record.is_empty() { None } else { Some(results.append(&record)?) };
        let after = || FileState::Content(Digest::of(text.as_bytes()));
        let prepared = self.records.prepare(&self.notebooks, &notebook.id, after, &commit.records);
        let replaced = prepared.and_then(|change| {
            let replaced = self.replace(notebook, text.as_bytes(), current)?;
            match (change, &replaced) {
                (Some(change), Replaced::Done(_)) => change.commit(),
                (Some(change), Replaced::DurabilityUnknown(..)) => change.durability_unknown(),
                _ => {}
            }
            Ok(replaced)
        });
        if let Some(mark) = mark
            && !matches!(replaced, Ok(Replaced::Done(_) | Replaced::DurabilityUnknown(..)))
            && let Err(error) = results.take_back(mark)
        {
            tracing::warn!(notebook = %notebook.id, %error, "cannot take back results of a commit that failed");
            slot.results = None; // the next use reads the file again, and removes what is void
        }
        let note = |meta: Meta| self.index().wrote(&current.file, entry_of(notebook, &meta, text.as_bytes()));
        Ok(match replaced? {
            Replaced::Done(meta) => Some((note(meta), Ok(()))),
            Replaced::DurabilityUnknown(meta, error) => Some((note(meta), Err(error))),
            Replaced::Changed => None,
        })
    }

    fn replace(&self, notebook: &Notebook, bytes: &[u8], current: &CurrentFile) -> Result<Replaced, Error> {
        tracing::trace!(notebook = %notebook.id, revision = %notebook.revision, "writing");
        let replacement =
            Replacement { folder: &self.notebooks, temporaries: &self.temporaries, name: &current.file, bytes };
        Ok(disk::replace(&replacement, &current.digest)?)
    }

    /// Reads the results that a notebook's file itself holds.
    fn inline_results(&self, id: &NotebookId) -> Result<BTreeMap<CellId, Option<Arc<Results>>>, Error> {
        let Some(CurrentFile { parsed: Some(parsed), .. }) = self.observe(id, Freshness::Read)? else {
            return Ok(BTreeMap::new());
        };
        let cells = parsed.notebook.cells.iter().filter(|cell| *cell.results != Results::default());
        Ok(cells.map(|cell| (cell.id.clone(), Some(Arc::clone(&cell.results)))).collect())
    }
}

/// The new version, and whether the change is durable; `None` when the change was not made.
type Written = Option<(Version, std::io::Result<()>)>;

/// Makes the record of the results that changes bring, beside those that the file holds inline. A change that leaves a cell's
/// results as they are adds nothing.
fn record_of(
    changes: &[Arc<Change>],
    inline: BTreeMap<CellId, Option<Arc<Results>>>,
    stored: &ResultsFile,
    needs: Option<Revision>,
) -> Record {
    let mut cells = inline;
    for change in changes.iter().flat_map(|change| &change.cells) {
        let results = |cell: &Option<Arc<quire_domain::Cell>>| {
            cell.as_ref().map(|cell| Arc::clone(&cell.results)).filter(|results| **results != Results::default())
        };
        let (before, after) = (results(&change.before), results(&change.after));
        let stays = change.before.is_some() && change.after.is_some();
        if stays && before == after {
            continue;
        }
        if after.is_some() || stored.has(&change.id) || cells.contains_key(&change.id) {
            cells.insert(change.id.clone(), after);
        }
    }
    Record::new(needs, cells.into_iter().collect())
}
