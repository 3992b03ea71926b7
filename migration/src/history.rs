//! The record of the applied steps: the table `quire_migrations`.

use sqlx::{PgConnection, Row as _};

use crate::session;
use crate::step::Step;

/// SQL that creates the record. Every caller that may run concurrently holds the lock.
pub(crate) const CREATE: &str = "\
CREATE TABLE IF NOT EXISTS quire_migrations (
    name text COLLATE \"C\" NOT NULL,
    checksum text NOT NULL,
    kind text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT quire_migrations_pkey PRIMARY KEY (name),
    CONSTRAINT quire_migrations_kind_known CHECK (kind IN ('compatible', 'breaking'))
);";

/// A step that was applied or begun.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) checksum: String,
    pub(crate) compatible: bool,
    pub(crate) started_at: String,
    pub(crate) finished: bool,
}

/// Returns `true` if there is a record.
pub(crate) async fn exists(connection: &mut PgConnection) -> sqlx::Result<bool> {
    // `to_regclass` may answer from a stale cache in a transaction that is already open.
    let sql = "SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'quire_migrations' AND pg_table_is_visible(oid))";
    let rows = session::rows(connection, sql).await?;
    rows.first().map_or(Ok(false), |row| row.try_get(0))
}

/// Returns the schemas that contain a record but are not on the search path.
pub(crate) async fn elsewhere(connection: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    let sql = "SELECT n.nspname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.relname = 'quire_migrations' AND c.relkind = 'r' AND NOT pg_table_is_visible(c.oid) ORDER BY 1";
    session::rows(connection, sql).await?.iter().map(|row| row.try_get(0)).collect()
}

/// Returns the recorded steps by name, or `None` without a record.
pub(crate) async fn read(connection: &mut PgConnection) -> sqlx::Result<Option<Vec<Entry>>> {
    if !exists(connection).await? {
        return Ok(None);
    }
    let rows = session::rows(
        connection,
        "SELECT name, checksum, kind = 'compatible', \
                to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC', finished_at IS NOT NULL \
         FROM quire_migrations ORDER BY name",
    )
    .await?;
    let entry = |row: &sqlx::postgres::PgRow| {
        Ok(Entry {
            name: row.try_get(0)?,
            checksum: row.try_get(1)?,
            compatible: row.try_get(2)?,
            started_at: row.try_get(3)?,
            finished: row.try_get(4)?,
        })
    };
    rows.iter().map(entry).collect::<sqlx::Result<_>>().map(Some)
}

/// Returns the SQL that marks a step as begun. It is committed before the step's SQL runs, so that a killed run leaves
/// the step's name.
pub(crate) fn begun(step: &Step) -> String {
    format!(
        "INSERT INTO quire_migrations (name, checksum, kind, started_at) VALUES ({name}, {checksum}, {kind}, clock_timestamp()) \
         ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, kind = excluded.kind, \
         started_at = excluded.started_at WHERE quire_migrations.finished_at IS NULL",
        name = quoted(step.name),
        checksum = quoted(&step.checksum()),
        kind = quoted(step.kind.as_str()),
    )
}

/// Returns the SQL that locks the row of an unfinished step. It returns no row if another run has finished the step or
/// taken it back.
pub(crate) fn claim(name: &str) -> String {
    format!("SELECT name FROM quire_migrations WHERE name = {} AND finished_at IS NULL FOR UPDATE", quoted(name))
}

/// Returns the SQL that marks a step as applied, in the transaction that applied it.
pub(crate) fn finished(name: &str) -> String {
    format!("UPDATE quire_migrations SET finished_at = clock_timestamp() WHERE name = {}", quoted(name))
}

/// Returns the SQL that marks an applied step as incomplete, before it is taken back statement by statement.
pub(crate) fn reopened(name: &str) -> String {
    format!("UPDATE quire_migrations SET finished_at = NULL WHERE name = {}", quoted(name))
}

/// Returns the SQL that locks the row of a step. It returns no row if the step is no longer recorded.
pub(crate) fn hold(name: &str) -> String {
    format!("SELECT name FROM quire_migrations WHERE name = {} FOR UPDATE", quoted(name))
}

/// Returns the SQL that deletes a step from the record.
pub(crate) fn remove(name: &str) -> String {
    format!("DELETE FROM quire_migrations WHERE name = {}", quoted(name))
}

/// Returns the SQL that deletes a step that was begun and rolled back.
pub(crate) fn forget(name: &str) -> String {
    format!("{} AND finished_at IS NULL", remove(name))
}

/// Returns a text as an SQL literal. All callers pass this crate's own names and digests.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
