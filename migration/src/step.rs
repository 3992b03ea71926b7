//! A step of the schema.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A step of the schema. A published step is never edited: [`checksum`](Self::checksum) would reveal it.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// `mYYYYMMDD_HHMMSS_what`: unique, and later as text than the names of all earlier steps.
    pub name: &'static str,
    /// Compatibility with servers that do not know the step.
    pub kind: Kind,
    /// SQL that applies the step.
    pub up: &'static str,
    /// SQL that takes the step back.
    pub down: &'static str,
    /// `true` if the step runs in a transaction, and so is rolled back when it fails.
    ///
    /// A step outside a transaction (`CREATE INDEX CONCURRENTLY` requires it) must be repeatable in both directions,
    /// from any point of interruption, and must only take locks that permit reads and writes. It runs with the role's
    /// own time-outs. A semicolon at the end of a line ends a statement of it.
    pub transactional: bool,
}

/// Compatibility of a step with servers that do not know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Servers of the schema before the step work on the schema after it.
    Compatible,
    /// Servers of the schema before the step do not work on the schema after it.
    Breaking,
}

impl Kind {
    /// Returns the kind as it is recorded.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compatible => "compatible",
            Self::Breaking => "breaking",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Step {
    /// Returns the SHA-256 of both texts, in hexadecimal.
    #[must_use]
    pub fn checksum(&self) -> String {
        // Without the separator, moving a line from one text to the other would keep the digest.
        let digest = Sha256::new().chain_update(self.up).chain_update([0]).chain_update(self.down).finalize();
        hex::encode(digest)
    }

    /// Returns the messages that are sent one by one: a transactional step as one message, other steps statement by
    /// statement, because several statements in one message would run in a transaction.
    pub(crate) fn messages(&self, sql: &'static str) -> Vec<&'static str> {
        if self.transactional {
            return vec![sql];
        }
        sql.split_inclusive(";\n").map(str::trim).filter(|statement| !statement.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Step};

    #[test]
    fn the_checksum_covers_both_texts_and_their_border() {
        let step = |up, down| Step { name: "m", kind: Kind::Compatible, up, down, transactional: true }.checksum();
        // Output of `printf 'a\0b' | sha256sum`.
        assert_eq!(step("a", "b"), "59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138");
        let all = [step("a", "b"), step("ab", ""), step("", "ab"), step("b", "a")];
        assert!(all.iter().enumerate().all(|(index, sum)| !all[..index].contains(sum)), "{all:?}");
    }

    #[test]
    fn statements_outside_a_transaction_go_one_by_one() {
        let sql = "DROP INDEX a;\nCREATE INDEX a\n    ON t (';');\n\nSELECT 1";
        let step = Step { name: "m", kind: Kind::Compatible, up: sql, down: "", transactional: false };
        assert_eq!(step.messages(sql), ["DROP INDEX a;", "CREATE INDEX a\n    ON t (';');", "SELECT 1"]);
        assert_eq!(Step { transactional: true, ..step }.messages(sql), [sql]);
    }
}
