//! A notebook as plain data.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::{self, Invalid};
use crate::{CellId, Cells, Cycle, Extra, Life, NotebookId, StoredConnection, UserId};

/// A point in time, in UTC, to the microsecond.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// The number of a notebook's last edit. It counts every edit, renames and connection strings included, but not results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub i64);

impl Revision {
    /// The last possible revision: the largest whole number that every JSON reader keeps exact (RFC 8259, section 6).
    pub const MAX: Self = Self((1 << 53) - 1);

    /// Returns the next revision; `None` after the last.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        (self < Self::MAX).then(|| Self(self.0 + 1))
    }
}

/// The stored state that a caller assumes. A change on another life or revision is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// The notebook's life.
    pub life: Life,
    /// The notebook's last edit.
    pub revision: Revision,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A notebook. Clones share their content, so that readers can hold one for any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notebook {
    /// The id, unique in a store.
    pub id: NotebookId,
    /// The life, which distinguishes it from earlier and later notebooks with this id.
    pub life: Life,
    /// The only user who may read or change it.
    pub owner: UserId,
    /// The name, as [`Notebook::name_from`] makes it.
    pub name: Option<Arc<str>>,
    /// The database that SQL cells connect to.
    pub connection: Option<StoredConnection>,
    /// Set when a run of a cell also runs the cells that depend on it; else they only turn stale.
    pub reactive: bool,
    /// The number of the last edit.
    pub revision: Revision,
    /// The time of its creation.
    pub created_at: Timestamp,
    /// The time of its last edit.
    pub updated_at: Timestamp,
    /// Unknown fields.
    pub extra: Extra,
    /// Its cells, at most [`limits::CELLS`].
    pub cells: Cells,
    /// The cells on cycles, each with its cycle; derived by the graph, never stored.
    pub cycles: Arc<BTreeMap<CellId, Arc<Cycle>>>,
}

impl Notebook {
    /// Makes a notebook without cells.
    #[must_use]
    pub fn new(id: NotebookId, life: Life, owner: UserId, at: Timestamp) -> Self {
        Self {
            id,
            life,
            owner,
            name: None,
            connection: None,
            reactive: true,
            revision: Revision(0),
            created_at: at,
            updated_at: at,
            extra: Extra::default(),
            cells: Cells::default(),
            cycles: Arc::default(),
        }
    }

    /// Returns the base of a change that follows this state.
    #[must_use]
    pub fn base(&self) -> Base {
        Base { life: self.life, revision: self.revision }
    }

    /// Makes a name of a text, without blanks at its ends; a blank text is none.
    ///
    /// # Errors
    /// When it is longer than [`limits::NAME_CHARS`] or holds NUL.
    pub fn name_from(text: &str) -> Result<Option<Arc<str>>, Invalid> {
        let text = text.trim();
        limits::short_text("the notebook's name", limits::NAME_CHARS, text)?;
        Ok(if text.is_empty() { None } else { Some(Arc::from(text)) })
    }
}
