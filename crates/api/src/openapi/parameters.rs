//! The parameters that extractors take from the path and from headers.

use quire_domain::limits;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

use crate::etag::IfNoneMatch;
use crate::extract::{CellPath, IfMatch, NotebookPath, RunPath};
use crate::idempotency::{self, IdempotentCaller};

impl IntoParams for NotebookPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        // With this example, an operation can be tried on the page at once.
        let id =
            path("id", "The notebook's id; `blank` and `demo` stand for your own `blank-…` and `demo-…` notebooks.")
                .example(Some("blank".into()));
        vec![id.build()]
    }
}

impl IntoParams for CellPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![path("cell_id", "The cell's id.").build()]
    }
}

impl IntoParams for RunPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![path("run_id", "The run's id.").build()]
    }
}

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let etag = text().pattern(Some(r#"^(\*|(W/)?"[!#-+.-~-]*")$"#));
        let description =
            "The `ETag` of the notebook as you know it. The change is refused if the notebook has been edited since.";
        vec![header("If-Match", description).schema(Some(etag)).build()]
    }
}

impl IntoParams for IdempotentCaller {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let key = text().min_length(Some(1)).max_length(Some(idempotency::MAX_KEY_CHARS)).pattern(Some("^[ -~]+$"));
        let description = "A unique text for each request. A retry with the same key within 24 hours has no further effect, and gets the first \
            response again.";
        vec![header("Idempotency-Key", description).schema(Some(key)).build()]
    }
}

impl IntoParams for IfNoneMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description =
            "The `ETag` of the notebook as you know it. If there was no edit and no run since, the response is 304.";
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
