//! Search: the database searches the owner's notebooks, and its candidates are checked again here. Text that may
//! contain NUL is stored in another form, in which a search can match what the text does not contain.

use quire_domain::{CellId, Cells, UserId};
use quire_storage::{CellHit, Cursor, Hit, SearchPage, SearchRequest, SearchText, Summary};
use sea_orm::sea_query::{ColumnRef, Expr, ExprTrait as _, Func, IntoColumnRef as _, JoinType, Query, SelectStatement};
use sea_orm::{ColumnTrait as _, ConnectionTrait, FromQueryResult, Order};

use crate::entity::{cells, notebooks};
use crate::error::Error;
use crate::list::{SUMMARY, SummaryRow, is_after};
use crate::{rows, text};

/// Number of notebooks that one statement returns: usually some hundred kilobytes of code.
const BATCH: usize = 100;

pub(crate) async fn search(db: &impl ConnectionTrait, search: SearchRequest<'_>) -> Result<SearchPage, Error> {
    let SearchRequest { owner, text: wanted, page } = search;
    let most = page.limit.unwrap_or(usize::MAX);
    let mut hits = Vec::new();
    let mut after = page.after.clone();
    // One hit more than requested shows whether there is a next page.
    while hits.len() <= most {
        let batch = most.saturating_add(1).saturating_sub(hits.len()).min(BATCH);
        let candidates = candidates(db, owner, wanted, after.as_ref(), batch).await?;
        let is_last = candidates.len() < batch;
        after = candidates.last().map(|candidate| candidate.notebook.cursor());
        for candidate in candidates {
            hits.extend(candidate.hit(db, wanted).await?);
        }
        if is_last {
            break;
        }
    }
    Ok(SearchPage::first(hits, page.limit))
}

/// A notebook that matches in the database, with its first matching cells.
struct Candidate {
    notebook: Summary,
    cells: Vec<(CellId, String)>,
}

/// A matching notebook with one of its matching cells.
#[derive(FromQueryResult)]
struct Row {
    #[sea_orm(nested)]
    notebook: SummaryRow,
    cell_id: Option<String>,
    code: Option<String>,
}

/// Returns a statement that follows the index of the owner's notebooks and stops at the limit, so that it reads only
/// the owner's notebooks.
fn query(owner: &UserId, wanted: &SearchText, after: Option<&Cursor>, limit: usize) -> SelectStatement {
    let holds = |column: Expr, text: &str| {
        let lowered = Func::lower(Expr::cust_with_expr(r#"$1 COLLATE "C""#, column));
        Expr::from(Func::cust("strpos").arg(lowered).arg(text)).gt(0)
    };
    let in_code = text::encode(wanted.lowered());
    let matching_cells = |notebook: ColumnRef| {
        let mut cells = Query::select();
        cells
            .columns([cells::Column::Id, cells::Column::OrderKey, cells::Column::Code])
            .from(cells::Entity)
            .and_where(cells::Column::NotebookId.into_expr().eq(Expr::col(notebook)))
            .and_where(holds(cells::Column::Code.into_expr(), &in_code))
            .to_owned()
    };
    let mut here = holds(notebooks::Column::Name.into_expr(), wanted.lowered());
    if wanted.lowered().contains('\0') {
        here = Expr::val(false); // names are stored unencoded, and contain no NUL
    }
    let any_cell = matching_cells((notebooks::Entity, notebooks::Column::Id).into_column_ref());
    let mut found = Query::select();
    found
        .columns(SUMMARY)
        .from(notebooks::Entity)
        .and_where(notebooks::Column::UserId.eq(owner.as_str()))
        .and_where(here.or(Expr::exists(any_cell)))
        .order_by(notebooks::Column::CreatedAt, Order::Asc)
        .order_by(notebooks::Column::Id, Order::Asc)
        .limit(rows::limit(limit));
    if let Some(after) = after {
        found.and_where(is_after(after));
    }
    let first_cells = matching_cells((FOUND, notebooks::Column::Id).into_column_ref())
        .order_by(cells::Column::OrderKey, Order::Asc)
        .order_by(cells::Column::Id, Order::Asc)
        .limit(rows::limit(Hit::MAX_CELLS))
        .to_owned();
    Query::select()
        .columns(SUMMARY.map(|column| (FOUND, column)))
        .expr_as(Expr::col((CELL, cells::Column::Id)), "cell_id")
        .column((CELL, cells::Column::Code))
        .from_subquery(found, FOUND)
        .join_lateral(JoinType::LeftJoin, first_cells, CELL, Expr::val(true))
        .order_by((FOUND, notebooks::Column::CreatedAt), Order::Asc)
        .order_by((FOUND, notebooks::Column::Id), Order::Asc)
        .order_by((CELL, cells::Column::OrderKey), Order::Asc)
        .order_by((CELL, cells::Column::Id), Order::Asc)
        .to_owned()
}

const FOUND: &str = "found";
const CELL: &str = "cell";

async fn candidates(
    db: &impl ConnectionTrait,
    owner: &UserId,
    wanted: &SearchText,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Vec<Candidate>, Error> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for row in rows::all::<Row>(db, &query(owner, wanted, after, limit), "notebooks").await? {
        let notebook = Summary::try_from(row.notebook)?;
        if candidates.last().is_none_or(|last| last.notebook.id != notebook.id) {
            candidates.push(Candidate { notebook, cells: Vec::new() });
        }
        let (Some(id), Some(code)) = (row.cell_id, row.code) else { continue };
        let id = CellId::new(id.as_str()).map_err(|error| rows::refuse("cells", &id, "id")(&error))?;
        let code = text::decode(code).ok_or_else(|| rows::refuse("cells", id.as_str(), "code")(&text::LONE_MARK))?;
        if let Some(last) = candidates.last_mut() {
            last.cells.push((id, code));
        }
    }
    Ok(candidates)
}

impl Candidate {
    /// Returns the hit, if the candidate is one.
    async fn hit(self, db: &impl ConnectionTrait, wanted: &SearchText) -> Result<Option<Hit>, Error> {
        let Self { notebook, cells } = self;
        let found: Vec<_> = cells.iter().filter_map(|(id, code)| CellHit::find(wanted, id, code)).collect();
        if found.len() < cells.len() {
            // Some cells match only in their stored form, and may have displaced matching cells beyond the limit.
            let loaded = rows::load(db, &notebook.id).await?;
            let cells = loaded.as_ref().map(|loaded| &loaded.notebook.cells);
            let cells = cells.into_iter().flat_map(Cells::iter).map(|cell| &**cell);
            return Ok(Hit::find(wanted, notebook, cells));
        }
        let in_name = notebook.name.as_deref().is_some_and(|name| wanted.find_in(name).is_some());
        Ok((in_name || !found.is_empty()).then_some(Hit { notebook, in_name, cells: found }))
    }
}
