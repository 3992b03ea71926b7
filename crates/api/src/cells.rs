//! Cells: adding, changing, deleting.

use std::sync::Arc;

use actix_web::web;
use quire_domain::{Edit, Place, Revision, limits};

use crate::answer::{Answer, json, resource};
use crate::extract::{Body, CODE_BODY};
use crate::guard::Caller;
use crate::path::{CellPath, NotebookPath, cell_id};
use crate::problem::{Code, Problem};
use crate::shared::Shared;
use crate::wire::{CellIn, CodeIn, CreatedCellOut, EditedOut};

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/api/notebooks/{id}/cells", "POST").route(web::post().to(insert))).service(
        resource("/api/notebooks/{id}/cells/{cell_id}", "PUT, DELETE")
            .route(web::put().to(update))
            .route(web::delete().to(delete)),
    );
}

async fn insert(
    shared: web::Data<Shared>,
    Caller(user): Caller,
    NotebookPath(id): NotebookPath,
    Body(CellIn { r#type, after_cell_id }): Body<CellIn>,
) -> Answer {
    let place = match after_cell_id.as_deref() {
        None | Some("") => Place::End,
        Some(after) => Place::After(cell_id(after)?),
    };
    let call = shared.service.insert_cell(&user, &id, None, (r#type, Arc::default()), place);
    let created = shared.change(call).await?;
    json(64, &CreatedCellOut { cell_id: created.cell.as_str() })
}

async fn update(
    shared: web::Data<Shared>,
    Caller(user): Caller,
    NotebookPath(id): NotebookPath,
    CellPath(cell): CellPath,
    Body(CodeIn { code, expected_revision }): Body<CodeIn, CODE_BODY>,
) -> Answer {
    // Here, so that megabytes of source are not analysed before they are refused, and because the source is the request,
    // in effect: other values beyond their limits are 422.
    limits::at_most("the cell's source", "bytes", limits::CELL_SOURCE_BYTES, code.len())
        .map_err(|error| Problem::of(Code::TooLarge, &error))?;
    let edit = Edit::UpdateCell { id: cell, code: Arc::from(code) };
    let edited = shared.change(shared.service.edit(&user, &id, expected_revision.map(Revision), edit)).await?;
    json(64, &EditedOut::new(&edited))
}

async fn delete(
    shared: web::Data<Shared>,
    Caller(user): Caller,
    NotebookPath(id): NotebookPath,
    CellPath(cell): CellPath,
) -> Answer {
    let edited = shared.change(shared.service.edit(&user, &id, None, Edit::DeleteCell { id: cell })).await?;
    json(64, &EditedOut::new(&edited))
}
