//! Notebooks, without their cells.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notebooks")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) name: Option<String>,
    pub(crate) db_conn_sealed: Option<String>,
    pub(crate) revision: i64,
    pub(crate) version: i64,
    pub(crate) extra: Option<Json>,
    pub(crate) content_digest: Option<Vec<u8>>,
    pub(crate) commit_ids: Vec<Uuid>,
    pub(crate) commit_versions: Vec<i64>,
    pub(crate) created_at: ChronoDateTimeUtc,
    pub(crate) updated_at: ChronoDateTimeUtc,
    pub(crate) life: Uuid,
}

/// None that queries here need.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
