//! A step of the schema, as data.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A step of the schema. Once published it is never edited: [`checksum`](Self::checksum) would give it away.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// `mYYYYMMDD_HHMMSS_what`: unique, and later than every earlier step's as text.
    pub name: &'static str,
    /// Whether servers that do not know the step can go on.
    pub kind: Kind,
    /// The SQL that applies it.
    pub up: &'static str,
    /// The SQL that takes it back.
    pub down: &'static str,
    /// Whether it runs in a transaction, and so leaves nothing behind when it fails.
    ///
    /// One that does not (`CREATE INDEX CONCURRENTLY` cannot) must be repeatable both ways, from whatever point it was cut off at,
    /// and must only take locks that let reads and writes go on. It runs with the role's own time-outs. A semicolon at the end of
    /// a line ends a statement of it.
    pub transactional: bool,
}

/// What a step means to servers that do not know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Servers of the schema before it work on the schema after it.
    Compatible,
    /// They do not.
    Breaking,
}

impl Kind {
    /// As it is recorded.
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
    /// SHA-256 of both texts, in hexadecimal.
    #[must_use]
    pub fn checksum(&self) -> String {
        // The separator keeps a line that moved from one text to the other from going unseen.
        let digest = Sha256::new().chain_update(self.up).chain_update([0]).chain_update(self.down).finalize();
        hex::encode(digest)
    }

    /// The statements that must be sent one by one: all of a transactional step at once, else each for itself, because
    /// several in one message would run in a transaction.
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
        // What `printf 'a\0b' | sha256sum` prints.
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
