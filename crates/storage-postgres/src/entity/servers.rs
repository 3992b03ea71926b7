//! Servers that use the database.

use sea_orm::entity::prelude::*;

/// The row of a server.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "servers")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub(crate) mode: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) address: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) program_version: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) mirror_dir: Option<String>,
    pub(crate) started_at: ChronoDateTimeUtc,
    pub(crate) seen_at: ChronoDateTimeUtc,
    #[sea_orm(has_many)]
    pub(crate) kernels: HasMany<super::kernels::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
