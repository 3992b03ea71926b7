//! Comparison of two notebooks in every field, which names each difference without its content.

use std::collections::{HashMap, HashSet};

use quire_domain::{Cell, CellId, Extra, Notebook, analyse};

use crate::connection::{self, Keys};

/// Maximum number of differences that are named; the others are counted.
const MAX_NAMED: usize = 20;

/// Differences between two notebooks.
#[derive(Debug, Default)]
pub(crate) struct Differences {
    named: Vec<String>,
    more: usize,
}

impl Differences {
    pub(crate) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    pub(crate) fn text(&self) -> String {
        let named = self.named.join(", ");
        if self.more == 0 { named } else { format!("{named} and {} more", self.more) }
    }

    pub(crate) fn add(&mut self, what: String) {
        if self.named.len() < MAX_NAMED {
            self.named.push(what);
        } else {
            self.more += 1;
        }
    }

    fn unless(&mut self, same: bool, what: impl FnOnce() -> String) {
        if !same {
            self.add(what());
        }
    }
}

/// Compares two notebooks in everything except revisions, times of edits and derived data.
pub(crate) fn compare(read: &Notebook, stored: &Notebook, keys: &Keys) -> Differences {
    let mut found = Differences::default();
    found.unless(read.id == stored.id, || "id".to_owned());
    found.unless(read.owner == stored.owner, || "owner".to_owned());
    found.unless(read.name == stored.name, || "name".to_owned());
    found.unless(read.reactive == stored.reactive, || "whether runs go on".to_owned());
    found.unless(connection::is_same(read, stored, keys), || connection_of(stored, keys));
    found.unless(is_same_extra(&read.extra, &stored.extra), || "unknown fields".to_owned());
    compare_cells(read, stored, &mut found);
    found
}

fn connection_of(stored: &Notebook, keys: &Keys) -> String {
    let is_sealed = stored.connection.as_ref().is_some_and(quire_domain::StoredConnection::is_sealed);
    let hint = if keys.is_none() && is_sealed { " (not to be compared without QUIRE_SECRET_KEY)" } else { "" };
    format!("connection string{hint}")
}

fn compare_cells(read: &Notebook, stored: &Notebook, found: &mut Differences) {
    let theirs: HashMap<&CellId, &Cell> = stored.cells.iter().map(|cell| (&cell.id, &**cell)).collect();
    let ours: HashSet<&CellId> = read.cells.iter().map(|cell| &cell.id).collect();
    for (index, cell) in read.cells.iter().enumerate() {
        let name = format!("cell {} ({})", index + 1, cell.id);
        match theirs.get(&cell.id) {
            Some(other) => compare_cell(&name, cell, other, found),
            None => found.add(format!("{name} is not in the database")),
        }
    }
    for cell in stored.cells.iter().filter(|cell| !ours.contains(&cell.id)) {
        found.add(format!("cell {} is in the database only", cell.id));
    }
    let common = |cells: &quire_domain::Cells, others: &dyn Fn(&CellId) -> bool| -> Vec<CellId> {
        cells.iter().map(|cell| cell.id.clone()).filter(|id| others(id)).collect()
    };
    let (one, other) =
        (common(&read.cells, &|id| theirs.contains_key(id)), common(&stored.cells, &|id| ours.contains(id)));
    found.unless(one == other, || "the order of the cells".to_owned());
}

fn compare_cell(name: &str, read: &Cell, stored: &Cell, found: &mut Differences) {
    let (ours, theirs) = (&read.results, &stored.results);
    let mut check = |same: bool, what: &str| found.unless(same, || format!("{name}: {what}"));
    check(read.cell_type == stored.cell_type, "type");
    check(read.code == stored.code, "code");
    check(is_same_extra(&read.extra, &stored.extra), "unknown fields");
    check(ours.status == theirs.status, "status");
    check(ours.stdout == theirs.stdout, "stdout");
    check(ours.error == theirs.error, "error");
    check(ours.code_digest == theirs.code_digest, "digest of the code that ran");
    check(ours.run_digest == theirs.run_digest, "digest of what ran");
    check(ours.started_at == theirs.started_at && ours.finished_at == theirs.finished_at, "times of the run");
    check(ours.outputs.len() == theirs.outputs.len(), "number of outputs");
    for (index, (ours, theirs)) in ours.outputs.iter().zip(&theirs.outputs).enumerate() {
        let number = index + 1;
        check(ours.mime_type == theirs.mime_type, &format!("output {number}: MIME type"));
        check(ours.data == theirs.data, &format!("output {number}: data"));
        check(ours.metadata == theirs.metadata, &format!("output {number}: metadata"));
    }
}

/// Returns `true` if both have the same fields in the same order, however the characters in their values are escaped.
fn is_same_extra(one: &Extra, other: &Extra) -> bool {
    let (one, other): (Vec<_>, Vec<_>) = (one.iter().collect(), other.iter().collect());
    one.len() == other.len()
        && one.iter().zip(&other).all(|((name, value), (other_name, other_value))| {
            name == other_name && value.with_plain_characters() == other_value.with_plain_characters()
        })
}

/// Counts the cells whose stored names are not those of a fresh analysis. Names are derived, so this is not a
/// difference. Code that does not parse has no fresh names.
pub(crate) fn cells_with_other_names(stored: &Notebook) -> usize {
    let differs = |cell: &Cell| {
        let fresh = analyse(cell.cell_type, &cell.code);
        let reads: HashSet<&str> = fresh.reads.iter().map(|read| read.name.as_str()).collect();
        let writes: HashSet<&str> = fresh.writes.iter().map(String::as_str).collect();
        fresh.error().is_none() && (reads != cell.reads().collect() || writes != cell.writes().collect())
    };
    stored.cells.iter().filter(|cell| differs(cell)).count()
}
