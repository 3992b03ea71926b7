//! The database's schema: the steps that lead to it, as SQL, and the runner that applies them.
//!
//! [`STEPS`] is the list, [`up`] brings a database to it, and [`state`] says where a database stands, which is what a
//! server asks before it serves. Everything takes the list of steps as an argument, so that the rules can be tested with
//! steps of a future that is not there yet.
//!
//! With the feature `sea-orm-migration`, the steps are also a `Migrator` for programs that use the crate of that name. It has
//! no lock, no checksum and no mark for a half-applied step; [`up`] has all three, and both leave the same record behind. The
//! feature is off in our own binaries, because that crate brings parts of `SeaORM` that nothing else uses. Why the steps are SQL:
//! `docs/adr/0006-migrations-as-sql.md`. How to write one: `docs/schema.md`.
//!
//! Every statement is sent as text, never prepared, so that everything works through a pooler in transaction mode.

mod apply;
mod blocker;
mod check;
mod connection;
mod contents;
mod error;
mod history;
mod lock;
mod progress;
mod run;
mod script;
#[cfg(feature = "sea-orm-migration")]
mod sea_orm;
mod session;
mod state;
mod step;
mod steps;

pub use blocker::Blocker;
pub use check::{Findings, SCHEMA, check, describe};
pub use connection::{connect_once, tidied};
pub use contents::{Contents, contents};
pub use error::MigrateError;
pub use progress::Progress;
pub use run::{Limits, Report, Tell, down, fresh, up};
pub use script::sql;
#[cfg(feature = "sea-orm-migration")]
pub use sea_orm::Migrator;
pub use session::connect;
pub use state::{Listed, Pending, SchemaState, StepStatus, list, state};
pub use step::{Kind, Step};
pub use steps::STEPS;
