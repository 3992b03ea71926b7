//! Lists: summaries of an owner's notebooks, a page at a time, along the index made for them.

use std::sync::Arc;

use quire_domain::{NotebookId, Revision, Timestamp, UserId};
use quire_storage::{ListFilter, Page, PageRequest, Summary};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use crate::database::Database;
use crate::entity::notebooks::{Column, Entity};
use crate::error::Error;

/// What a list needs of a row.
type Row = (String, String, Option<String>, i64, Timestamp, Timestamp);

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
    let rows: Vec<Row> = database
        .read_orm(|orm| {
            let query = query.clone().into_tuple();
            async move { query.all(&orm).await }
        })
        .await?;
    let mut notebooks = rows.into_iter().map(summary).collect::<Result<Vec<_>, _>>()?;
    let limit = page.limit.unwrap_or(usize::MAX);
    let more = notebooks.len() > limit;
    notebooks.truncate(limit);
    let next = if more { notebooks.last().map(Summary::cursor) } else { None };
    Ok(Page { notebooks, damaged: Vec::new(), next })
}

fn summary((id, owner, name, revision, created_at, updated_at): Row) -> Result<Summary, Error> {
    let bad = |column: &'static str| {
        let row = Some(format!("{id:?}"));
        move |error: quire_domain::InvalidId| Error::Row { table: "notebooks", column, row, reason: error.to_string() }
    };
    Ok(Summary {
        id: NotebookId::new(&id).map_err(bad("id"))?,
        owner: UserId::new(&owner).map_err(bad("user_id"))?,
        name: name.map(Arc::from),
        revision: Revision(revision),
        created_at,
        updated_at,
    })
}
