//! Contents of a database, shown before they are deleted.

use sqlx::{PgConnection, Row as _};

use crate::{MigrateError, session};

/// Contents of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The database's name.
    pub database: String,
    /// Number of notebooks; 0 without a table of them.
    pub notebooks: i64,
}

/// Counts the contents of a database.
///
/// # Errors
///
/// If the database cannot be read.
pub async fn contents(connection: &mut PgConnection) -> Result<Contents, MigrateError> {
    let sql = "SELECT current_database()::text, \
                      EXISTS (SELECT FROM pg_class WHERE relname = 'notebooks' AND pg_table_is_visible(oid))";
    let read = async {
        let rows = session::rows(connection, sql).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let (database, there): (_, bool) = (row.try_get(0)?, row.try_get(1)?);
        if !there {
            return Ok(Contents { database, notebooks: 0 });
        }
        let rows = session::rows(connection, "SELECT count(*) FROM notebooks").await?;
        Ok(Contents { database, notebooks: rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)? })
    };
    read.await.map_err(MigrateError::database("count the notebooks"))
}
