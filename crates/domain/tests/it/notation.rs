//! A short way to write cells: `"b: x ~f @list #t +y #+u !broken"`.
//!
//! `x` reads, `~x` reads in a function, `@x` reads a built-in, `@~x` both, `+y` writes, `-y` deletes; `#t` reads a
//! table, `#+t` writes one; `!broken` does not parse, `!changes` is SQL that changes data.

use std::sync::Arc;

use quire_domain::{
    Analysis, Cell, CellId, CellType, Diagnostic, Edge, EdgeKind, Extra, OrderKey, Read, Results, Revision, Severity,
};

pub(crate) fn id(text: &str) -> CellId {
    CellId::new(text).unwrap()
}

pub(crate) fn ids(text: &str) -> Vec<CellId> {
    text.split_whitespace().map(id).collect()
}

/// Cells in the order given.
pub(crate) fn cells(lines: &[&str]) -> Vec<Arc<Cell>> {
    let cell = |(index, line): (usize, &&str)| {
        let (name, words) = line.split_once(':').unwrap();
        cell(name, OrderKey::at(index), words)
    };
    lines.iter().enumerate().map(cell).collect()
}

pub(crate) fn cell(name: &str, order: OrderKey, words: &str) -> Arc<Cell> {
    let mut analysis = Analysis::default();
    let mut broken = None;
    let mut cell_type = CellType::Python;
    for word in words.split_whitespace() {
        let (mark, name) = word.split_at(word.find(char::is_alphabetic).unwrap());
        let read = |deferred| Read { name: name.to_owned(), deferred };
        match (mark, name) {
            ("", _) => analysis.reads.push(read(false)),
            ("~", _) => analysis.reads.push(read(true)),
            ("@", _) => analysis.builtins_read.push(read(false)),
            ("@~", _) => analysis.builtins_read.push(read(true)),
            ("+", _) => analysis.writes.push(name.to_owned()),
            ("-", _) => analysis.deletes.push(name.to_owned()),
            ("#", _) => analysis.tables_read.push(name.to_owned()),
            ("#+", _) => analysis.tables_written.push(name.to_owned()),
            ("!", "broken") => broken = Some(Arc::new(syntax_error())),
            ("!", "changes") => analysis.changes_data = true,
            _ => panic!("{word:?} means nothing"),
        }
    }
    if words.contains('#') || words.contains("!changes") {
        cell_type = CellType::Sql;
    }
    Arc::new(Cell {
        id: id(name),
        order,
        cell_type,
        code: Arc::from(words),
        revision: Revision(0),
        analysis: Arc::new(analysis),
        broken,
        results: Arc::new(Results::default()),
        extra: Extra::default(),
        run_digest: quire_domain::RunDigest::default(),
    })
}

fn syntax_error() -> Diagnostic {
    Diagnostic { severity: Severity::Error, message: "does not parse".to_owned(), line: 1, column: 1, offset: 0 }
}

/// `a -x-> b`, `a ~x~> b` when deferred, `a #x#> b` for a table.
pub(crate) fn show(edge: &Edge) -> String {
    let sign = match edge.kind {
        EdgeKind::Eager => '-',
        EdgeKind::Deferred => '~',
        EdgeKind::Table => '#',
    };
    format!("{} {sign}{}{sign}> {}", edge.parent, edge.name, edge.child)
}
