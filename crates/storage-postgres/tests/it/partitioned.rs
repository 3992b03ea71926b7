//! The suite that every store passes, on tables that are partitioned by a hash of the notebook's id: the form in which an
//! engine distributes them over several machines.

use quire_migration::SCHEMA;
use quire_test_postgres::{Database, Server};
use sqlx::{AssertSqlSafe, Row as _};

use crate::conformance::Builder;

/// Number of partitions of each table in `partitioned.sql`.
pub(crate) const PARTITIONS: usize = 8;

/// Creates a migrated database on this server, and partitions its tables.
pub(crate) async fn partitioned(server: &Server) -> Database {
    let database = Database::on(server).await;
    let mut connection = database.connect().await;
    let statements = sqlx::query(include_str!("partitioned.sql")).fetch_all(&mut connection).await.unwrap();
    let statements: Vec<String> = statements.iter().map(|row| row.get("statement")).collect();
    sqlx::raw_sql(AssertSqlSafe(statements.join("; "))).execute(&mut connection).await.unwrap();
    database
}

quire_storage::conformance_tests!(Builder(|| Box::pin(partitioned(Server::shared()))));

/// Tests that the partitioned tables have every column, default, constraint and index of the real ones, so that the suite
/// proves something about them.
#[tokio::test]
async fn nothing_but_the_partitions_is_different() {
    let database = partitioned(Server::shared()).await;
    let mut connection = database.connect().await;
    let found = quire_migration::check(&mut connection, SCHEMA).await.unwrap();
    let tables = ["cell_outputs", "cells", "kernels", "notebooks"];
    // PostgreSQL repeats a foreign key for each partition of the table that it leads to.
    let repeated = |line: &String| {
        let is_partition = |name: &str| tables.iter().any(|table| name.starts_with(&format!("{table}_")));
        line.split_once(" REFERENCES ").is_some_and(|(_, referenced)| is_partition(referenced))
    };
    let differences: Vec<_> = found.differences.into_iter().filter(|line| !repeated(line)).collect();
    let index = "CREATE INDEX notebooks_listing ON notebooks USING btree (user_id, created_at, id)";
    // The partitions' indexes are separate objects.
    let partitioned_index = index.replace(" ON ", " ON ONLY ");
    let mut expected =
        vec![format!("index notebooks.notebooks_listing: expected `{index}`, found `{partitioned_index}`")];
    expected.extend(tables.map(|table| format!("table {table}: expected `plain`, found `partitioned`")));
    assert_eq!(differences, expected);
    assert_eq!(found.others.len(), tables.len() * PARTITIONS, "{:?}", found.others);
    let filled =
        "SELECT count(*) FROM pg_class WHERE relispartition AND relkind = 'r' AND reloptions = '{fillfactor=80}'";
    let filled: i64 = sqlx::query_scalar(filled).fetch_one(&mut connection).await.unwrap();
    assert_eq!(usize::try_from(filled).unwrap(), 2 * PARTITIONS);
}
