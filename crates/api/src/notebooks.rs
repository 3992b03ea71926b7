//! Notebooks: making, listing, reading, naming, connecting, deleting.

use actix_web::web;
use quire_domain::{ConnectionString, Edit, Notebook, limits::Invalid};
use quire_service::ServiceError;
use quire_storage::{InvalidCursor, PageRequest};

use crate::answer::{Answer, json, json_bytes, read, render, resource};
use crate::extract::{Body, IgnoredBody, Query};
use crate::guard::Caller;
use crate::path::NotebookPath;
use crate::problem::{Code, Problem};
use crate::shared::Shared;
use crate::wire::{ConnectionIn, CreatedNotebookOut, DoneOut, ListOut, NameIn, NotebookOut, PageIn, RenamedOut};

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/notebooks", "GET, HEAD, POST").route(read().to(list)).route(web::post().to(create)))
        .service(
            resource("/api/notebooks/{id}", "GET, HEAD, DELETE").route(read().to(get)).route(web::delete().to(delete)),
        )
        .service(resource("/api/notebooks/{id}/name", "PUT").route(web::put().to(rename)))
        .service(resource("/api/notebooks/{id}/db", "PUT").route(web::put().to(connect)));
}

async fn create(shared: web::Data<Shared>, Caller(user): Caller, _: IgnoredBody) -> Answer {
    let id = shared.change(shared.service.create(&user)).await?;
    json(64, &CreatedNotebookOut { notebook_id: id.as_str() })
}

async fn list(shared: web::Data<Shared>, Caller(user): Caller, Query(page): Query<PageIn>) -> Answer {
    let paged = page.limit.is_some() || page.cursor.is_some();
    let page = page_request(page)?;
    let page = shared.read(shared.service.list(&user, &page)).await?;
    json(64 + 128 * page.notebooks.len(), &ListOut::new(&page, paged))
}

fn page_request(PageIn { limit, cursor, sort }: PageIn) -> Result<PageRequest, Problem> {
    if sort.is_some() {
        return Err(Problem::new(Code::DoesNotFit, "The query does not fit: `sort` is not supported yet."));
    }
    if limit == Some(0) {
        return Err(Problem::new(Code::DoesNotFit, "The query does not fit: `limit` must be at least 1."));
    }
    let unfit =
        |error: InvalidCursor| Problem::new(Code::DoesNotFit, format!("The query does not fit: `cursor`: {error}."));
    let after = cursor.map(|cursor| cursor.parse()).transpose().map_err(unfit)?;
    Ok(PageRequest { limit, after })
}

async fn get(shared: web::Data<Shared>, Caller(user): Caller, NotebookPath(id): NotebookPath) -> Answer {
    let published = shared.read(shared.service.get(&user, &id)).await?;
    if let Some(bytes) = shared.rendered.get(&published) {
        return Ok(json_bytes(bytes));
    }
    let size: usize = published.notebook.cells.iter().map(|cell| cell.code.len() * 9 / 8 + 256).sum();
    let bytes = render(512 + size, &NotebookOut::new(&published))?;
    shared.rendered.keep(&published, &bytes);
    Ok(json_bytes(bytes))
}

async fn rename(
    shared: web::Data<Shared>,
    Caller(user): Caller,
    NotebookPath(id): NotebookPath,
    Body(NameIn { name }): Body<NameIn>,
) -> Answer {
    let name = name.unwrap_or_default();
    let kept = Notebook::name_from(&name).map_err(invalid)?;
    shared.change(shared.service.edit(&user, &id, None, Edit::Rename { name })).await?;
    json(512, &RenamedOut::new(kept.as_deref()))
}

async fn connect(
    shared: web::Data<Shared>,
    Caller(user): Caller,
    NotebookPath(id): NotebookPath,
    Body(ConnectionIn { connection_string }): Body<ConnectionIn>,
) -> Answer {
    let entered = ConnectionString::new(&connection_string.unwrap_or_default()).map_err(invalid)?;
    shared.change(shared.service.set_connection(&user, &id, None, entered)).await?;
    json(32, &DoneOut::new())
}

async fn delete(shared: web::Data<Shared>, Caller(user): Caller, NotebookPath(id): NotebookPath) -> Answer {
    shared.change(shared.service.delete(&user, &id)).await?;
    shared.rendered.forget(&id);
    json(32, &DoneOut::new())
}

fn invalid(error: Invalid) -> Problem {
    ServiceError::from(error).into()
}
