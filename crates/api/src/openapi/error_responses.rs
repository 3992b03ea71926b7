//! The error responses of operations, derived from their parameters and bodies.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use utoipa::Modify;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::schema::AllOfBuilder;
use utoipa::openapi::{
    Components, ContentBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Type,
};

use crate::problem::Code;

/// A modifier that adds the errors to all operations, and the headers to all responses.
pub(crate) struct ErrorResponses;

impl Modify for ErrorResponses {
    fn modify(&self, api: &mut OpenApi) {
        let mut errors = Errors::default();
        for (path, item) in &mut api.paths.paths {
            for (changes, operation) in operations(item) {
                for response in operation.responses.responses.values_mut() {
                    if let RefOr::T(response) = response {
                        add_header(response, &REQUEST_ID);
                        if changes {
                            add_header(response, &REPLAYED);
                        }
                    }
                }
                let facts = OperationFacts::of(path, changes, operation);
                for (status, codes) in facts.errors() {
                    let response =
                        || RefOr::Ref(Ref::new(format!("#/components/responses/{}", errors.name(status, codes))));
                    operation.responses.responses.entry(status.as_str().to_owned()).or_insert_with(response);
                }
            }
        }
        let components = api.components.get_or_insert_with(Components::new);
        components.responses.extend(errors.0.into_iter().map(|(name, _, response)| (name, response.into())));
        for (name, kind, description) in [REQUEST_ID, REPLAYED, RETRY_AFTER, SCHEME] {
            let header = HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(kind)));
            components.headers.insert(name.to_owned(), header.description(Some(description)).build().into());
        }
    }
}

/// A header of responses: its name, its type, and its description.
type ResponseHeader = (&'static str, Type, &'static str);

const REQUEST_ID: ResponseHeader = ("X-Request-Id", Type::String, "The id of the request in the server's log.");
const REPLAYED: ResponseHeader = (
    "Idempotency-Replayed",
    Type::String,
    "`true` when this is the recorded response to an earlier request with the same key.",
);
const RETRY_AFTER: ResponseHeader = ("Retry-After", Type::Integer, "Seconds after which the same request may succeed.");
const SCHEME: ResponseHeader = ("WWW-Authenticate", Type::String, "`Bearer`.");

fn add_header(response: &mut Response, (name, ..): &ResponseHeader) {
    let header = RefOr::Ref(Ref::new(format!("#/components/headers/{name}")));
    response.headers.insert((*name).to_owned(), header);
}

/// Returns the operations of a path, each with `true` if it changes something.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let all = [(false, &mut item.get), (true, &mut item.put), (true, &mut item.post), (true, &mut item.delete)];
    all.into_iter().filter_map(|(changes, operation)| Some((changes, operation.as_mut()?)))
}

/// The facts about an operation that determine its errors.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact by itself")]
struct OperationFacts<'a> {
    id: &'a str,
    probe: bool,
    socket: bool,
    signs_in: bool,
    notebook: bool,
    cell: bool,
    query: bool,
    body: bool,
    if_match: bool,
    changes: bool,
}

