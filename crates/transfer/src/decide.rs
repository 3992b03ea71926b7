//! The decision on a notebook that was read, shared by dry and live runs.

use quire_domain::{Base, Cell, ContentDigest, Life, Notebook, Revision, UserId};
use quire_storage::{Loaded, NotebookStore, StoreError, StoredDigest};

use crate::connection::{self, Keys};
use crate::line::Outcome;
use crate::stored::with_retries;

/// Action if the store holds other content of a notebook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// Leave the stored notebook unchanged.
    #[default]
    Skip,
    /// Replace it with the file's content, as a later revision.
    Overwrite,
    /// Leave it unchanged and report a failure.
    Fail,
}

/// An action, and what the report says of it.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) action: Action,
    pub(crate) outcome: Outcome,
    pub(crate) reason: Option<String>,
}

/// Action on the store.
#[derive(Debug)]
pub(crate) enum Action {
    Nothing,
    /// Store the notebook that was read.
    Create,
    /// Replace the notebook stored at `base` by this one.
    Replace {
        base: Base,
        notebook: Box<Notebook>,
    },
}

/// Decides what to do with a notebook, given what is stored of it. `is_whole` is `true` if its file contains the owner
/// and the connection string. Otherwise the stored ones remain, and another owner's notebook is left unchanged.
pub(crate) async fn decide(
    store: &dyn NotebookStore,
    (read, digest): (&Notebook, ContentDigest),
    stored: Option<&StoredDigest>,
    is_whole: bool,
    on_conflict: OnConflict,
    keys: &Keys,
) -> Result<Decision, StoreError> {
    let Some(stored) = stored else { return Ok(create()) };
    if !is_whole && stored.owner != read.owner {
        return Ok(belongs_to(&stored.owner));
    }
    let same_content = stored.digest == digest;
    // Digests leave out connection strings, which have to be opened to be compared.
    let no_strings = !is_whole || (read.connection.is_none() && !stored.has_connection);
    if same_content && no_strings && stored.revision >= read.revision {
        return Ok(unchanged());
    }
    if !same_content && on_conflict != OnConflict::Overwrite {
        return Ok(leave(on_conflict, &conflict(read, stored.revision, "content")));
    }
    // The remaining cases are rare and need the stored notebook itself.
    let Some(Loaded { notebook: stored, .. }) = with_retries(|| store.load(&read.id)).await? else {
        return Ok(create());
    };
    if !is_whole && stored.owner != read.owner {
        return Ok(belongs_to(&stored.owner));
    }
    let completed;
    let read = if is_whole {
        read
    } else {
        completed = Notebook { connection: stored.connection.clone(), life: stored.life, ..read.clone() };
        &completed
    };
    let what = match (stored.content_digest() == digest, connection::is_same(read, &stored, keys)) {
        (true, true) if stored.revision >= read.revision => return Ok(unchanged()),
        // Edited and edited back: the content is the same, but the revision must not decrease.
        (true, true) => "revision",
        (true, false) => "connection string",
        (false, _) => "content",
    };
    let conflict = conflict(read, stored.revision, what);
    if on_conflict != OnConflict::Overwrite {
        return Ok(leave(on_conflict, &conflict));
    }
    let Some(revision) = stored.revision.max(read.revision).next() else {
        return Ok(leave(OnConflict::Fail, &format!("{conflict}, and there is no revision after the last")));
    };
    let reason = Some(format!("{conflict}; the file's becomes revision {revision}"));
    let action = Action::Replace { base: stored.base(), notebook: Box::new(over(&stored, read, revision)) };
    Ok(Decision { action, outcome: Outcome::Updated, reason })
}

/// Returns the notebook that was read as a later state of the stored one.
fn over(stored: &Notebook, read: &Notebook, revision: Revision) -> Notebook {
    Notebook {
        // A file without a life, written before lives were recorded or by a program that omits them, is a state of the
        // stored notebook.
        life: if read.life == Life::UNRECORDED { stored.life } else { read.life },
        revision,
        created_at: stored.created_at.min(read.created_at),
        updated_at: stored.updated_at.max(read.updated_at),
        // The cells that differ for a client with the stored notebook open are unknown. Marking all of them as edited
        // hides no conflict.
        cells: read.cells.iter().map(|cell| Cell { revision, ..Cell::clone(cell) }).collect(),
        ..read.clone()
    }
}

fn belongs_to(owner: &UserId) -> Decision {
    let reason = format!(
        "belongs to another user in the database, {owner}, and the file does not say whose it is: give the file another \
         name, or {owner} as its owner"
    );
    leave(OnConflict::Fail, &reason)
}

fn conflict(read: &Notebook, stored: Revision, what: &str) -> String {
    format!("the database has another {what}, at revision {stored}, and the file is at revision {}", read.revision)
}

fn create() -> Decision {
    Decision { action: Action::Create, outcome: Outcome::Imported, reason: None }
}

fn unchanged() -> Decision {
    Decision { action: Action::Nothing, outcome: Outcome::Unchanged, reason: None }
}

fn leave(on_conflict: OnConflict, reason: &str) -> Decision {
    let outcome = if on_conflict == OnConflict::Fail { Outcome::Failed } else { Outcome::Skipped };
    Decision { action: Action::Nothing, outcome, reason: Some(reason.to_owned()) }
}
