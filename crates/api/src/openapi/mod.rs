//! The API's description (`OpenAPI` 3.1), made from the routes and wire types themselves, and served.
//!
//! A handler's attribute names its path, what it takes and what it answers. What can be refused is not said there: it
//! follows from what the handler takes, by one table in [`error_responses`].

mod error_responses;
mod parameters;

use std::sync::LazyLock;

use actix_web::web::{self, Bytes};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi, RefOr, Required};
use utoipa::{Modify, OpenApi as _};

use crate::handlers::{cells, graph, health, import_export, notebooks, search};
use crate::problem::Problem;
use crate::response::{Answer, json_bytes, read, resource};
use crate::wire::{FormatName, ProblemOut, SortName};
use crate::ws;

use error_responses::Refusals;

/// What is described, and in which words it is introduced.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Quire",
        license(name = "MIT OR Apache-2.0"),
        description = "The back end of a reactive notebook: Python and SQL cells whose reads and writes form a dependency \
            graph.\n\nEverything is JSON, errors too (`application/problem+json`): programs tell them apart by their `code`, \
            people read their `detail`. Where there is `GET`, there is `HEAD`. Unknown fields of a request are ignored, and \
            answers may come to have more fields. `docs/api.md` leads through it, and `docs/http-status-codes.md` explains \
            the errors.",
    ),
    paths(
        openapi,
        health::health,
        health::alive,
        health::ready,
        notebooks::list,
        notebooks::create,
        notebooks::get,
        notebooks::delete,
        notebooks::rename,
        notebooks::connect,
        notebooks::duplicate,
        import_export::import,
        import_export::export,
        graph::get,
        search::search,
        cells::insert,
        cells::update,
        cells::delete,
        cells::move_cell,
        cells::set_type,
        ws::upgrade::upgrade,
    ),
    components(schemas(ProblemOut, SortName, FormatName)),
    tags(
        (name = "Notebooks", description = "Making, listing, reading, searching, naming, connecting, copying, importing, exporting, deleting."),
        (name = "Cells", description = "Adding, changing, moving and deleting the cells of a notebook."),
        (name = "Watching", description = "Being told what happens, as it happens."),
        (name = "Server", description = "How the server is, and this description."),
    ),
    security(("token" = [])),
    modifiers(&Token, &OptionalBodies, &Refusals),
)]
struct Described;

/// How requests are signed in.
struct Token;

impl Modify for Token {
    fn modify(&self, api: &mut OpenApi) {
        let description = "A Clerk session token. In development mode there is no sign-in, and any token is ignored.";
        let bearer =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(description));
        let components = api.components.get_or_insert_with(Components::new);
        components.add_security_scheme("token", SecurityScheme::Http(bearer.build()));
    }
}

/// Bodies that may be left out, which an attribute can only say by allowing `null` too.
struct OptionalBodies;

impl Modify for OptionalBodies {
    fn modify(&self, api: &mut OpenApi) {
        let deletions = api.paths.paths.values_mut().filter_map(|item| item.delete.as_mut());
        for body in deletions.filter_map(|operation| operation.request_body.as_mut()) {
            if let RefOr::T(body) = body {
                body.required = Some(Required::False);
            }
        }
    }
}

/// The description as it is served; it never changes while the server runs.
static TEXT: LazyLock<Result<Bytes, String>> =
    LazyLock::new(|| Described::openapi().to_pretty_json().map(|text| (text + "\n").into()).map_err(|e| e.to_string()));

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/api/openapi.json", "GET, HEAD").route(read().to(openapi)));
}

/// Describes this API.
///
/// Needs no sign-in. `/api/docs` is a page that shows it.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "openapi",
    tag = "Server",
    security(()),
    responses((status = 200, description = "This document.", body = Object)),
)]
async fn openapi() -> Answer {
    TEXT.clone().map(json_bytes).map_err(Problem::undescribable)
}
