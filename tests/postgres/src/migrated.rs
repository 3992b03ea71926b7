//! Application of Quire's schema to a database; no other module of this crate knows how.

use quire_migration::{Limits, STEPS};
use sqlx::postgres::PgConnectOptions;

/// Brings a database to the schema, as `quire-migrate up` does.
pub(crate) async fn migrate(database: &PgConnectOptions) {
    quire_migration::up(database, STEPS, &Limits::default(), &mut |_| ()).await.expect("the schema's steps apply");
}
