//! Outputs of cells.

use sea_orm::entity::prelude::*;

/// A row of `cell_outputs`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cell_outputs")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub(crate) notebook_id: String,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub(crate) cell_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) ordinal: i32,
    #[sea_orm(column_type = "Text")]
    pub(crate) mime_type: String,
    #[sea_orm(column_type = "Json")]
    pub(crate) data: Json,
    #[sea_orm(column_type = "Json")]
    pub(crate) metadata: Json,
    #[sea_orm(belongs_to, from = "(notebook_id, cell_id)", to = "(notebook_id, id)", on_delete = "Cascade")]
    pub(crate) cell: BelongsTo<super::cells::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
