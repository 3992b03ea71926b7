//! A store's errors, by what the caller can do about them.

use std::error::Error;

use quire_domain::{NotebookId, Revision};

/// A store's refusal or failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such notebook to change or delete.
    #[error("there is no notebook {id}")]
    NotFound {
        /// The notebook.
        id: NotebookId,
    },
    /// A notebook with this id is already there; it was left as it is.
    #[error("there already is a notebook {id}")]
    AlreadyExists {
        /// The notebook.
        id: NotebookId,
    },
    /// The notebook was changed, or made again, since the caller read it: load it again and apply the edit anew.
    #[error("notebook {id} is no longer the one at revision {expected}")]
    RevisionMismatch {
        /// The notebook.
        id: NotebookId,
        /// The revision that the commit was made for.
        expected: Revision,
    },
    /// A record is stored already under the key of one that came with the change: the same request was here before, and had
    /// its effect. Nothing was changed; look the record up.
    #[error("the same request was answered before")]
    AlreadyRecorded,
    /// The stored data cannot be read as a notebook. It was left as it is, and has to be repaired by hand.
    #[error("notebook {id} is damaged: {reason}")]
    Damaged {
        /// The notebook.
        id: NotebookId,
        /// The kind and place of the damage, for the notebook's owner: no content, no secret.
        reason: String,
    },
    /// No room to write; nothing was changed. Space must be made, then the same call may succeed.
    #[error("no space left to store notebook {id}: {reason}")]
    Full {
        /// The notebook.
        id: NotebookId,
        /// The limit that was reached.
        reason: String,
    },
    /// The store cannot be reached or refuses for now; nothing was changed, and the same call may succeed later.
    #[error("the notebook store is not available: {reason}")]
    Unavailable {
        /// The cause, without secrets.
        reason: String,
        /// The failure beneath.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The store works and has more to do than it can; nothing was changed, and the same call may succeed shortly.
    #[error("the notebook store is overloaded: {reason}")]
    Overloaded {
        /// The resource that there is too little of, without secrets.
        reason: String,
        /// The failure beneath.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The change may or may not have happened, and looking at what is stored did not tell.
    #[error("it is not known whether the change to notebook {id} was stored")]
    OutcomeUnknown {
        /// The notebook.
        id: NotebookId,
    },
    /// A failure that is no fault of the caller and that trying again will hardly mend; nothing was changed.
    #[error("the notebook store failed to {action}")]
    Backend {
        /// The action that failed, as a verb phrase: "read notebook demo".
        action: String,
        /// The failure beneath.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}
