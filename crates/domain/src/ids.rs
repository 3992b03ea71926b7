//! Ids: opaque text, kept as it was given; not always UUIDs.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits;

/// The reason why a text is no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The text is empty.
    #[error("{what} is empty")]
    Empty {
        /// Kind of id: "notebook id", "cell id", "user id".
        what: &'static str,
    },
    /// More than the contract's limit.
    #[error("{what} has {actual} characters, more than the {limit} allowed")]
    TooLong {
        /// Kind of id.
        what: &'static str,
        /// Characters allowed.
        limit: usize,
        /// Characters given.
        actual: usize,
    },
    /// U+0000, which `PostgreSQL` cannot hold in text.
    #[error("{what} contains the character NUL")]
    Nul {
        /// Kind of id.
        what: &'static str,
    },
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $limit:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is.
            ///
            /// # Errors
            /// When it is empty, holds NUL or is longer than the limit.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                if text.is_empty() {
                    return Err(InvalidId::Empty { what: $what });
                }
                if text.contains('\0') {
                    return Err(InvalidId::Nul { what: $what });
                }
                // A text of few bytes cannot have too many characters; counting is for the rare long one.
                if text.len() > $limit {
                    let actual = text.chars().count();
                    if actual > $limit {
                        return Err(InvalidId::TooLong { what: $what, limit: $limit, actual });
                    }
                }
                Ok(Self(Arc::from(text)))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.as_str().to_owned()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// A notebook's id, unique in a store.
    NotebookId, "notebook id", limits::ID_CHARS
);
text_id!(
    /// A cell's id, unique in its notebook only.
    CellId, "cell id", limits::ID_CHARS
);
text_id!(
    /// The owner of notebooks: a token's `sub`.
    UserId, "user id", limits::USER_ID_CHARS
);

impl NotebookId {
    /// The notebook that every user gets first: one empty cell.
    ///
    /// # Errors
    /// When the user's id is so long that no notebook id can hold it.
    pub fn blank_of(user: &UserId) -> Result<Self, InvalidId> {
        Self::new(format!("blank-{user}"))
    }

    /// The notebook that every user gets second: a chain of cells to try.
    ///
    /// # Errors
    /// When the user's id is so long that no notebook id can hold it.
    pub fn demo_of(user: &UserId) -> Result<Self, InvalidId> {
        Self::new(format!("demo-{user}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kept_as_given_within_the_limit() {
        assert_eq!(NotebookId::new("demo-user_37U").unwrap().as_str(), "demo-user_37U");
        assert!(NotebookId::new("ä".repeat(200)).is_ok());
        assert_eq!(
            NotebookId::new("ä".repeat(201)),
            Err(InvalidId::TooLong { what: "notebook id", limit: 200, actual: 201 })
        );
        assert_eq!(CellId::new(""), Err(InvalidId::Empty { what: "cell id" }));
        assert_eq!(UserId::new("a\0b"), Err(InvalidId::Nul { what: "user id" }));
    }
}
