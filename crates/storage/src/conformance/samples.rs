//! Sample notebooks and edits.

use std::sync::Arc;

use quire_domain::{
    Cell, CellId, CellStatus, CellType, Edit, Extra, Json, Life, Notebook, NotebookId, OrderKey, Output, Place,
    Results, Revision, StoredConnection, UserId,
};

use uuid::Uuid;

use super::Failure;
use super::check::time;

/// An empty notebook of the user `ann`, in a life of its own.
pub(super) fn empty(id: &str) -> Result<Notebook, Failure> {
    Ok(Notebook::new(NotebookId::new(id)?, Life::new(Uuid::new_v4()), UserId::new("ann")?, time(0)))
}

/// A notebook of Python cells `(id, code)`.
pub(super) fn with_cells(id: &str, cells: &[(&str, &str)]) -> Result<Notebook, Failure> {
    let mut notebook = empty(id)?;
    let cells = cells.iter().enumerate().map(|(index, (id, code))| cell(index, id, code));
    notebook.cells = cells.collect::<Result<Vec<_>, _>>()?.into_iter().collect();
    Ok(notebook)
}

/// A Python cell at this index.
pub(super) fn cell(index: usize, id: &str, code: &str) -> Result<Cell, Failure> {
    Ok(Cell {
        id: CellId::new(id)?,
        order: OrderKey::at(index),
        cell_type: CellType::Python,
        code: Arc::from(code),
        revision: Revision(0),
        analysis: Cell::stored_names(Vec::new(), Vec::new()),
        broken: None,
        results: Arc::default(),
        extra: Extra::default(),
        run_digest: quire_domain::RunDigest::default(),
    })
}

/// Unknown fields.
pub(super) fn extra(fields: &[(&str, &str)]) -> Result<Extra, Failure> {
    let fields = fields.iter().map(|(name, json)| Ok(((*name).into(), Json::parse(json)?)));
    Ok(Extra::new(fields.collect::<Result<_, Failure>>()?))
}

/// Results with one text.
pub(super) fn printed(stdout: &str) -> Arc<Results> {
    Arc::new(Results { status: CellStatus::Success, stdout: stdout.to_owned(), ..Results::default() })
}

/// An output.
pub(super) fn output(mime_type: &str, data: &str, metadata: &str) -> Result<Output, Failure> {
    Ok(Output { mime_type: mime_type.to_owned(), data: Json::parse(data)?, metadata: Json::parse(metadata)? })
}

/// An edit of a cell's code.
pub(super) fn update(id: &str, code: &str) -> Result<Edit, Failure> {
    Ok(Edit::UpdateCell { id: CellId::new(id)?, code: Arc::from(code) })
}

/// An edit that puts a new cell at a place.
pub(super) fn insert(id: &str, code: &str, place: Place) -> Result<Edit, Failure> {
    Ok(Edit::InsertCell { id: CellId::new(id)?, cell_type: CellType::Python, code: Arc::from(code), place })
}

/// An edit of a cell's results.
pub(super) fn results(id: &str, results: Arc<Results>) -> Result<Edit, Failure> {
    Ok(Edit::SetResults { id: CellId::new(id)?, results })
}

/// A notebook in which no field has its default.
pub(super) fn full(id: &str) -> Result<Notebook, Failure> {
    let mut notebook = empty(id)?;
    notebook.owner = UserId::new("user_37é/\\\"x")?;
    notebook.name = Some(Arc::from("Umsätze 📈 \"2026\" \\ Q1"));
    notebook.connection = sealed("k1.Zm9vYmFy_-")?;
    notebook.reactive = false;
    notebook.revision = Revision(41);
    notebook.created_at = time(123_456);
    notebook.updated_at = time(999_999_999);
    notebook.extra = extra(&[("theme", r#"{"dark":true,"accent":"teal"}"#), ("pinned", "true"), ("nothing", "null")])?;

    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut numbers = cell(0, "numbers", "x = 1\r\ny = 'ü'\n")?;
    numbers.revision = Revision(40);
    numbers.analysis = Cell::stored_names(Vec::new(), names(&["x", "y"]));
    numbers.extra = extra(&[("collapsed", "false"), ("tags", r#"["a","b"]"#)])?;
    numbers.results = Arc::new(Results {
        status: CellStatus::Success,
        stdout: "one\ntwo\0three\r\n".to_owned(),
        error: None,
        outputs: vec![
            output("text/plain", r#""1""#, "{}")?,
            output("application/json", r#"{"z":[1,2.50,1e2],"a":null}"#, r#"{"width":640,"isolated":true}"#)?,
        ],
        code_digest: Some(numbers.code_digest()),
        run_digest: Some("0123456789abcdef0123456789abcdef".parse()?),
        started_at: Some(time(1_000_001)),
        finished_at: Some(time(2_000_002)),
    });
    let mut query = cell(1, "query", "SELECT * FROM t WHERE x = {x}")?;
    query.cell_type = CellType::Sql;
    query.revision = Revision(7);
    query.analysis = Cell::stored_names(names(&["x"]), Vec::new());
    query.results = Arc::new(Results {
        status: CellStatus::Error,
        started_at: Some(time(3_000_003)),
        error: Some("UndefinedTable: relation \"t\" does not exist\n\0".to_owned()),
        ..Results::default()
    });
    let mut blocked = cell(2, "blocked", "print(rows)")?;
    blocked.revision = Revision(41);
    blocked.analysis = Cell::stored_names(names(&["rows"]), Vec::new());
    blocked.results = Arc::new(Results { status: CellStatus::Blocked, ..Results::default() });
    let fresh = cell(3, "empty", "")?;
    notebook.cells = [numbers, query, blocked, fresh].into_iter().collect();
    Ok(notebook)
}

/// A connection string as it is stored: sealed, as far as a store can tell.
pub(super) fn sealed(text: &str) -> Result<Option<StoredConnection>, Failure> {
    Ok(StoredConnection::new(&format!("{}{text}", StoredConnection::SEALED_PREFIX))?)
}
