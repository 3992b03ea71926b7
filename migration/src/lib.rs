//! The database's schema: the steps that lead to it, as SQL, and the runner that applies them.
//!
//! [`STEPS`] is the list of steps, [`up`] brings a database to it, and [`state`] compares a database with it, as a
//! server does before it serves. All functions take the list of steps as an argument, so that tests can use steps of
//! the future.
//!
//! With the feature `sea-orm-migration`, the steps are also a `Migrator` for programs that use the crate of that name.
//! The `Migrator` has no lock, no checksum and no mark for an incomplete step; [`up`] has all three, and both write the
//! same record. The feature is off in Quire's own binaries, because that crate brings parts of `SeaORM` that nothing
//! else uses. `docs/adr/0006-migrations-as-sql.md` explains why the steps are SQL; `docs/schema.md` explains how to
//! write one.
//!
//! Every statement is sent as text and never prepared, so that all functions work through a pooler in transaction mode.

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
pub use connection::{connect_once, error_code, tidied};
pub use contents::{Contents, contents};
pub use error::MigrateError;
pub use progress::Progress;
pub use run::{Limits, OnProgress, Report, down, fresh, up};
pub use script::sql;
#[cfg(feature = "sea-orm-migration")]
pub use sea_orm::Migrator;
pub use session::connect;
pub use state::{Listed, Pending, SchemaState, StepStatus, list, state};
pub use step::{Kind, Step};
pub use steps::STEPS;
