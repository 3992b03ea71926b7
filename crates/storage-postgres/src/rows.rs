//! Conversion of rows to domain types. An error names the table, column and id of a row that cannot be read.
//!
//! One file, because all rows of a notebook come from one statement and are read together.

use std::collections::HashMap;
use std::sync::Arc;

use quire_domain::{
    Base, Cell, CellId, CellStatus, CellType, Extra, Json, JsonError, Life, Notebook, NotebookId, OrderKey, Output,
    Results, Revision, RunDigest, StoredConnection, Timestamp, UserId,
};
use quire_storage::{Committed, Loaded, Version};
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult, Statement, StatementBuilder};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::error::Error;
use crate::text;

/// Runs a query of one table.
///
/// # Errors
/// The errors of the connection, and [`Error::Row`] for a row whose types differ from the schema's.
pub(crate) async fn all<T: FromQueryResult>(
    db: &impl ConnectionTrait,
    query: &impl StatementBuilder,
    table: &'static str,
) -> Result<Vec<T>, Error> {
    db.query_all(query).await?.iter().map(|row| read(row, table, &[])).collect()
}

/// Does the same as [`all`] for a query that finds at most one row.
pub(crate) async fn one<T: FromQueryResult>(
    db: &impl ConnectionTrait,
    query: &impl StatementBuilder,
    table: &'static str,
) -> Result<Option<T>, Error> {
    db.query_one(query).await?.as_ref().map(|row| read(row, table, &[])).transpose()
}

/// Reads a row by the names of its columns. `columns` maps the query's aliases to the table's names.
fn read<T: FromQueryResult>(
    row: &QueryResult,
    table: &'static str,
    columns: &[(&str, &'static str)],
) -> Result<T, Error> {
    T::from_query_result(row, "").map_err(|error| {
        let reason = error.to_string();
        let column = columns.iter().find(|(alias, _)| reason.contains(alias)).map_or("", |(_, column)| *column);
        let reason = if column.is_empty() { reason } else { "it is not what the schema says".to_owned() };
        let row = row.try_get::<String>("", "id").ok().map(|id| format!("{id:?}"));
        Error::Row { table, column, row, reason }
    })
}

/// Returns a number of rows for `LIMIT` and `OFFSET`, within `bigint`, as which SeaORM binds it.
pub(crate) fn limit(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX).min(i64::MAX.unsigned_abs())
}

/// Returns the error for a value that the domain refuses.
pub(crate) fn refuse<'a>(
    table: &'static str,
    id: &'a str,
    column: &'static str,
) -> impl Fn(&dyn std::fmt::Display) -> Error + use<'a> {
    move |error| Error::Row { table, column, row: Some(format!("{id:?}")), reason: error.to_string() }
}

/// The life and the revision of a row of `notebooks`.
#[derive(Debug, FromQueryResult)]
pub(crate) struct BaseRow {
    life: Uuid,
    revision: i64,
}

impl From<BaseRow> for Base {
    fn from(row: BaseRow) -> Self {
        Self { life: Life::new(row.life), revision: Revision(row.revision) }
    }
}

/// The versions of a notebook that a change returned: the new one and the one before it.
#[derive(Debug, FromQueryResult)]
pub(crate) struct VersionRow {
    version: i64,
    previous: Option<i64>,
}

impl From<VersionRow> for Committed {
    fn from(row: VersionRow) -> Self {
        Self { version: Version(row.version), previous: row.previous.map(Version) }
    }
}

/// The row of the notebook itself among those of `load.sql`, whose columns the three kinds of rows share.
#[derive(FromQueryResult)]
struct NotebookRow {
    id: String,
    #[sea_orm(from_alias = "text_2")]
    user_id: String,
    #[sea_orm(from_alias = "text_3")]
    name: Option<String>,
    #[sea_orm(from_alias = "text_4")]
    db_conn_sealed: Option<String>,
    #[sea_orm(from_alias = "text_5")]
    extra: Option<String>,
    #[sea_orm(from_alias = "text_6")]
    life: String,
    #[sea_orm(from_alias = "number_1")]
    revision: i64,
    #[sea_orm(from_alias = "number_2")]
    version: i64,
    #[sea_orm(from_alias = "time_1")]
    created_at: Timestamp,
    #[sea_orm(from_alias = "time_2")]
    updated_at: Timestamp,
    reactive: bool,
}

