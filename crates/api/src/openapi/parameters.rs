//! What extractors take from the path and from headers.

use quire_domain::limits;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

use crate::etag::IfNoneMatch;
use crate::extract::{CellPath, IfMatch, NotebookPath};
use crate::idempotency::{self, Keyed};

impl IntoParams for NotebookPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        // The example lets whoever tries something on the page do so at once.
        let id = path("id", "The notebook's id, or `blank` or `demo` for your own.").example(Some("blank".into()));
        vec![id.build()]
    }
}

impl IntoParams for CellPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![path("cell_id", "The cell's id.").build()]
    }
}

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let etag = text().pattern(Some(r#"^(\*|(W/)?"[!#-+.-~-]*")$"#));
        let description =
            "The `ETag` of the notebook as you know it: the change is refused when the notebook has been edited since.";
        vec![header("If-Match", description).schema(Some(etag)).build()]
    }
}

impl IntoParams for Keyed {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let key = text().min_length(Some(1)).max_length(Some(idempotency::MAX)).pattern(Some("^[ -~]+$"));
        let description = "Any text, new for each request: sent again with the same one within 24 hours, the request is not done again but \
            answered as it was.";
        vec![header("Idempotency-Key", description).schema(Some(key)).build()]
    }
}

impl IntoParams for IfNoneMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description =
            "The `ETag` of the notebook as you know it: without an edit or a run since, the answer is 304.";
        vec![header("If-None-Match", description).schema(Some(text())).build()]
    }
}

fn path(name: &str, description: &str) -> ParameterBuilder {
    let id = text().min_length(Some(1)).max_length(Some(limits::ID_CHARS));
    let place = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
    place.description(Some(description)).schema(Some(id))
}

fn header(name: &str, description: &str) -> ParameterBuilder {
    let place = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(Required::False);
    place.description(Some(description))
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
