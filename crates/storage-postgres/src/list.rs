//! Lists: summaries of an owner's notebooks, a page at a time, along the index made for them.

use std::sync::Arc;

use quire_domain::{NotebookId, Revision, UserId};
use quire_storage::{ListFilter, Page, PageRequest, Summary};
use sea_orm::sea_query::{Expr, ExprTrait as _, Values};
use sea_orm::{
    ColumnTrait as _, DbBackend, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
};
use sea_query_sqlx::SqlxValues;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, IntoArguments as _};

use crate::database::Database;
use crate::entity::notebooks::{Column, Entity};
use crate::error::Error;
use crate::rows;

pub(crate) async fn list(database: &Database, filter: &ListFilter, page: &PageRequest) -> Result<Page, Error> {
    let columns = [Column::Id, Column::UserId, Column::Name, Column::Revision, Column::CreatedAt, Column::UpdatedAt];
    let mut query = Entity::find().select_only().columns(columns);
    if let Some(owner) = &filter.owner {
        query = query.filter(Column::UserId.eq(owner.as_str()));
    }
    if let Some(after) = &page.after {
        let place = |column: Column| Expr::col(column);
        let here = Expr::tuple([place(Column::CreatedAt), place(Column::Id)]);
        query = query.filter(here.gt(Expr::tuple([Expr::val(after.created_at), Expr::val(after.id.as_str())])));
    }
    query = query.order_by_asc(Column::CreatedAt).order_by_asc(Column::Id);
    // One more than wanted tells whether there is a next page.
    if let Some(limit) = page.limit {
        query = query.limit(u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1));
    }
    let statement = query.build(DbBackend::Postgres);
    let values = SqlxValues(statement.values.unwrap_or(Values(Vec::new())));
    let rows = database
        .read(|| sqlx::query_with(AssertSqlSafe(statement.sql.clone()), values.clone().into_arguments()))
        .await?;
    let mut notebooks = rows.iter().map(summary).collect::<Result<Vec<_>, _>>()?;
    let limit = page.limit.unwrap_or(usize::MAX);
    let more = notebooks.len() > limit;
    notebooks.truncate(limit);
    let next = if more { notebooks.last().map(Summary::cursor) } else { None };
    Ok(Page { notebooks, damaged: Vec::new(), next })
}

/// A notebook's columns as lists need them.
pub(crate) fn summary(row: &PgRow) -> Result<Summary, Error> {
    const TABLE: &str = "notebooks";
    let id: &str = rows::column(row, TABLE, "id")?;
    let owner: &str = rows::column(row, TABLE, "user_id")?;
    let name: Option<&str> = rows::column(row, TABLE, "name")?;
    Ok(Summary {
        id: NotebookId::new(id).map_err(|error| rows::refuse(TABLE, id, "id")(&error))?,
        owner: UserId::new(owner).map_err(|error| rows::refuse(TABLE, id, "user_id")(&error))?,
        name: name.map(Arc::from),
        revision: Revision(rows::column(row, TABLE, "revision")?),
        created_at: rows::column(row, TABLE, "created_at")?,
        updated_at: rows::column(row, TABLE, "updated_at")?,
    })
}