#[derive(FromQueryResult)]
struct CellRow {
    id: String,
    #[sea_orm(from_alias = "text_2")]
    order_key: String,
    #[sea_orm(from_alias = "text_3")]
    cell_type: String,
    #[sea_orm(from_alias = "text_4")]
    code: String,
    #[sea_orm(from_alias = "text_5")]
    extra: Option<String>,
    #[sea_orm(from_alias = "text_6")]
    status: String,
    #[sea_orm(from_alias = "text_7")]
    stdout: String,
    #[sea_orm(from_alias = "text_8")]
    error: Option<String>,
    #[sea_orm(from_alias = "text_9")]
    code_digest: Option<String>,
    #[sea_orm(from_alias = "text_10")]
    run_digest: Option<String>,
    reads: Vec<String>,
    writes: Vec<String>,
    #[sea_orm(from_alias = "number_1")]
    revision: i64,
    #[sea_orm(from_alias = "number_2")]
    output_count: i64,
    #[sea_orm(from_alias = "time_1")]
    run_started_at: Option<Timestamp>,
    #[sea_orm(from_alias = "time_2")]
    run_finished_at: Option<Timestamp>,
}

#[derive(FromQueryResult)]
struct OutputRow {
    #[sea_orm(from_alias = "id")]
    cell_id: String,
    #[sea_orm(from_alias = "text_2")]
    mime_type: String,
    #[sea_orm(from_alias = "text_3")]
    data: String,
    #[sea_orm(from_alias = "text_4")]
    metadata: String,
    #[sea_orm(from_alias = "number_1")]
    ordinal: i64,
}

/// Aliases in `load.sql`, each with the name of the table's column.
const NOTEBOOK_COLUMNS: [(&str, &str); 10] = [
    ("text_2", "user_id"),
    ("text_3", "name"),
    ("text_4", "db_conn_sealed"),
    ("text_5", "extra"),
    ("text_6", "life"),
    ("number_1", "revision"),
    ("number_2", "version"),
    ("time_1", "created_at"),
    ("time_2", "updated_at"),
    ("reactive", "reactive"),
];
const CELL_COLUMNS: [(&str, &str); 15] = [
    ("text_2", "order_key"),
    ("text_3", "type"),
    ("text_4", "code"),
    ("text_5", "extra"),
    ("text_6", "status"),
    ("text_7", "stdout"),
    ("text_8", "error"),
    ("text_9", "code_digest"),
    ("text_10", "run_digest"),
    ("number_1", "revision"),
    ("number_2", "output_count"),
    ("time_1", "run_started_at"),
    ("time_2", "run_finished_at"),
    ("reads", "reads"),
    ("writes", "writes"),
];
const OUTPUT_COLUMNS: [(&str, &str); 4] =
    [("text_2", "mime_type"), ("text_3", "data"), ("text_4", "metadata"), ("number_1", "ordinal")];

/// Kinds of the rows that `load.sql` returns.
const NOTEBOOK: i32 = 1;
const CELL: i32 = 2;

/// Outputs by cell, with their positions.
type Outputs = HashMap<String, Vec<(i64, Output)>>;

/// Loads a notebook; `None` if it does not exist.
///
/// # Errors
/// The errors of the connection, and [`Error::Row`] for a value that the domain refuses.
pub(crate) async fn load(db: &impl ConnectionTrait, id: &NotebookId) -> Result<Option<Loaded>, Error> {
    let sql = include_str!("sql/load.sql");
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [id.as_str().into()]);
    let mut outputs = Outputs::new();
    let mut found = None;
    let mut cells = Vec::new();
    for row in db.query_all_raw(statement).await? {
        match row.try_get("", "kind")? {
            NOTEBOOK => found = Some(read::<NotebookRow>(&row, "notebooks", &NOTEBOOK_COLUMNS)?),
            CELL => cells.push(read::<CellRow>(&row, "cells", &CELL_COLUMNS)?),
            _ => {
                let row: OutputRow = read(&row, "cell_outputs", &OUTPUT_COLUMNS)?;
                outputs.entry(row.cell_id.clone()).or_default().push(row.output()?);
            }
        }
    }
    let Some(row) = found else { return Ok(None) };
    let (mut notebook, version) = row.notebook()?;
    let cells = cells.into_iter().map(|row| {
        let outputs = outputs.remove(&row.id).unwrap_or_default();
        row.cell(outputs)
    });
    notebook.cells = cells.collect::<Result<Vec<_>, Error>>()?.into_iter().collect();
    Ok(Some(Loaded { notebook, version }))
}

