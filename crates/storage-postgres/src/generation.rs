//! New lives for all notebooks, after the database was brought back from a backup.

use crate::database::Database;
use crate::error::Error;
use crate::rows;

/// Notebooks that one statement changes, so that nobody waits long for their rows.
const BATCH: i64 = 1_000;

/// Gives every notebook a new life. Can be cut off and repeated: what matters is that no notebook keeps the life that it had
/// in the history that was lost. Returns how many there are.
pub(crate) async fn renew(database: &Database) -> Result<u64, Error> {
    const SQL: &str = "WITH batch AS (
            SELECT id FROM notebooks WHERE id > $1 ORDER BY id LIMIT $2 FOR UPDATE
        ), renewed AS (
            UPDATE notebooks SET life = gen_random_uuid() FROM batch WHERE notebooks.id = batch.id RETURNING notebooks.id
        )
        SELECT count(*) AS count, max(id) AS last FROM renewed";
    let mut renewed = 0;
    let mut after = String::new();
    loop {
        let statement = sqlx::query(SQL).bind(after.clone()).bind(BATCH);
        let Some(row) = database.fetch_optional(statement).await? else { return Ok(renewed) };
        let count: i64 = rows::column(&row, "notebooks", "count")?;
        renewed += u64::try_from(count).unwrap_or_default();
        match rows::column(&row, "notebooks", "last")? {
            Some(last) => after = last,
            None => return Ok(renewed),
        }
    }
}
