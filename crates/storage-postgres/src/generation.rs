//! New lives for all notebooks, after the database was restored from a backup.

use sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use crate::error::Error;

/// Maximum number of notebooks that one statement changes, so that no transaction waits long for their rows.
const BATCH: i64 = 1_000;

#[derive(FromQueryResult)]
struct Renewed {
    count: i64,
    last: Option<String>,
}

/// Gives every notebook a new life, and returns their number. It can be interrupted and repeated: its purpose is only
/// that no notebook keeps the life that it had in the lost history.
pub(crate) async fn renew(db: &impl ConnectionTrait) -> Result<u64, Error> {
    // A data-modifying CTE: the builder has no UPDATE whose rows come from a locked and ordered batch.
    const SQL: &str = "WITH batch AS (
            SELECT id FROM notebooks WHERE id > $1 ORDER BY id LIMIT $2 FOR UPDATE
        ), renewed AS (
            UPDATE notebooks SET life = gen_random_uuid() FROM batch WHERE notebooks.id = batch.id RETURNING notebooks.id
        )
        SELECT count(*) AS count, max(id) AS last FROM renewed";
    let mut renewed = 0;
    let mut after = String::new();
    loop {
        let values = [after.into(), BATCH.into()];
        let statement = Statement::from_sql_and_values(db.get_database_backend(), SQL, values);
        let Some(batch) = Renewed::find_by_statement(statement).one(db).await? else { return Ok(renewed) };
        renewed += batch.count.unsigned_abs();
        match batch.last {
            Some(last) => after = last,
            None => return Ok(renewed),
        }
    }
}
