//! The one place that knows how a database gets Quire's schema.

use quire_migration::{Limits, STEPS};
use sqlx::postgres::PgConnectOptions;

/// Gives a database the schema, as `quire-migrate up` does.
pub(crate) async fn migrate(database: &PgConnectOptions) {
    quire_migration::up(database, STEPS, &Limits::default(), &mut |_| ()).await.expect("the schema's steps apply");
}
