//! Lists of notebooks: filter, page and cursor.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use quire_domain::{NotebookId, Revision, Timestamp, UserId};

/// The notebooks to list; the default is those of all owners.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Only those of this owner; absent means those of all owners, for copying or checking a whole store.
    pub owner: Option<UserId>,
}

impl ListFilter {
    /// Selects the notebooks of this owner.
    #[must_use]
    pub fn of(owner: UserId) -> Self {
        Self { owner: Some(owner) }
    }
}

/// A part of a list; the default is all of it.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    /// Maximum number of notebooks; absent means all.
    pub limit: Option<usize>,
    /// The place after which the part begins; absent means the list's beginning.
    pub after: Option<Cursor>,
}

/// A place in a list: behind one notebook, whether it still exists or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Time at which the notebook was made.
    pub created_at: Timestamp,
    /// Its id.
    pub id: NotebookId,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.created_at.timestamp_micros(), self.id)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let parse = || {
            let (micros, id) = text.split_once('_')?;
            let created_at = Timestamp::from_timestamp_micros(micros.parse().ok()?)?;
            Some(Self { created_at, id: NotebookId::new(id).ok()? })
        };
        parse().ok_or(InvalidCursor)
    }
}

/// A text that no list gave out as a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a cursor that a list gave out")]
pub struct InvalidCursor;

/// A notebook in a list, without its cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The notebook.
    pub id: NotebookId,
    /// Its owner.
    pub owner: UserId,
    /// Its name.
    pub name: Option<Arc<str>>,
    /// Its last edit.
    pub revision: Revision,
    /// Time at which it was made.
    pub created_at: Timestamp,
    /// Time of its last edit.
    pub updated_at: Timestamp,
}

impl Summary {
    /// Returns its place in a list.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { created_at: self.created_at, id: self.id.clone() }
    }
}

/// An item of the store that should be a notebook and cannot be read as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Its place, as a person finds it: a file's name.
    pub place: String,
    /// The notebook that it is or seems to be, if that can be told.
    pub id: Option<NotebookId>,
    /// The kind and place of the damage; no content.
    pub reason: String,
}

/// A part of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The notebooks, oldest first; those made at the same time by id.
    pub notebooks: Vec<Summary>,
    /// Damaged notebooks that are, or may be, the owner's; the same on every page. All of them where no owner is asked for.
    pub damaged: Vec<Damaged>,
    /// The place at which the next page begins; absent when there is nothing more.
    pub next: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        let cursor = Cursor {
            created_at: Timestamp::from_timestamp_micros(-1_234_567).unwrap(),
            id: NotebookId::new("demo-user_1").unwrap(),
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "x", "12", "12_", "a_b", "99999999999999999999_a"] {
            assert_eq!(bad.parse::<Cursor>(), Err(InvalidCursor), "{bad}");
        }
    }
}
