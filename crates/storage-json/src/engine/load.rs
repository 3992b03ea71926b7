//! Loading a notebook: its file, what is known beside it, and its results.

use quire_domain::{Cell, Notebook, NotebookId, UserId};
use quire_storage::{Loaded, StoredVersion};

use super::Engine;
use super::observe::{CurrentFile, Freshness};
use crate::error::Error;
use crate::index::IndexedNotebook;
use crate::results::{self, Latest};

impl Engine {
    pub(crate) fn load(&self, id: &NotebookId) -> Result<Option<Loaded>, Error> {
        let slot = self.slot(id);
        let mut slot = slot.lock();
        let Some(CurrentFile { known, parsed: Some(parsed), .. }) = self.observe(id, Freshness::Read)? else {
            return Ok(None);
        };
        let latest = match self.latest_results(&mut slot, id, &known) {
            Ok(latest) => latest,
            Err(error) => {
                tracing::warn!(notebook = %id, %error, "loaded without results, which cannot be read");
                Latest::new()
            }
        };
        let version = known.version;
        Ok(Some(Loaded { notebook: complete(parsed.notebook, &known, &latest), version }))
    }

    pub(crate) fn owner(&self, id: &NotebookId) -> Result<Option<UserId>, Error> {
        let slot = self.slot(id);
        let _slot = slot.lock();
        Ok(self.observe(id, Freshness::Content)?.map(|current| current.known.summary.owner))
    }

    /// The version of a notebook; `None` when it is not there or damaged.
    pub(crate) fn version(&self, id: &NotebookId) -> Result<Option<StoredVersion>, Error> {
        let slot = self.slot(id);
        let _slot = slot.lock();
        match self.observe(id, Freshness::Content) {
            Ok(current) => Ok(current.map(|current| StoredVersion {
                id: id.clone(),
                life: current.known.life,
                revision: current.known.summary.revision,
                version: current.known.version,
            })),
            Err(Error::Damaged(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Adds to what a file says what is known beside it.
fn complete(mut notebook: Notebook, known: &IndexedNotebook, latest: &Latest) -> Notebook {
    let edited_outside = notebook.revision != known.summary.revision;
    notebook.life = known.life;
    notebook.revision = known.summary.revision;
    notebook.created_at = known.summary.created_at;
    notebook.updated_at = known.summary.updated_at;
    if edited_outside {
        // Which cells were edited is not known; taking all for edited shows no conflict as none.
        let revision = notebook.revision;
        notebook.cells = notebook.cells.iter().map(|cell| Cell { revision, ..Cell::clone(cell) }).collect();
    }
    results::add(&mut notebook, latest);
    notebook
}
