//! Lists: summaries of an owner's notebooks, a page at a time, along an index for this order.

use std::sync::Arc;

use quire_domain::{NotebookId, Revision, Timestamp, UserId};
use quire_storage::{Cursor, ListFilter, Page, PageRequest, Summary};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _,
};

use crate::entity::notebooks::{Column, Entity};
use crate::error::Error;
use crate::rows;

const TABLE: &str = "notebooks";

pub(crate) async fn list(db: &impl ConnectionTrait, filter: &ListFilter, page: &PageRequest) -> Result<Page, Error> {
    let mut query = Entity::find().select_only().columns(SUMMARY);
    if let Some(owner) = &filter.owner {
        query = query.filter(Column::UserId.eq(owner.as_str()));
    }
    if let Some(after) = &page.after {
        query = query.filter(is_after(after));
    }
    query = query.order_by_asc(Column::CreatedAt).order_by_asc(Column::Id);
    // One row more than requested shows whether there is a next page.
    if let Some(limit) = page.limit {
        query = query.limit(rows::limit(limit.saturating_add(1)));
    }
    let rows = rows::all::<SummaryRow>(db, query.as_query(), TABLE).await?;
    let mut notebooks = rows.into_iter().map(Summary::try_from).collect::<Result<Vec<_>, _>>()?;
    let limit = page.limit.unwrap_or(usize::MAX);
    let more = notebooks.len() > limit;
    notebooks.truncate(limit);
    let next = if more { notebooks.last().map(Summary::cursor) } else { None };
    Ok(Page { notebooks, damaged: Vec::new(), next })
}

/// The columns of [`SummaryRow`].
pub(crate) const SUMMARY: [Column; 6] =
    [Column::Id, Column::UserId, Column::Name, Column::Revision, Column::CreatedAt, Column::UpdatedAt];

/// Returns the condition that a notebook comes after a cursor in the order of lists.
pub(crate) fn is_after(after: &Cursor) -> Expr {
    let place = Expr::tuple([Column::CreatedAt.into_expr(), Column::Id.into_expr()]);
    place.gt(Expr::tuple([Expr::val(after.created_at), Expr::val(after.id.as_str())]))
}

/// The columns of a notebook that lists need.
#[derive(Debug, FromQueryResult)]
pub(crate) struct SummaryRow {
    id: String,
    user_id: String,
    name: Option<String>,
    revision: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl TryFrom<SummaryRow> for Summary {
    type Error = Error;

    fn try_from(row: SummaryRow) -> Result<Self, Error> {
        let id = row.id.as_str();
        Ok(Self {
            id: NotebookId::new(id).map_err(|error| rows::refuse(TABLE, id, "id")(&error))?,
            owner: UserId::new(row.user_id).map_err(|error| rows::refuse(TABLE, id, "user_id")(&error))?,
            name: row.name.map(Arc::from),
            revision: Revision(row.revision),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
