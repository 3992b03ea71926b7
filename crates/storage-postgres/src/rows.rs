//! Rows to domain types. A row that cannot be read is named by table, column and id.

use std::sync::Arc;

use quire_domain::{
    Cell, CellId, CellStatus, CellType, Extra, Json, JsonError, Notebook, NotebookId, OrderKey, Output, Results,
    Revision, StoredConnection, Timestamp, UserId,
};
use quire_storage::{Loaded, Version};
use serde_json::value::RawValue;
use sqlx::postgres::PgRow;
use sqlx::{ColumnIndex, Decode, Postgres, Row as _, Type};

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

/// A notebook from the rows of `load.sql`; `None` when there are none.
pub(crate) fn loaded(rows: &[PgRow]) -> Result<Option<Loaded>, Error> {
    let mut notebook = None;
    let mut cells = Vec::with_capacity(rows.len());
    for row in rows {
        match column::<Option<&str>>(row, "cells", "cell_id")? {
            None => notebook = Some(self::notebook(row)?),
            Some(id) => cells.push(cell(id, row)?),
        }
    }
    Ok(notebook.map(|(mut notebook, version): (Notebook, Version)| {
        notebook.cells = cells.into_iter().collect();
        Loaded { notebook, version }
    }))
}

/// A value that the domain refuses.
pub(crate) fn refuse<'a>(
    table: &'static str,
    id: &'a str,
    column: &'static str,
) -> impl Fn(&dyn std::fmt::Display) -> Error + use<'a> {
    move |error| Error::Row { table, column, row: Some(format!("{id:?}")), reason: error.to_string() }
}

fn notebook(row: &PgRow) -> Result<(Notebook, Version), Error> {
    const TABLE: &str = "notebooks";
    let id: &str = column(row, TABLE, "id")?;
    let bad = |name| refuse(TABLE, id, name);
    let owner: &str = column(row, TABLE, "user_id")?;
    let name: Option<&str> = column(row, TABLE, "name")?;
    let connection: Option<&str> = column(row, TABLE, "db_conn_sealed")?;
    let (created_at, updated_at): (Timestamp, Timestamp) =
        (column(row, TABLE, "created_at")?, column(row, TABLE, "updated_at")?);
    let owner = UserId::new(owner).map_err(|error| bad("user_id")(&error))?;
    let mut notebook = Notebook::new(NotebookId::new(id).map_err(|error| bad("id")(&error))?, owner, created_at);
    notebook.name = name.map(Arc::from);
    notebook.connection =
        StoredConnection::new(connection.unwrap_or_default()).map_err(|error| bad("db_conn_sealed")(&error))?;
    notebook.revision = Revision(column(row, TABLE, "revision")?);
    notebook.updated_at = updated_at;
    notebook.extra = extra(row, TABLE, id)?;
    Ok((notebook, Version(column(row, TABLE, "version")?)))
}

fn cell(id: &str, row: &PgRow) -> Result<Cell, Error> {
    const TABLE: &str = "cells";
    let bad = |name| refuse(TABLE, id, name);
    let order: &str = column(row, TABLE, "order_key")?;
    Ok(Cell {
        id: CellId::new(id).map_err(|error| bad("id")(&error))?,
        order: OrderKey::parse(order).map_err(|error| bad("order_key")(&error))?,
        cell_type: match column(row, TABLE, "type")? {
            "python" => CellType::Python,
            "sql" => CellType::Sql,
            other => return Err(bad("type")(&format_args!("{other:?} is no cell type"))),
        },
        code: Arc::from(text(row, TABLE, id, "code")?),
        revision: Revision(column(row, TABLE, "revision")?),
        analysis: Cell::stored_names(names(row, id, "reads")?, names(row, id, "writes")?),
        broken: None,
        results: Arc::new(results(row, id)?),
        extra: extra(row, TABLE, id)?,
    })
}

fn results(row: &PgRow, id: &str) -> Result<Results, Error> {
    const TABLE: &str = "cells";
    let error: Option<String> = column(row, TABLE, "error")?;
    Ok(Results {
        status: match column(row, TABLE, "status")? {
            "idle" => CellStatus::Idle,
            "success" => CellStatus::Success,
            "error" => CellStatus::Error,
            "blocked" => CellStatus::Blocked,
            other => return Err(refuse(TABLE, id, "status")(&format_args!("{other:?} is no status"))),
        },
        stdout: text(row, TABLE, id, "stdout")?,
        error: error.map(|error| decode(error, TABLE, id, "error")).transpose()?,
        outputs: outputs(row, id)?,
        code_digest: column(row, TABLE, "code_digest")?,
    })
}

fn outputs(row: &PgRow, id: &str) -> Result<Vec<Output>, Error> {
    const TABLE: &str = "cell_outputs";
    let count: i32 = column(row, "cells", "output_count")?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let mime_types: Option<Vec<String>> = column(row, TABLE, "mime_types")?;
    let data: Option<Vec<String>> = column(row, TABLE, "data")?;
    let metadata: Option<Vec<String>> = column(row, TABLE, "metadata")?;
    let (mime_types, data) = (mime_types.unwrap_or_default(), data.unwrap_or_default());
    if usize::try_from(count) != Ok(data.len()) {
        let there = data.len();
        return Err(refuse("cells", id, "output_count")(&format_args!(
            "it says {count}, but {there} outputs are there"
        )));
    }
    let json = |name, json: String| {
        let raw = RawValue::from_string(json).map_err(JsonError::from);
        raw.and_then(Json::from_raw).map_err(|error| refuse(TABLE, id, name)(&error))
    };
    let outputs = mime_types.into_iter().zip(data).zip(metadata.unwrap_or_default());
    outputs
        .map(|((mime_type, data), metadata)| {
            Ok(Output { mime_type, data: json("data", data)?, metadata: json("metadata", metadata)? })
        })
        .collect()
}

fn extra(row: &PgRow, table: &'static str, id: &str) -> Result<Extra, Error> {
    let extra: Option<&str> = column(row, table, "extra")?;
    // The parser's own message holds what it met.
    let parse = |json| serde_json::from_str(json).map_err(|_error| refuse(table, id, "extra")(&"it is no JSON object"));
    extra.map_or_else(|| Ok(Extra::default()), parse)
}

fn names(row: &PgRow, id: &str, name: &'static str) -> Result<Vec<String>, Error> {
    let names: Vec<String> = column(row, "cells", name)?;
    names.into_iter().map(|stored| decode(stored, "cells", id, name)).collect()
}

fn text(row: &PgRow, table: &'static str, id: &str, name: &'static str) -> Result<String, Error> {
    decode(column(row, table, name)?, table, id, name)
}

fn decode(stored: String, table: &'static str, id: &str, column: &'static str) -> Result<String, Error> {
    text::decode(stored).ok_or_else(|| refuse(table, id, column)(&"a mark U+FDD0 stands alone"))
}
