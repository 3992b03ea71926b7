//! Rows to domain types. A row that cannot be read is named by table, column and id.

use std::collections::HashMap;
use std::sync::Arc;

use quire_domain::{
    Base, Cell, CellId, CellStatus, CellType, Extra, Json, JsonError, Life, Notebook, NotebookId, OrderKey, Output,
    Results, Revision, StoredConnection, UserId,
};
use quire_storage::{Loaded, Version};
use serde_json::value::RawValue;
use sqlx::postgres::PgRow;
use sqlx::{ColumnIndex, Decode, Postgres, Row as _, Type};
use uuid::Uuid;

use crate::error::Error;
use crate::text;

/// A column of the type that the schema gives it.
pub(crate) fn column<'r, T>(row: &'r PgRow, table: &'static str, column: &'static str) -> Result<T, Error>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
    &'static str: ColumnIndex<PgRow>,
{
    row.try_get(column).map_err(|error| Error::Row { table, column, row: None, reason: error.to_string() })
}

/// A value that the domain refuses.
pub(crate) fn refuse<'a>(
    table: &'static str,
    id: &'a str,
    column: &'static str,
) -> impl Fn(&dyn std::fmt::Display) -> Error + use<'a> {
    move |error| Error::Row { table, column, row: Some(format!("{id:?}")), reason: error.to_string() }
}

/// The life and the revision of a row of `notebooks`.
pub(crate) fn base(row: &PgRow) -> Result<Base, Error> {
    let life = Life::new(column(row, "notebooks", "life")?);
    Ok(Base { life, revision: Revision(column(row, "notebooks", "revision")?) })
}

/// The kinds of rows that `load.sql` returns.
const NOTEBOOK: i32 = 1;
const CELL: i32 = 2;

/// A row of `load.sql`. Its columns are found by their places, which is quicker than by name: a notebook has thousands.
struct Row<'r> {
    columns: &'r PgRow,
    table: &'static str,
    id: &'r str,
}

impl<'r> Row<'r> {
    fn get<T: Decode<'r, Postgres> + Type<Postgres>>(&self, place: usize, column: &'static str) -> Result<T, Error> {
        self.columns.try_get(place).map_err(|error| self.bad(column)(&error))
    }

    fn bad(&self, column: &'static str) -> impl Fn(&dyn std::fmt::Display) -> Error + use<'r> {
        refuse(self.table, self.id, column)
    }

    /// Text that may have held NUL.
    fn text(&self, place: usize, column: &'static str) -> Result<String, Error> {
        self.decode(self.get(place, column)?, column)
    }

    fn decode(&self, stored: String, column: &'static str) -> Result<String, Error> {
        text::decode(stored).ok_or_else(|| self.bad(column)(&"a mark U+FDD0 stands alone"))
    }

    fn names(&self, place: usize, column: &'static str) -> Result<Vec<String>, Error> {
        let names: Vec<String> = self.get(place, column)?;
        names.into_iter().map(|stored| self.decode(stored, column)).collect()
    }

    fn json(&self, place: usize, column: &'static str) -> Result<Json, Error> {
        let raw = RawValue::from_string(self.get(place, column)?).map_err(JsonError::from);
        raw.and_then(Json::from_raw).map_err(|error| self.bad(column)(&error))
    }

    /// Fields that we don't know.
    fn extra(&self) -> Result<Extra, Error> {
        let extra: Option<&str> = self.get(5, "extra")?;
        // The parser's own message holds what it met.
        let parse = |json| serde_json::from_str(json).map_err(|_error| self.bad("extra")(&"it is no JSON object"));
        extra.map_or_else(|| Ok(Extra::default()), parse)
    }
}

/// Outputs by cell, with their places.
type Outputs<'r> = HashMap<&'r str, Vec<(i64, Output)>>;

