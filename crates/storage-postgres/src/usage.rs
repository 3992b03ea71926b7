//! How much is kept for a user.

use quire_domain::UserId;
use quire_storage::Usage;

use crate::database::Database;
use crate::error::Error;
use crate::rows;

pub(crate) async fn usage(database: &Database, owner: &UserId) -> Result<Usage, Error> {
    let sql = include_str!("sql/usage.sql");
    let rows = database.read(|| sqlx::query(sql).bind(owner.as_str())).await?;
    let Some(row) = rows.first() else { return Ok(Usage::default()) };
    let count = |column| rows::column::<i64>(row, "notebooks", column).map(i64::unsigned_abs);
    Ok(Usage { notebooks: count("notebooks")?, bytes: count("bytes")? })
}
