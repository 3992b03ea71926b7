//! Enumerations of strings on the wire: names of the domain's values and of errors.

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
    CellStatusName as "CellStatus", "The state of a cell's last run; `idle` if it has not run.":
        [CellStatus::Idle, CellStatus::Running, CellStatus::Success, CellStatus::Error, CellStatus::Blocked]
            .map(CellStatus::as_str);
    /// [`quire_service::CellEnd`] on the wire.
    CellEndName as "CellEnd",
        "`blocked`: a cell that it depends on failed; `deleted`, `cancelled`: it left the queue before it ran.":
        ["success", "error", "interrupted", "blocked", "deleted", "cancelled"];
    /// [`quire_service::KernelStatus`] on the wire.
    KernelStatusName as "KernelStatus", "`none`: the next run starts one.": ["none", "starting", "idle", "busy"];
    /// [`quire_service::Sort`] in a query.
    SortName as "Sort", "An order of a list; `-` reverses it.":
        ["created", "updated", "name", "-created", "-updated", "-name"];
    /// The `database` of `/health`.
    DatabaseName as "Database", "The state of the store's database; `not_configured` for a store of files.":
        ["connected", "read_only", "disconnected", "not_configured"];
    /// The kind of a dependency.
    EdgeKindName as "GraphEdgeKind",
        "`eager`: the name is read while the cell runs; `deferred`: only when its functions are called; `table`: an SQL table.":
        ["eager", "deferred", "table"];
    /// [`quire_domain::Severity`] on the wire.
    SeverityName as "Severity", "`error`: the code cannot run as it is; `warning`: a hint.":
        ["error", "warning"];
    /// [`quire_files::Format`] in a query.
    FormatName as "Format", "A file format: `json` for Quire's own, `ipynb` for Jupyter's.": ["json", "ipynb"];
    /// The `status` of a successful change.
    OkName as "Ok", "The change was made.": ["ok"];
    /// The `status` of a probe.
    ProbeName as "ProbeStatus", "The state that the probe has confirmed.": ["alive", "ready"];
    /// [`Code`] on the wire.
    CodeName as "Code", "An error code.": Code::ALL.iter().map(|code| code.row().0);
}
