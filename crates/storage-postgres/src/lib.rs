//! Notebooks in PostgreSQL: an implementation of `quire_storage::NotebookStore`.
//!
//! Queries are functions over any SeaORM connection, built with its entities and builder. The statements that decide an
//! edit are SQL, because each must be one round trip (`named_sql.rs`). They run on connections that this crate keeps
//! itself (`connections.rs`), because it must decide what to do with a connection from which no answer comes, or on
//! another program's connections. `docs/schema.md` explains the tables.

mod commit;
mod connection;
mod connections;
mod database;
mod effect;
mod entity;
mod error;
mod generation;
mod health;
mod idempotency;
mod kernels;
mod list;
mod named_sql;
mod notebooks;
mod parameters;
mod pooling;
mod reseal;
mod rows;
mod search;
mod servers;
mod store;
mod text;
mod unresolved;
mod url;
mod usage;
mod users;

pub use database::Options;
pub use error::OpenError;
pub use kernels::PostgresKernelLeases;
pub use reseal::Resealed;
pub use servers::{InstanceMode, RegisteredServer, Registration, ServerRegistration};
pub use store::PostgresNotebookStore;
pub use url::{DatabaseUrl, DatabaseUrlError, PasswordSource};
