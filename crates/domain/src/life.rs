//! Lives of notebooks, which distinguish a notebook from an earlier one with the same id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A number that a notebook has from its creation to its deletion. A notebook that is created again under the same id has another
/// life, so that a revision of the first is never taken for one of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Life(Uuid);

impl Life {
    /// The life of notebooks from before lives were recorded.
    pub const UNRECORDED: Self = Self(Uuid::nil());

    /// Makes a life of this number, which the caller has drawn at random.
    #[must_use]
    pub fn new(number: Uuid) -> Self {
        Self(number)
    }

    /// Returns the number to store.
    #[must_use]
    pub fn number(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// A text that is no life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a life, which is 32 hexadecimal digits")]
pub struct InvalidLife;

impl FromStr for Life {
    type Err = InvalidLife;

    fn from_str(text: &str) -> Result<Self, InvalidLife> {
        let life = Uuid::try_parse(text).map(Self).map_err(|_unlike| InvalidLife)?;
        // One spelling, so that what is compared as text is compared as a life.
        if life.to_string() == text { Ok(life) } else { Err(InvalidLife) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_has_one_spelling() {
        let life = Life::new(Uuid::from_u128(0xab));
        assert_eq!(life.to_string(), "000000000000000000000000000000ab");
        assert_eq!(life.to_string().parse(), Ok(life));
        for bad in ["", "ab", "000000000000000000000000000000AB", "00000000-0000-0000-0000-0000000000ab"] {
            assert_eq!(bad.parse::<Life>(), Err(InvalidLife), "{bad}");
        }
    }
}
