//! Cells, without their outputs.

use sea_orm::entity::prelude::*;

/// A row of `cells`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cells")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub(crate) notebook_id: String,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub(crate) id: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) order_key: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) r#type: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) code: String,
    #[sea_orm(column_type = "Array(std::sync::Arc::new(ColumnType::Text))")]
    pub(crate) reads: Vec<String>,
    #[sea_orm(column_type = "Array(std::sync::Arc::new(ColumnType::Text))")]
    pub(crate) writes: Vec<String>,
    pub(crate) revision: i64,
    #[sea_orm(column_type = "Json", nullable)]
    pub(crate) extra: Option<Json>,
    #[sea_orm(column_type = "Text")]
    pub(crate) status: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) stdout: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) error: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) code_digest: Option<String>,
    pub(crate) output_count: i32,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) run_digest: Option<String>,
    pub(crate) run_started_at: Option<ChronoDateTimeUtc>,
    pub(crate) run_finished_at: Option<ChronoDateTimeUtc>,
    #[sea_orm(belongs_to, from = "notebook_id", to = "id", on_delete = "Cascade")]
    pub(crate) notebook: BelongsTo<super::notebooks::Entity>,
    #[sea_orm(has_many)]
    pub(crate) outputs: HasMany<super::cell_outputs::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