impl<'a> OperationFacts<'a> {
    fn of(path: &str, changes: bool, operation: &'a Operation) -> Self {
        let parameters = operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(parameter),
            RefOr::Ref(_) => None,
        });
        let has = |test: &dyn Fn(&str, &ParameterIn) -> bool| {
            parameters.clone().any(|parameter| test(&parameter.name, &parameter.parameter_in))
        };
        let socket = path.starts_with("/api/ws/");
        Self {
            id: operation.operation_id.as_deref().unwrap_or_default(),
            probe: matches!(path, "/health" | "/livez" | "/readyz"),
            socket,
            // An operation without a security of its own has that of the document.
            signs_in: operation.security.is_none(),
            notebook: !socket && has(&|name, place| name == "id" && *place == ParameterIn::Path),
            cell: has(&|name, _| name == "cell_id"),
            query: has(&|_, place| *place == ParameterIn::Query),
            body: operation.request_body.is_some(),
            if_match: has(&|name, _| name == "If-Match"),
            changes,
        }
    }

    /// Returns the errors: each status with its codes.
    fn errors(&self) -> BTreeMap<StatusCode, Vec<Code>> {
        let mut by_status = BTreeMap::<_, Vec<_>>::new();
        for &code in Code::ALL.iter().filter(|code| self.can_be(**code)) {
            by_status.entry(code.row().1).or_default().push(code);
        }
        by_status
    }

    /// Returns whether the operation can fail with this code.
    fn can_be(&self, code: Code) -> bool {
        match code {
            Code::BadRequest => self.notebook || self.changes || self.socket,
            // Without the headers of an upgrade, a socket's route is like any other.
            Code::NotSignedIn
            | Code::BadToken
            | Code::InactiveUser
            | Code::SignInUnavailable
            | Code::TooManyRequests => self.signs_in || self.socket,
            Code::ForbiddenHost => !self.probe,
            Code::ForbiddenOrigin => true,
            // What is exported is a whole notebook.
            Code::TooLarge => self.body || self.id == "exportNotebook",
            Code::ForbiddenContentType | Code::SlowBody | Code::EncodedBody | Code::MalformedJson => self.body,
            // A stored notebook may be too large to open.
            Code::BeyondLimit => self.body || self.notebook,
            Code::DoesNotFit => self.body || self.query,
            Code::ForeignNotebook | Code::UnknownNotebook | Code::NotebookDamaged => self.notebook,
            Code::MemoryFull => self.notebook || self.id == "importNotebook",
            Code::UnknownCell => self.cell || matches!(self.id, "insertCell" | "runCells"),
            Code::UnknownRun => self.id == "getRun",
            Code::KernelElsewhere => matches!(self.id, "runCells" | "restartKernel" | "interrupt"),
            Code::ExecutionOff => matches!(self.id, "runCells" | "restartKernel"),
            Code::PreconditionFailed => self.if_match,
            // The body holds `expected_revision` wherever there is one.
            Code::RevisionConflict => self.if_match && self.body,
            Code::PasswordMasked => self.id == "setConnection",
            Code::NoSecretKey => matches!(self.id, "setConnection" | "duplicateNotebook"),
            Code::OverQuota => {
                matches!(
                    self.id,
                    "createNotebook" | "duplicateNotebook" | "importNotebook" | "insertCell" | "updateCell"
                )
            }
            Code::NotResponding => self.id == "livez",
            Code::ShuttingDown => self.signs_in || self.socket || self.id == "readyz",
            // Work and store calls have queues, and bodies and responses have budgets.
            Code::TooMuchAtOnce
            | Code::ServerBusy
            | Code::Internal
            | Code::StoreUnavailable
            | Code::StoreOverloaded
            | Code::TookTooLong => self.signs_in,
            Code::KeyReused | Code::ReadOnly | Code::OutcomeUnknown => self.changes,
            Code::Contended => self.changes && self.notebook,
            // The first list of a user creates notebooks.
            Code::StorageFull => self.changes || self.id == "listNotebooks",
            // Documented routes exist, have the methods that are documented, and answer every request by themselves.
            Code::UnknownRoute | Code::MethodNotAllowed | Code::Other => false,
        }
    }
}

/// The error responses of all operations by name, with their codes. Each is written once and referenced by operations.
#[derive(Default)]
struct Errors(Vec<(String, Vec<Code>, Response)>);

impl Errors {
    /// Returns the name of the response with this status and one of these codes.
    fn name(&mut self, status: StatusCode, codes: Vec<Code>) -> String {
        if let Some((name, ..)) = self.0.iter().find(|(_, known, _)| *known == codes) {
            return name.clone();
        }
        let prefix = format!("error-{}-", status.as_u16());
        let name = format!("{prefix}{}", 1 + self.0.iter().filter(|(name, ..)| name.starts_with(&prefix)).count());
        let response = error(status, &codes);
        self.0.push((name.clone(), codes, response));
        name
    }
}

fn error(status: StatusCode, codes: &[Code]) -> Response {
    let lines: Vec<_> = codes.iter().map(|code| format!("`{}`: {}.", code.row().0, code.row().2)).collect();
    let names = codes.iter().map(|code| code.row().0);
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
    let narrowed = ObjectBuilder::new().property("code", code);
    let schema = AllOfBuilder::new().item(Ref::from_schema_name("Problem")).item(narrowed);
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new().description(lines.join("\n\n"));
    let mut response = response.content("application/problem+json", content).build();
    add_header(&mut response, &REQUEST_ID);
    match status {
        StatusCode::UNAUTHORIZED => add_header(&mut response, &SCHEME),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => add_header(&mut response, &RETRY_AFTER),
        _ => {}
    }
    response
}
