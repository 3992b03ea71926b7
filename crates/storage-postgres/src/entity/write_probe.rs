//! The row that the health check writes.

use sea_orm::entity::prelude::*;

/// The row of `write_probe`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "write_probe")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: i32,
    pub(crate) written_at: ChronoDateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
