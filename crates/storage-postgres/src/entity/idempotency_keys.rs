//! Idempotency records: the outcomes of requests that may be repeated.

use sea_orm::entity::prelude::*;

/// A row of `idempotency_keys`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub(crate) user_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) key: Vec<u8>,
    pub(crate) request: Vec<u8>,
    #[sea_orm(column_type = "Text")]
    pub(crate) outcome: String,
    pub(crate) created_at: ChronoDateTimeUtc,
    #[sea_orm(belongs_to, from = "user_id", to = "id", on_delete = "Cascade")]
    pub(crate) user: BelongsTo<super::users::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
