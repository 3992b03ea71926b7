//! Notebooks, without their cells.

use sea_orm::entity::prelude::*;

/// A row of `notebooks`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notebooks")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub(crate) id: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) user_id: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) name: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) db_conn_sealed: Option<String>,
    pub(crate) revision: i64,
    pub(crate) version: i64,
    #[sea_orm(column_type = "Json", nullable)]
    pub(crate) extra: Option<Json>,
    pub(crate) content_digest: Option<Vec<u8>>,
    pub(crate) commit_ids: Vec<Uuid>,
    pub(crate) commit_versions: Vec<i64>,
    pub(crate) created_at: ChronoDateTimeUtc,
    pub(crate) updated_at: ChronoDateTimeUtc,
    pub(crate) life: Uuid,
    pub(crate) reactive: bool,
    #[sea_orm(belongs_to, from = "user_id", to = "id", on_delete = "Cascade")]
    pub(crate) user: BelongsTo<super::users::Entity>,
    #[sea_orm(has_many)]
    pub(crate) cells: HasMany<super::cells::Entity>,
    #[sea_orm(has_many)]
    pub(crate) kernels: HasMany<super::kernels::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
