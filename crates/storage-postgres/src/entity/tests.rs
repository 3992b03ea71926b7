//! The entities describe the tables that the migration makes: columns, types, keys and what a deletion takes along.

use quire_test_postgres::Database;
use sea_orm::sea_query::PostgresQueryBuilder;
use sea_orm::{DbBackend, EntityTrait, Schema};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{cell_outputs, cells, idempotency_keys, kernels, notebooks, servers, users, write_probe};

/// The statement that makes an entity's table.
fn create<E: EntityTrait>(entity: E) -> String {
    Schema::new(DbBackend::Postgres).create_table_from_entity(entity).to_string(PostgresQueryBuilder)
}

/// What the catalog says of a schema's tables: a line for each column, each primary key and each foreign key.
async fn described(connection: &mut PgConnection, schema: &str) -> Vec<String> {
    const SQL: &str = "
        SELECT format('%s.%s: %s%s', c.relname, a.attname, format_type(a.atttypid, NULL),
                CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'r' AND c.relname <> 'quire_migrations'
        UNION ALL
        SELECT format('%s: %s', c.relname, replace(pg_get_constraintdef(k.oid), $1 || '.', ''))
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
        WHERE c.relnamespace = $1::regnamespace AND k.contype IN ('p', 'f', 'u') AND c.relname <> 'quire_migrations'
        ORDER BY 1";
    sqlx::query_scalar(SQL).bind(schema).fetch_all(connection).await.unwrap()
}

#[tokio::test]
async fn the_entities_are_the_tables_of_the_schema() {
    let database = Database::fresh().await;
    let mut connection = database.connect().await;
    let tables = [
        create(users::Entity),
        create(notebooks::Entity),
        create(cells::Entity),
        create(cell_outputs::Entity),
        create(idempotency_keys::Entity),
        create(servers::Entity),
        create(kernels::Entity),
        create(write_probe::Entity),
    ];
    let sql = format!("CREATE SCHEMA entities; SET search_path = entities; {}", tables.join("; "));
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    let entities = described(&mut connection, "entities").await;
    sqlx::raw_sql("SET search_path = public").execute(&mut connection).await.unwrap();
    assert_eq!(entities, described(&mut connection, "public").await);
}
