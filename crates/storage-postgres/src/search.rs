//! Searching: the database looks through the owner's notebooks, and what it finds is looked at again here, because text
//! that may hold NUL is stored in another form, in which a search can find what is not there.

use quire_domain::{CellId, Cells, UserId};
use quire_storage::{CellHit, Cursor, Hit, PageRequest, SearchPage, SearchText, Summary};

use crate::database::Database;
use crate::error::Error;
use crate::{list, rows, text, whole};

/// Notebooks that one statement returns: some hundred kilobytes of code, usually.
const BATCH: usize = 100;

pub(crate) async fn search(
    database: &Database,
    owner: &UserId,
    wanted: &SearchText,
    page: &PageRequest,
) -> Result<SearchPage, Error> {
    let most = page.limit.unwrap_or(usize::MAX);
    let mut hits = Vec::new();
    let mut after = page.after.clone();
    // One more than wanted tells whether there is a next page.
    while hits.len() <= most {
        let batch = most.saturating_add(1).saturating_sub(hits.len()).min(BATCH);
        let candidates = candidates(database, owner, wanted, after.as_ref(), batch).await?;
        let is_last = candidates.len() < batch;
        after = candidates.last().map(|candidate| candidate.notebook.cursor());
        for candidate in candidates {
            hits.extend(candidate.looked_at(database, wanted).await?);
        }
        if is_last {
            break;
        }
    }
    Ok(SearchPage::first(hits, page.limit))
}

/// A notebook that the database found, with the first cells that it found there.
struct Candidate {
    notebook: Summary,
    cells: Vec<(CellId, String)>,
}

async fn candidates(
    database: &Database,
    owner: &UserId,
    wanted: &SearchText,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Vec<Candidate>, Error> {
    let in_code = text::encode(wanted.lowered());
    // Names are stored as they are, and hold no NUL.
    let in_name = (!wanted.lowered().contains('\0')).then(|| wanted.lowered());
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let rows = database.read(|| {
        sqlx::query(include_str!("sql/search.sql"))
            .bind(owner.as_str())
            .bind(in_code.as_ref())
            .bind(in_name)
            .bind(after.map(|after| after.created_at))
            .bind(after.map(|after| after.id.as_str()))
            .bind(count(limit))
            .bind(count(Hit::MOST_CELLS))
    });
    let mut candidates: Vec<Candidate> = Vec::new();
    for row in &rows.await? {
        let notebook = list::summary(row)?;
        if candidates.last().is_none_or(|last| last.notebook.id != notebook.id) {
            candidates.push(Candidate { notebook, cells: Vec::new() });
        }
        let Some(id) = rows::column::<Option<&str>>(row, "cells", "cell_id")? else { continue };
        let id = CellId::new(id).map_err(|error| rows::refuse("cells", id, "id")(&error))?;
        let code = text::decode(rows::column(row, "cells", "code")?);
        let code = code.ok_or_else(|| rows::refuse("cells", id.as_str(), "code")(&"a mark U+FDD0 stands alone"))?;
        if let Some(last) = candidates.last_mut() {
            last.cells.push((id, code));
        }
    }
    Ok(candidates)
}

impl Candidate {
    /// What of it is really found.
    async fn looked_at(self, database: &Database, wanted: &SearchText) -> Result<Option<Hit>, Error> {
        let Self { notebook, cells } = self;
        let found: Vec<_> = cells.iter().filter_map(|(id, code)| CellHit::find(wanted, id, code)).collect();
        if found.len() < cells.len() {
            // Of those that are only found in their stored form, so many may have come that others are missing.
            let loaded = whole::load(database, &notebook.id).await?;
            let cells = loaded.as_ref().map(|loaded| &loaded.notebook.cells);
            let cells = cells.into_iter().flat_map(Cells::iter).map(|cell| &**cell);
            return Ok(Hit::find(wanted, notebook, cells));
        }
        let in_name = notebook.name.as_deref().is_some_and(|name| wanted.find_in(name).is_some());
        Ok((in_name || !found.is_empty()).then_some(Hit { notebook, in_name, cells: found }))
    }
}
