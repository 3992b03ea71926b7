//! A notebook as plain data.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::{self, Invalid};
use crate::{CellId, Cells, Cycle, Extra, Life, NotebookId, StoredConnection, UserId};

/// A point in time, in UTC, to the microsecond.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// The number of a notebook's last edit; counts every edit, rename and connection included, but no results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub i64);

impl Revision {
    /// The last one there can be: the largest whole number that every JSON reader keeps exact (RFC 8259, section 6).
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The revision after this one; `None` after the last.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        (self < Self::MAX).then(|| Self(self.0 + 1))
    }
}

/// The state that a caller takes for stored: a change that is made on another life or revision is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// The notebook's life.
    pub life: Life,
    /// Its last edit.
    pub revision: Revision,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A notebook. A clone shares what it holds, so readers keep one for as long as they like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notebook {
    /// Unique in a store.
    pub id: NotebookId,
    /// Tells it from earlier and later notebooks of this id.
    pub life: Life,
    /// The only user who may read or change it.
    pub owner: UserId,
    /// As [`Notebook::name_from`] makes it.
    pub name: Option<Arc<str>>,
    /// The database that SQL cells connect to.
    pub connection: Option<StoredConnection>,
    /// The last edit.
    pub revision: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
    /// Fields that we don't know.
    pub extra: Extra,
    /// Its cells, at most [`limits::CELLS`].
    pub cells: Cells,
    /// The cells on cycles; derived by the graph, never stored.
    pub cycles: Arc<BTreeMap<CellId, Arc<Cycle>>>,
}

impl Notebook {
    /// A notebook without cells.
    #[must_use]
    pub fn new(id: NotebookId, life: Life, owner: UserId, at: Timestamp) -> Self {
        Self {
            id,
            life,
            owner,
            name: None,
            connection: None,
            revision: Revision(0),
            created_at: at,
            updated_at: at,
            extra: Extra::default(),
            cells: Cells::default(),
            cycles: Arc::default(),
        }
    }

    /// The base of a change that follows this state.
    #[must_use]
    pub fn base(&self) -> Base {
        Base { life: self.life, revision: self.revision }
    }

    /// A name as we keep it: without blanks at its ends, and none when nothing is left.
    ///
    /// # Errors
    /// When it is longer than [`limits::NAME_CHARS`] or holds NUL.
    pub fn name_from(text: &str) -> Result<Option<Arc<str>>, Invalid> {
        let text = text.trim();
        limits::short_text("the notebook's name", limits::NAME_CHARS, text)?;
        Ok(if text.is_empty() { None } else { Some(Arc::from(text)) })
    }
}
