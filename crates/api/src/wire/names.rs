//! Texts of which there are only a few: what the domain and the errors call things.

use std::borrow::Cow;

use quire_domain::{CellStatus, CellType};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::Code;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident as $shown:literal, $description:literal: $names:expr;)*) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let object = ObjectBuilder::new().schema_type(Type::String).description(Some($description));
                    object.enum_values(Some($names)).into()
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed($shown)
                }
            }
        )*
    };
}

names! {
    /// [`CellType`] on the wire.
    CellTypeName as "CellType", "A cell's language.": [CellType::Python, CellType::Sql].map(CellType::as_str);
    /// [`CellStatus`] on the wire.
    CellStatusName as "CellStatus", "What a cell's last run came to; `idle` without one.":
        [CellStatus::Idle, CellStatus::Running, CellStatus::Success, CellStatus::Error, CellStatus::Blocked]
            .map(CellStatus::as_str);
    /// [`quire_service::Sort`] in a query.
    SortName as "Sort", "An order of a list; `-` reverses it.":
        ["created", "updated", "name", "-created", "-updated", "-name"];
    /// What `/health` says of the store.
    DatabaseName as "Database", "How the store's database is; files are none.":
        ["connected", "read_only", "disconnected", "not_configured"];
    /// How a cell depends on another.
    EdgeKindName as "GraphEdgeKind",
        "`eager`: while the cell itself runs; `deferred`: only in its functions; `table`: by SQL.":
        ["eager", "deferred", "table"];
    /// [`quire_domain::Severity`] on the wire.
    SeverityName as "Severity", "`error`: the code cannot run as it stands; `warning`: something is worth knowing.":
        ["error", "warning"];
    /// [`quire_files::Format`] in a query.
    FormatName as "Format", "A format of files.": ["json", "ipynb"];
    /// What a successful change says.
    OkName as "Ok", "It is done.": ["ok"];
    /// What probes say.
    ProbeName as "ProbeStatus", "It is.": ["alive", "ready"];
    /// [`Code`] on the wire.
    CodeName as "Code", "What went wrong.": Code::ALL.iter().map(|code| code.row().0);
}
