//! The one place that knows how a database gets Quire's schema.

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

const STEPS: [&str; 5] = [
    include_str!("../../../migration/src/steps/m20261125_090000_users/up.sql"),
    include_str!("../../../migration/src/steps/m20261125_090100_notebooks/up.sql"),
    include_str!("../../../migration/src/steps/m20261125_090200_cells/up.sql"),
    include_str!("../../../migration/src/steps/m20261125_090300_cell_outputs/up.sql"),
    include_str!("../../../migration/src/steps/m20261125_090400_write_probe/up.sql"),
];

/// Gives a database the schema.
pub(crate) async fn migrate(database: &PgConnectOptions) {
    let mut connection = database.connect().await.expect("the new database takes connections");
    for step in STEPS {
        sqlx::raw_sql(step).execute(&mut connection).await.expect("the schema's steps apply");
    }
    connection.close().await.expect("the connection is in order");
}
