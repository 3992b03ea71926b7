//! Digests of what runs compute from, which tell whether a cell's results are still those of the notebook.

use std::fmt;
use std::str::FromStr;

use quire_analysis::CellType;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Digest of all that a run of a cell computes from: its type, its code, and for each name that it takes from another cell the
/// name and that cell's digest. So it differs as soon as anything differs that a result may depend on, however many cells away,
/// and is the same again when that is taken back.
///
/// Ids, places and unknown fields do not count: a cell that moves without another binding keeps its digest. A cell
/// that does not parse computes from its code alone. Cells that depend on each other, as functions of two cells that
/// call each other do, count by one digest of the whole group where that goes round.
///
/// The first 16 bytes of a SHA-256.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunDigest([u8; 16]);

/// Kinds of hashed content, so that none is taken for another.
#[derive(Clone, Copy)]
enum Kind {
    Content = 0,
    Run = 1,
    Group = 2,
}

/// A name that a run takes, with the digest of the cell that writes it.
pub(crate) struct Input<'a> {
    /// Set for an SQL table, whose names are apart from Python's.
    pub(crate) is_table: bool,
    pub(crate) name: &'a str,
    pub(crate) writer: RunDigest,
}

impl RunDigest {
    /// Returns the digest of a run that takes nothing from other cells.
    pub(crate) fn of_content(cell_type: CellType, code: &str) -> Self {
        Self::finish(hasher(Kind::Content).chain_update(cell_type.as_str()).chain_update([0]).chain_update(code))
    }

    /// Returns the digest of a run that takes these names, each of which is there once.
    pub(crate) fn of_run(content: Self, mut inputs: Vec<Input<'_>>) -> Self {
        if inputs.is_empty() {
            return content;
        }
        inputs.sort_unstable_by_key(|input| (input.is_table, input.name));
        let mut hasher = hasher(Kind::Run).chain_update(content.0);
        for Input { is_table, name, writer } in inputs {
            hasher.update([u8::from(is_table)]);
            hasher.update(u64::try_from(name.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(name);
            hasher.update(writer.0);
        }
        Self::finish(hasher)
    }

    /// Returns the digest of cells that depend on each other, given what each of them takes from outside the group.
    pub(crate) fn of_group(mut members: Vec<Self>) -> Self {
        members.sort_unstable();
        Self::finish(members.iter().fold(hasher(Kind::Group), |hasher, member| hasher.chain_update(member.0)))
    }

    fn finish(hasher: Sha256) -> Self {
        let mut digest = [0; 16];
        digest.iter_mut().zip(hasher.finalize()).for_each(|(to, byte)| *to = byte);
        Self(digest)
    }
}

fn hasher(kind: Kind) -> Sha256 {
    Sha256::new().chain_update([kind as u8])
}

impl fmt::Display for RunDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RunDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<RunDigest> for String {
    fn from(digest: RunDigest) -> Self {
        digest.to_string()
    }
}

/// A text that is no run digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the digest of a run, which is 32 hexadecimal digits in lower case")]
pub struct InvalidRunDigest;

impl FromStr for RunDigest {
    type Err = InvalidRunDigest;

    fn from_str(text: &str) -> Result<Self, InvalidRunDigest> {
        let mut digest = [0; 16];
        hex::decode_to_slice(text, &mut digest).map_err(|_unlike| InvalidRunDigest)?;
        // One spelling, so that a digest is stored as it was read.
        let digest = Self(digest);
        if digest.to_string() == text { Ok(digest) } else { Err(InvalidRunDigest) }
    }
}

impl TryFrom<String> for RunDigest {
    type Error = InvalidRunDigest;

    fn try_from(text: String) -> Result<Self, InvalidRunDigest> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_one_spelling() {
        let digest = RunDigest::of_content(CellType::Python, "x = 1");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for bad in ["", "ab", &digest.to_string().to_uppercase(), &"0".repeat(31), &"0".repeat(33), &"g".repeat(32)] {
            assert_eq!(bad.parse::<RunDigest>(), Err(InvalidRunDigest), "{bad}");
        }
    }

    #[test]
    fn names_and_their_writers_count_and_their_order_does_not() {
        let content = RunDigest::of_content(CellType::Python, "f(x, y)");
        let [one, two] = ["1", "2"].map(|code| RunDigest::of_content(CellType::Python, code));
        let run = |inputs: &[(bool, &str, RunDigest)]| {
            let input = |&(is_table, name, writer): &_| Input { is_table, name, writer };
            // A closure cannot say that the input lives as long as the slice, so the names are those of the slice.
            RunDigest::of_run(content, inputs.iter().map(input).collect())
        };
        assert_eq!(run(&[(false, "x", one), (false, "y", two)]), run(&[(false, "y", two), (false, "x", one)]));
        let all = [
            run(&[]),
            run(&[(false, "x", one)]),
            run(&[(true, "x", one)]),
            run(&[(false, "x", two)]),
            run(&[(false, "xy", one)]),
            run(&[(false, "x", one), (false, "y", two)]),
            run(&[(false, "x", two), (false, "y", one)]),
        ];
        for (index, digest) in all.iter().enumerate() {
            assert!(!all[..index].contains(digest), "case {index}");
        }
    }
}
