//! Creating and deleting notebooks.

use std::sync::Arc;

use quire_domain::{Base, Notebook, NotebookId, Results};
use quire_files::quire::{self, Defaults};
use quire_storage::{IdempotencyRecord, Version};

use super::observe::Freshness;
use super::{Engine, Slot};
use crate::digest::Digest;
use crate::disk::{self, Created, Meta, Removed, Replacement};
use crate::error::Error;
use crate::idempotency::FileState;
use crate::index::{Content, Entry};
use crate::names;
use crate::results::{self, Latest, ResultsFile};

impl Engine {
    pub(crate) fn create(&self, notebook: &Notebook, records: &[IdempotencyRecord]) -> Result<Version, Error> {
        let slot = self.slot(&notebook.id);
        let mut slot = slot.lock();
        if self.observe(&notebook.id, Freshness::State)?.is_some() {
            return Err(Error::Exists);
        }
        *slot = Slot::default();
        let text = checked_text_of(notebook)?;
        // Results first: a crash in between leaves results of no notebook, which the next start removes, but never a
        // notebook without its results.
        self.create_results(&mut slot, notebook)?;
        let after = || FileState::Content(Digest::of(text.as_bytes()));
        let created = self.records.prepare(&self.notebooks, &notebook.id, after, records).and_then(|change| {
            let created = self.create_file(notebook, text.as_bytes());
            match (change, &created) {
                (Some(change), Ok(_)) => change.commit(),
                (Some(change), Err(Error::DurabilityUnknown(_))) => change.durability_unknown(),
                _ => {}
            }
            created
        });
        if created.is_err() && !matches!(created, Err(Error::DurabilityUnknown(_))) {
            slot.results = None;
            let _ = self.outputs.remove(&results::file_name(&notebook.id)); // the next start finds it otherwise
        }
        created
    }

    fn create_file(&self, notebook: &Notebook, bytes: &[u8]) -> Result<Version, Error> {
        for name in names::candidates(&notebook.id) {
            let replacement =
                Replacement { folder: &self.notebooks, temporaries: &self.temporaries, name: &name, bytes };
            match disk::create(&replacement)? {
                Created::Done(meta) => return Ok(self.index().wrote(&name, entry_of(notebook, &meta, bytes))),
                Created::DurabilityUnknown(meta, error) => {
                    self.index().wrote(&name, entry_of(notebook, &meta, bytes));
                    return Err(Error::DurabilityUnknown(error));
                }
                // Either the same notebook came there from outside, or another one has the name, as on a file system
                // that folds case: then the next name.
                Created::AlreadyExists if self.observe(&notebook.id, Freshness::State)?.is_some() => {
                    return Err(Error::Exists);
                }
                Created::AlreadyExists => {}
            }
        }
        Err(Error::Damaged("its file's name is taken by another notebook".into()))
    }

    fn create_results(&self, slot: &mut Slot, notebook: &Notebook) -> Result<(), Error> {
        let with_results = notebook.cells.iter().filter(|cell| *cell.results != Results::default());
        let latest: Latest = with_results.map(|cell| (cell.id.clone(), Arc::clone(&cell.results))).collect();
        // Without any, this removes what an earlier notebook of this id may have left.
        let mut file = ResultsFile::unread(&self.outputs, &notebook.id);
        file.rewrite(&latest)?;
        slot.results = Some(file);
        Ok(())
    }

    pub(crate) fn delete(&self, id: &NotebookId, base: Base, records: &[IdempotencyRecord]) -> Result<(), Error> {
        let slot = self.slot(id);
        let mut slot = slot.lock();
        // The content is compared when the file is removed, so its state is enough to begin with.
        let current = self.observe(id, Freshness::State)?.ok_or(Error::NotFound)?;
        if current.known.base() != base {
            return Err(Error::Mismatch(base.revision));
        }
        let change = self.records.prepare(&self.notebooks, id, || FileState::Gone, records)?;
        let synced = match disk::remove(&self.notebooks, &self.temporaries, &current.file, &current.digest)? {
            Removed::Done(synced) => synced,
            Removed::Missing => {
                self.note(&current.file, None);
                return Err(Error::NotFound);
            }
            Removed::Changed => {
                // Noted, so that the notebook's watchers are told, and its owner sees the edit before deleting it.
                self.observe(id, Freshness::Content)?;
                return Err(Error::Mismatch(base.revision));
            }
        };
        match (change, &synced) {
            (Some(change), Ok(())) => change.commit(),
            (Some(change), Err(_)) => change.durability_unknown(),
            (None, _) => {}
        }
        self.index().deleted(&current.file);
        *slot = Slot::default();
        // Only now: results without a notebook do no harm, and the next start removes them.
        if let Err(error) = self.outputs.remove(&results::file_name(id)) {
            tracing::warn!(notebook = %id, %error, "cannot remove the results of a deleted notebook");
        }
        synced.map_err(Error::DurabilityUnknown)
    }
}

/// Writes a notebook's text, and fails if it could not be read again: a notebook that did not come through edits need not keep
/// to the limits.
pub(super) fn checked_text_of(notebook: &Notebook) -> Result<String, Error> {
    let text = text_of(notebook)?;
    let defaults = Defaults { id: None, owner: notebook.owner.clone(), time: notebook.created_at };
    let read = quire::read(text.as_bytes(), &defaults).map_err(|damage| Error::Unreadable(damage.reason))?;
    if read.inline_results {
        return Err(Error::Unreadable("an unknown field of a cell would be taken for results".into()));
    }
    Ok(text)
}

/// Writes a notebook's text, and fails if it is too long.
pub(super) fn text_of(notebook: &Notebook) -> Result<String, Error> {
    let text = quire::write(notebook)?;
    let size = text.len() as u64;
    if size > crate::MAX_FILE_BYTES { Err(Error::TooLarge(size)) } else { Ok(text) }
}

/// Returns the entry of a file that this process has just written.
pub(super) fn entry_of(notebook: &Notebook, meta: &Meta, bytes: &[u8]) -> Entry {
    Entry::new(meta, Some(Digest::of(bytes)), Content::Notebook(crate::index::IndexedNotebook::written(notebook)))
}
