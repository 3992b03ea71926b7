//! The record of the steps that were applied: the table `quire_migrations`.

use sqlx::{PgConnection, Row as _};

use crate::session;
use crate::step::Step;

/// The lock serialises everybody who runs this.
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

/// A step that was applied, or begun.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) checksum: String,
    pub(crate) compatible: bool,
    pub(crate) started_at: String,
    pub(crate) finished: bool,
}

/// Whether there is a record at all.
pub(crate) async fn exists(connection: &mut PgConnection) -> sqlx::Result<bool> {
    // Not `to_regclass`: in a transaction that is open already it may answer from its cache of before.
    let sql = "SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'quire_migrations' AND pg_table_is_visible(oid))";
    let rows = session::rows(connection, sql).await?;
    rows.first().map_or(Ok(false), |row| row.try_get(0))
}

/// The schemas that have a record which the search path leaves out.
pub(crate) async fn elsewhere(connection: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    let sql = "SELECT n.nspname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.relname = 'quire_migrations' AND c.relkind = 'r' AND NOT pg_table_is_visible(c.oid) ORDER BY 1";
    session::rows(connection, sql).await?.iter().map(|row| row.try_get(0)).collect()
}

/// What is recorded, by name, or `None` where nothing ever was.
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

/// Marks a step as begun; committed before its SQL runs, so that a run that is killed leaves its name.
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

/// Locks the row of a step that is not finished; no row when somebody else has finished it, or taken it back.
pub(crate) fn claim(name: &str) -> String {
    format!("SELECT name FROM quire_migrations WHERE name = {} AND finished_at IS NULL FOR UPDATE", quoted(name))
}

/// Marks a step as applied, in the transaction that applied it.
pub(crate) fn finished(name: &str) -> String {
    format!("UPDATE quire_migrations SET finished_at = clock_timestamp() WHERE name = {}", quoted(name))
}

/// Marks an applied step as half-applied, before it is taken back piece by piece.
pub(crate) fn reopened(name: &str) -> String {
    format!("UPDATE quire_migrations SET finished_at = NULL WHERE name = {}", quoted(name))
}

/// Locks the row of a step; no row when it is not there any more.
pub(crate) fn hold(name: &str) -> String {
    format!("SELECT name FROM quire_migrations WHERE name = {} FOR UPDATE", quoted(name))
}

/// Forgets a step.
pub(crate) fn remove(name: &str) -> String {
    format!("DELETE FROM quire_migrations WHERE name = {}", quoted(name))
}

/// Forgets a step that was begun, and left nothing behind.
pub(crate) fn forget(name: &str) -> String {
    format!("{} AND finished_at IS NULL", remove(name))
}

/// A text as an SQL literal. Only our own names and digests come here.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
