//! Servers that have the kernels of notebooks.

use sea_orm::entity::prelude::*;

/// A row of `kernels`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "kernels")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub(crate) notebook_id: String,
    pub(crate) server_id: Uuid,
    pub(crate) epoch: i64,
    pub(crate) started_at: ChronoDateTimeUtc,
    #[sea_orm(belongs_to, from = "notebook_id", to = "id", on_delete = "Cascade")]
    pub(crate) notebook: BelongsTo<super::notebooks::Entity>,
    #[sea_orm(belongs_to, from = "server_id", to = "id", on_delete = "Cascade")]
    pub(crate) server: BelongsTo<super::servers::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