impl NotebookRow {
    fn notebook(self) -> Result<(Notebook, Version), Error> {
        let bad = |column| refuse("notebooks", &self.id, column);
        let id = NotebookId::new(self.id.as_str()).map_err(|error| bad("id")(&error))?;
        let owner = UserId::new(self.user_id).map_err(|error| bad("user_id")(&error))?;
        let life = Uuid::try_parse(&self.life).map(Life::new).map_err(|error| bad("life")(&error))?;
        let mut notebook = Notebook::new(id, life, owner, self.created_at);
        notebook.name = self.name.map(Arc::from);
        let connection = StoredConnection::new(self.db_conn_sealed.as_deref().unwrap_or_default());
        notebook.connection = connection.map_err(|error| bad("db_conn_sealed")(&error))?;
        notebook.extra = extra(self.extra).ok_or_else(|| bad("extra")(&NO_OBJECT))?;
        notebook.revision = Revision(self.revision);
        notebook.updated_at = self.updated_at;
        notebook.reactive = self.reactive;
        Ok((notebook, Version(self.version)))
    }
}

impl CellRow {
    fn cell(self, outputs: Vec<(i64, Output)>) -> Result<Cell, Error> {
        let bad = |column| refuse("cells", &self.id, column);
        let decode = |stored, column| text::decode(stored).ok_or_else(|| bad(column)(&text::LONE_MARK));
        let names = |stored: Vec<String>, column| {
            stored.into_iter().map(|name| decode(name, column)).collect::<Result<Vec<_>, _>>()
        };
        let run_digest = self.run_digest.as_deref().map(str::parse::<RunDigest>).transpose();
        Ok(Cell {
            id: CellId::new(self.id.as_str()).map_err(|error| bad("id")(&error))?,
            order: OrderKey::parse(&self.order_key).map_err(|error| bad("order_key")(&error))?,
            cell_type: match self.cell_type.as_str() {
                "python" => CellType::Python,
                "sql" => CellType::Sql,
                other => return Err(bad("type")(&format_args!("{other:?} is no cell type"))),
            },
            code: Arc::from(decode(self.code, "code")?),
            revision: Revision(self.revision),
            analysis: Cell::stored_names(names(self.reads, "reads")?, names(self.writes, "writes")?),
            broken: None,
            results: Arc::new(Results {
                status: match self.status.as_str() {
                    "idle" => CellStatus::Idle,
                    "running" => CellStatus::Running,
                    "success" => CellStatus::Success,
                    "error" => CellStatus::Error,
                    "blocked" => CellStatus::Blocked,
                    other => return Err(bad("status")(&format_args!("{other:?} is no status"))),
                },
                stdout: decode(self.stdout, "stdout")?,
                error: self.error.map(|error| decode(error, "error")).transpose()?,
                outputs: counted(outputs, self.output_count).map_err(|reason| bad("output_count")(&reason))?,
                code_digest: self.code_digest,
                run_digest: run_digest.map_err(|error| bad("run_digest")(&error))?,
                started_at: self.run_started_at,
                finished_at: self.run_finished_at,
            }),
            extra: extra(self.extra).ok_or_else(|| bad("extra")(&NO_OBJECT))?,
            run_digest: RunDigest::default(),
        })
    }
}

/// Returns the first `count` outputs in their order. Further rows were written by a concurrent run, and do not count.
fn counted(mut outputs: Vec<(i64, Output)>, count: i64) -> Result<Vec<Output>, String> {
    outputs.retain(|(ordinal, _)| *ordinal < count);
    outputs.sort_unstable_by_key(|(ordinal, _)| *ordinal);
    if usize::try_from(count) != Ok(outputs.len()) {
        return Err(format!("it says {count}, but {} outputs are there", outputs.len()));
    }
    Ok(outputs.into_iter().map(|(_, output)| output).collect())
}

impl OutputRow {
    /// Returns an output with its position among those of its cell.
    fn output(self) -> Result<(i64, Output), Error> {
        let bad = |column| refuse("cell_outputs", &self.cell_id, column);
        let json = |text: String, column| {
            let raw = RawValue::from_string(text).map_err(JsonError::from);
            raw.and_then(Json::from_raw).map_err(|error| bad(column)(&error))
        };
        let (data, metadata) = (json(self.data, "data")?, json(self.metadata, "metadata")?);
        Ok((self.ordinal, Output { mime_type: self.mime_type, data, metadata }))
    }
}

const NO_OBJECT: &str = "it is no JSON object";

/// Parses unknown fields; `None` if they are no JSON object. The parser's own message is dropped, because it would
/// contain content.
fn extra(stored: Option<String>) -> Option<Extra> {
    stored.map_or_else(|| Some(Extra::default()), |json| serde_json::from_str(&json).ok())
}
