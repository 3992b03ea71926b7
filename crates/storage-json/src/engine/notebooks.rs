//! Replacing a whole notebook, and its digest.

use std::sync::Arc;

use quire_domain::{Base, Change, Notebook, NotebookId, Replaced};
use quire_storage::{CommitId, Committed, Loaded, StoredDigest};
use uuid::Uuid;

use super::create::checked_text_of;
use super::{Engine, OwnedCommit};
use crate::error::Error;

impl Engine {
    /// Puts a notebook in the place of the one that is stored at `base`, as a commit of all differences.
    pub(crate) fn replace_notebook(&self, base: Base, notebook: Notebook) -> Result<Committed, Error> {
        let Loaded { notebook: before, .. } = self.load(&notebook.id)?.ok_or(Error::NotFound)?;
        if before.base() != base {
            return Err(Error::Mismatch(base.revision));
        }
        checked_text_of(&notebook)?;
        let change = Change {
            revision: Replaced { before: base.revision, after: notebook.revision },
            updated_at: Replaced { before: before.updated_at, after: notebook.updated_at },
            name: None,
            connection: None,
            reactive: None,
            // The file is written from the notebook; the changes are needed for the results beside it.
            cells: Change::between(&before, &notebook).map(|change| change.cells).unwrap_or_default(),
            cycles: Vec::new(),
            stale: Vec::new(),
            run_digests_changed: 0,
        };
        self.commit(&OwnedCommit {
            id: CommitId(Uuid::new_v4()),
            base,
            changes: vec![Arc::new(change)],
            after: notebook,
            records: Vec::new(),
            whole: true,
        })
    }

    pub(crate) fn digest(&self, id: &NotebookId) -> Result<Option<StoredDigest>, Error> {
        match self.load(id) {
            Ok(Some(Loaded { notebook, version })) => Ok(Some(StoredDigest {
                id: notebook.id.clone(),
                life: notebook.life,
                owner: notebook.owner.clone(),
                revision: notebook.revision,
                version,
                digest: notebook.content_digest(),
                has_connection: notebook.connection.is_some(),
            })),
            Ok(None) | Err(Error::Damaged(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
