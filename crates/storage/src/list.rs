//! Lists of notebooks: which, how many, from where on.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use quire_domain::{NotebookId, Revision, Timestamp, UserId};

/// Which notebooks to list; the default is everybody's.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Only those of this owner; absent means everybody's, for whoever copies or checks a whole store.
    pub owner: Option<UserId>,
}

impl ListFilter {
    /// The notebooks of this owner.
    #[must_use]
    pub fn of(owner: UserId) -> Self {
        Self { owner: Some(owner) }
    }
}

/// Which part of a list; the default is all of it.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    /// At most so many notebooks; absent means all.
    pub limit: Option<usize>,
    /// Only what comes after this place.
    pub after: Option<Cursor>,
}

/// A place in a list: behind one notebook, whether it still exists or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// When the notebook was made.
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

/// What a list says of a notebook, without reading its cells.
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
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
}

impl Summary {
    /// Its place in a list.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { created_at: self.created_at, id: self.id.clone() }
    }
}

/// Something in the store that should be a notebook and cannot be read as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Where it is, as a person finds it: a file's name.
    pub place: String,
    /// The notebook it is or seems to be, when that can be told.
    pub id: Option<NotebookId>,
    /// What is wrong and where; no content.
    pub reason: String,
}

/// A part of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Oldest first; those made at the same time by id.
    pub notebooks: Vec<Summary>,
    /// What cannot be read and is, or may be, the owner's; the same on every page. All of it where no owner is asked for.
    pub damaged: Vec<Damaged>,
    /// Where the next page begins; absent when there is nothing more.
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
