//! Digests of notebooks' contents, for comparing two without having both.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{Cell, Extra, Notebook, Results};

/// SHA-256 over the content of a notebook that its owner sees: id, owner, name, unknown fields, and of each cell in order id, type,
/// code, results and unknown fields; and whether a run leaves the cells that depend on it to be run by hand.
///
/// Left out are the connection string, whose sealed text differs each time it is sealed; revisions and times; and
/// derived or internal data: names read and written, cycles, order keys. Unknown
/// fields count by their characters, however those are written (`é` or `\u00e9`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentDigest(pub [u8; 32]);

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Notebook {
    /// Returns the digest of this notebook's content.
    #[must_use]
    pub fn content_digest(&self) -> ContentDigest {
        let mut hasher = Hasher(Sha256::new());
        hasher.text(self.id.as_str());
        hasher.text(self.owner.as_str());
        hasher.optional(self.name.as_deref());
        hasher.extra(&self.extra);
        if !self.reactive {
            hasher.mark();
        }
        hasher.count(self.cells.len());
        for cell in self.cells.iter() {
            hasher.cell(cell);
        }
        ContentDigest(hasher.0.finalize().into())
    }
}

/// A hasher that puts the length before each text, so that no two contents are the same bytes.
struct Hasher(Sha256);

impl Hasher {
    fn count(&mut self, count: usize) {
        self.0.update(u64::try_from(count).unwrap_or(u64::MAX).to_be_bytes());
    }

    /// Marks content that older notebooks have not, whose digests stay what they were: no text is as long.
    fn mark(&mut self) {
        self.0.update(u64::MAX.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text);
    }

    fn optional(&mut self, text: Option<&str>) {
        self.count(usize::from(text.is_some()));
        self.text(text.unwrap_or_default());
    }

    fn extra(&mut self, extra: &Extra) {
        self.count(extra.iter().count());
        for (name, value) in extra.iter() {
            self.text(name);
            self.text(&value.with_plain_characters());
        }
    }

    fn cell(&mut self, cell: &Cell) {
        self.text(cell.id.as_str());
        self.text(cell.cell_type.as_str());
        self.text(&cell.code);
        self.text(cell.results.status.as_str());
        self.text(&cell.results.stdout);
        self.optional(cell.results.error.as_deref());
        self.optional(cell.results.code_digest.as_deref());
        self.count(cell.results.outputs.len());
        for output in &cell.results.outputs {
            self.text(&output.mime_type);
            self.text(output.data.as_str());
            self.text(output.metadata.as_str());
        }
        let Results { run_digest, started_at, finished_at, .. } = &*cell.results;
        if run_digest.is_some() || started_at.is_some() || finished_at.is_some() {
            self.mark();
            self.optional(run_digest.map(|digest| digest.to_string()).as_deref());
            for time in [started_at, finished_at] {
                self.optional(time.map(|time| time.timestamp_micros().to_string()).as_deref());
            }
        }
        self.extra(&cell.extra);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{CellId, CellType, Json, NotebookId, OrderKey, Output, Revision, StoredConnection, Timestamp, UserId};

    fn cell() -> Cell {
        Cell {
            id: CellId::new("c").unwrap(),
            order: OrderKey::at(0),
            cell_type: CellType::Python,
            code: Arc::from("x = 1"),
            revision: Revision(0),
            analysis: Arc::default(),
            broken: None,
            results: Arc::default(),
            extra: Extra::default(),
            run_digest: crate::RunDigest::default(),
        }
    }

    fn notebook(cell: Cell) -> Notebook {
        let id = NotebookId::new("n").unwrap();
        let mut notebook = Notebook::new(id, crate::Life::UNRECORDED, UserId::new("u").unwrap(), Timestamp::default());
        notebook.cells = [cell].into_iter().collect();
        notebook
    }

    fn extra(value: &str) -> Extra {
        Extra::new(vec![("field".into(), Json::parse(value).unwrap())])
    }

    #[test]
    fn any_change_of_content_changes_it_and_nothing_else_does() {
        let same = notebook(cell());
        let digest = same.content_digest();
        let results = |results| Cell { results: Arc::new(results), ..cell() };
        let output = Output {
            mime_type: "text/plain".to_owned(),
            data: Json::parse("1").unwrap(),
            metadata: Json::parse("{}").unwrap(),
        };
        let others = [
            Cell { id: CellId::new("d").unwrap(), ..cell() },
            Cell { cell_type: CellType::Sql, ..cell() },
            Cell { code: Arc::from("x = 2"), ..cell() },
            Cell { extra: extra("1"), ..cell() },
            Cell { extra: extra("1.0"), ..cell() },
            results(Results { status: crate::CellStatus::Success, ..Results::default() }),
            results(Results { stdout: "x".to_owned(), ..Results::default() }),
            results(Results { error: Some(String::new()), ..Results::default() }),
            results(Results { code_digest: Some(String::new()), ..Results::default() }),
            results(Results { run_digest: Some(crate::RunDigest::default()), ..Results::default() }),
            results(Results { started_at: Some(Timestamp::UNIX_EPOCH), ..Results::default() }),
            results(Results { finished_at: Some(Timestamp::UNIX_EPOCH), ..Results::default() }),
            results(Results { finished_at: Some(Timestamp::MAX_UTC), ..Results::default() }),
            results(Results { outputs: vec![output.clone()], ..Results::default() }),
            results(Results { outputs: vec![output.clone(), output], ..Results::default() }),
        ];
        let mut digests: Vec<_> = others.into_iter().map(|cell| notebook(cell).content_digest()).collect();
        digests.push(Notebook { name: Some(Arc::from("name")), ..same.clone() }.content_digest());
        digests.push(Notebook { owner: UserId::new("v").unwrap(), ..same.clone() }.content_digest());
        digests.push(Notebook { reactive: false, ..same.clone() }.content_digest());
        digests.push(digest);
        for (index, one) in digests.iter().enumerate() {
            assert!(!digests[..index].contains(one), "content {index} has the digest of another");
        }

        let derived = Cell { order: OrderKey::at(7), revision: Revision(3), ..cell() };
        let mut moved = notebook(derived);
        moved.revision = Revision(9);
        moved.connection = StoredConnection::new("q1.k.x").unwrap();
        moved.updated_at = Timestamp::MAX_UTC;
        assert_eq!(moved.content_digest(), digest);
    }

    /// A database keeps digests, and an importer compares them with those that it makes.
    #[test]
    fn what_older_notebooks_have_not_leaves_their_digests() {
        let digest = notebook(cell()).content_digest().to_string();
        assert_eq!(digest, "553d9856ce5197e3d83daba968aafdab0ad1c3e429adcf6e23fd7bc728ef9e15");
    }

    #[test]
    fn unknown_fields_count_by_their_characters() {
        let with = |value| notebook(Cell { extra: extra(value), ..cell() }).content_digest();
        assert_eq!(with(r#""é😀""#), with(r#""\u00e9\uD83D\ude00""#));
        assert_ne!(with(r#""\ud800""#), with(r#""\ud801""#));
        assert_ne!(with(r#""\\u00e9""#), with(r#""\\é""#));
    }
}
