//! Users: the owners of notebooks and of idempotency records.

use sea_orm::entity::prelude::*;

/// A row of `users`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub(crate) id: String,
    #[sea_orm(column_type = "Text", nullable, unique)]
    pub(crate) clerk_user_id: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) email: Option<String>,
    pub(crate) is_active: bool,
    pub(crate) created_at: ChronoDateTimeUtc,
    pub(crate) updated_at: ChronoDateTimeUtc,
    #[sea_orm(has_many)]
    pub(crate) notebooks: HasMany<super::notebooks::Entity>,
    #[sea_orm(has_many)]
    pub(crate) idempotency_keys: HasMany<super::idempotency_keys::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
