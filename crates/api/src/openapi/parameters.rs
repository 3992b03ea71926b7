//! What extractors take from the path and from headers.

use quire_domain::limits;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

use crate::etag::IfMatch;
use crate::path::{CellPath, NotebookPath};

/// The header `If-None-Match`, which a handler reads by itself.
pub(crate) struct IfNoneMatch;

macro_rules! parameter {
    ($kind:ty: $name:literal in $place:ident, $most:expr, $example:expr, $description:literal) => {
        impl IntoParams for $kind {
            fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length($most);
                let place = ParameterIn::$place;
                let required = if place == ParameterIn::Path { Required::True } else { Required::False };
                let parameter = ParameterBuilder::new().name($name).parameter_in(place).required(required);
                vec![parameter.description(Some($description)).schema(Some(text)).example($example).build()]
            }
        }
    };
}

// The example lets whoever tries something on the page do so at once.
parameter!(NotebookPath: "id" in Path, Some(limits::ID_CHARS), Some("blank".into()),
    "The notebook's id, or `blank` or `demo` for your own.");
parameter!(CellPath: "cell_id" in Path, Some(limits::ID_CHARS), None, "The cell's id.");
parameter!(IfMatch: "If-Match" in Header, None, None,
    "The `ETag` of the notebook as you know it: the change is refused when the notebook has been edited since.");
parameter!(IfNoneMatch: "If-None-Match" in Header, None, None,
    "The `ETag` of the notebook as you know it: without an edit or a run since, the answer is 304.");