/// A notebook from the rows of `load.sql`; `None` when there is none.
pub(crate) fn loaded(rows: &[PgRow]) -> Result<Option<Loaded>, Error> {
    let mut outputs: Outputs<'_> = HashMap::new();
    let mut found = None;
    let mut cell_rows = Vec::with_capacity(rows.len());
    for row in rows {
        let (kind, id): (i32, &str) = (column(row, "notebooks", "kind")?, column(row, "notebooks", "id")?);
        match kind {
            NOTEBOOK => found = Some(notebook(&Row { columns: row, table: "notebooks", id })?),
            CELL => cell_rows.push(Row { columns: row, table: "cells", id }),
            _ => outputs.entry(id).or_default().push(output(&Row { columns: row, table: "cell_outputs", id })?),
        }
    }
    let Some((mut notebook, version)) = found else { return Ok(None) };
    let cells = cell_rows.iter().map(|row| cell(row, &mut outputs)).collect::<Result<Vec<_>, _>>()?;
    notebook.cells = cells.into_iter().collect();
    Ok(Some(Loaded { notebook, version }))
}

fn notebook(row: &Row<'_>) -> Result<(Notebook, Version), Error> {
    let id = NotebookId::new(row.id).map_err(|error| row.bad("id")(&error))?;
    let owner = UserId::new(row.get::<&str>(2, "user_id")?).map_err(|error| row.bad("user_id")(&error))?;
    let life: &str = row.get(6, "life")?;
    let life = Uuid::try_parse(life).map(Life::new).map_err(|error| row.bad("life")(&error))?;
    let mut notebook = Notebook::new(id, life, owner, row.get(14, "created_at")?);
    notebook.name = row.get::<Option<&str>>(3, "name")?.map(Arc::from);
    let connection: Option<&str> = row.get(4, "db_conn_sealed")?;
    let connection = StoredConnection::new(connection.unwrap_or_default());
    notebook.connection = connection.map_err(|error| row.bad("db_conn_sealed")(&error))?;
    notebook.extra = row.extra()?;
    notebook.revision = Revision(row.get(12, "revision")?);
    notebook.updated_at = row.get(15, "updated_at")?;
    Ok((notebook, Version(row.get(13, "version")?)))
}

fn cell(row: &Row<'_>, outputs: &mut Outputs<'_>) -> Result<Cell, Error> {
    Ok(Cell {
        id: CellId::new(row.id).map_err(|error| row.bad("id")(&error))?,
        order: OrderKey::parse(row.get(2, "order_key")?).map_err(|error| row.bad("order_key")(&error))?,
        cell_type: match row.get(3, "type")? {
            "python" => CellType::Python,
            "sql" => CellType::Sql,
            other => return Err(row.bad("type")(&format_args!("{other:?} is no cell type"))),
        },
        code: Arc::from(row.text(4, "code")?),
        revision: Revision(row.get(12, "revision")?),
        analysis: Cell::stored_names(row.names(10, "reads")?, row.names(11, "writes")?),
        broken: None,
        results: Arc::new(results(row, outputs.remove(row.id).unwrap_or_default())?),
        extra: row.extra()?,
    })
}

fn results(row: &Row<'_>, mut outputs: Vec<(i64, Output)>) -> Result<Results, Error> {
    let error: Option<String> = row.get(8, "error")?;
    let count: i64 = row.get(13, "output_count")?;
    // What is beyond the count was left by a run at the same time, and was never there.
    outputs.retain(|(ordinal, _)| *ordinal < count);
    outputs.sort_unstable_by_key(|(ordinal, _)| *ordinal);
    if usize::try_from(count) != Ok(outputs.len()) {
        let there = outputs.len();
        return Err(row.bad("output_count")(&format_args!("it says {count}, but {there} outputs are there")));
    }
    Ok(Results {
        status: match row.get(6, "status")? {
            "idle" => CellStatus::Idle,
            "success" => CellStatus::Success,
            "error" => CellStatus::Error,
            "blocked" => CellStatus::Blocked,
            other => return Err(row.bad("status")(&format_args!("{other:?} is no status"))),
        },
        stdout: row.text(7, "stdout")?,
        error: error.map(|error| row.decode(error, "error")).transpose()?,
        outputs: outputs.into_iter().map(|(_, output)| output).collect(),
        code_digest: row.get(9, "code_digest")?,
    })
}

/// An output and its place among its cell's.
fn output(row: &Row<'_>) -> Result<(i64, Output), Error> {
    let (mime_type, data, metadata) = (row.get(2, "mime_type")?, row.json(3, "data")?, row.json(4, "metadata")?);
    Ok((row.get(12, "ordinal")?, Output { mime_type, data, metadata }))
}
