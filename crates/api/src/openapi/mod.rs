//! The API's description (`OpenAPI` 3.1), generated from handlers and wire types, and served.
//!
//! A handler's attribute declares its path, its parameters and its response. Its errors are not declared there: one table in
//! [`error_responses`] derives them from the parameters.

mod error_responses;
mod parameters;

use std::sync::LazyLock;

use actix_web::web::{self, Bytes};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi, RefOr, Required};
use utoipa::{Modify, OpenApi as _};

use crate::handlers::{cells, graph, health, import_export, notebooks, runs, search};
use crate::problem::Problem;
use crate::response::{HandlerResult, json_bytes, read, resource};
use crate::wire::{FormatName, ProblemOut, SortName};
use crate::ws;

use error_responses::ErrorResponses;

/// The description: its introduction, operations and tags.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Quire",
        license(name = "MIT OR Apache-2.0"),
        description = "The back end of a reactive notebook: Python and SQL cells whose reads and writes form a dependency \
            graph.\n\nAll bodies are JSON, errors too (`application/problem+json`): `code` tells errors apart for programs, `detail` \
            explains them to people. Every `GET` route has `HEAD`. Unknown fields of a request are ignored, and later \
            versions may add fields to responses. `docs/api.md` is a tutorial, and `docs/http-status-codes.md` explains \
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
        notebooks::set_reactive,
        notebooks::duplicate,
        import_export::import,
        import_export::export,
        graph::get,
        runs::run,
        runs::get,
        runs::interrupt,
        runs::restart,
        runs::kernel,
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
        (name = "Notebooks", description = "Creating, listing, reading, searching, renaming, connecting, duplicating, importing, exporting and deleting notebooks."),
        (name = "Cells", description = "Adding, changing, moving and deleting the cells of a notebook."),
        (name = "Running", description = "Running cells, and the kernel that executes them."),
        (name = "Watching", description = "Events of a notebook over a WebSocket."),
        (name = "Server", description = "The state of the server, and this description."),
    ),
    security(("token" = [])),
    modifiers(&TokenScheme, &OptionalBodies, &ErrorResponses),
)]
struct ApiDocument;

/// A modifier that adds the security scheme of tokens.
struct TokenScheme;

impl Modify for TokenScheme {
    fn modify(&self, api: &mut OpenApi) {
        let description = "A Clerk session token. In development mode there is no sign-in, and any token is ignored.";
        let bearer =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(description));
        let components = api.components.get_or_insert_with(Components::new);
        components.add_security_scheme("token", SecurityScheme::Http(bearer.build()));
    }
}

/// A modifier that makes the bodies of DELETE optional, which an attribute cannot express without allowing `null`.
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

/// The description as JSON.
static TEXT: LazyLock<Result<Bytes, String>> = LazyLock::new(|| {
    ApiDocument::openapi().to_pretty_json().map(|text| (text + "\n").into()).map_err(|e| e.to_string())
});

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/api/openapi.json", "GET, HEAD").route(read().to(openapi)));
}

/// Describes this API.
///
/// Needs no sign-in. The page `/api/docs` shows it.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "openapi",
    tag = "Server",
    security(()),
    responses((status = 200, description = "This document.", body = Object)),
)]
async fn openapi() -> HandlerResult {
    TEXT.clone().map(json_bytes).map_err(Problem::undescribable)
}
