//! Storage used by a user.

use quire_domain::UserId;
use quire_storage::Usage;
use sea_orm::sea_query::{Expr, ExprTrait, Func, Query, SelectStatement};
use sea_orm::{ConnectionTrait, EntityName as _, FromQueryResult};

use crate::entity::{cell_outputs, cells, notebooks};
use crate::error::Error;
use crate::rows;

#[derive(FromQueryResult)]
struct Row {
    notebooks: i64,
    bytes: i64,
}

/// Adds up the storage of an owner's notebooks. Sizes are those of the stored form, compressed if PostgreSQL compresses
/// it, so that no long value is fetched. The overhead of rows and indexes is not included.
pub(crate) async fn usage(db: &impl ConnectionTrait, owner: &UserId) -> Result<Usage, Error> {
    let own = (notebooks::Entity, notebooks::Column::UserId);
    let id = (notebooks::Entity, notebooks::Column::Id);
    let of_notebooks = sum([size((notebooks::Entity, notebooks::Column::Extra))]).from(notebooks::Entity).to_owned();
    let columns = [cells::Column::Code, cells::Column::Stdout, cells::Column::Error, cells::Column::Extra];
    let of_cells = sum(columns.map(|column| size((cells::Entity, column))))
        .from(notebooks::Entity)
        .inner_join(cells::Entity, Expr::col((cells::Entity, cells::Column::NotebookId)).equals(id))
        .to_owned();
    let columns = [cell_outputs::Column::Data, cell_outputs::Column::Metadata];
    let of_outputs = sum(columns.map(|column| size((cell_outputs::Entity, column))))
        .from(notebooks::Entity)
        .inner_join(
            cell_outputs::Entity,
            Expr::col((cell_outputs::Entity, cell_outputs::Column::NotebookId)).equals(id),
        )
        .to_owned();
    let count = Query::select().expr(Expr::col(id).count()).from(notebooks::Entity).to_owned();
    let of_owner =
        |mut query: SelectStatement| Expr::from(query.and_where(Expr::col(own).eq(owner.as_str())).to_owned());
    let bytes = of_owner(of_notebooks).add(of_owner(of_cells)).add(of_owner(of_outputs)).cast_as("bigint");
    let query = Query::select().expr_as(of_owner(count), "notebooks").expr_as(bytes, "bytes").to_owned();
    let row = rows::one::<Row>(db, &query, notebooks::Entity.table_name()).await?;
    Ok(row.map_or_else(Usage::default, |row| Usage {
        notebooks: row.notebooks.unsigned_abs(),
        bytes: row.bytes.unsigned_abs(),
    }))
}

/// Returns the bytes of a stored value; 0 for NULL.
fn size(column: impl sea_orm::sea_query::IntoColumnRef) -> Expr {
    Func::coalesce([Func::cust("pg_column_size").arg(Expr::col(column)).into(), Expr::val(0)]).into()
}

/// Selects the sum of these over all rows; 0 without rows.
fn sum(sizes: impl IntoIterator<Item = Expr>) -> SelectStatement {
    let all = sizes.into_iter().reduce(ExprTrait::add).unwrap_or_else(|| Expr::val(0));
    Query::select().expr(Func::coalesce([Func::sum(all).into(), Expr::val(0)])).to_owned()
}
