//! Notebooks in PostgreSQL: an implementation of `quire_storage::NotebookStore`.
//!
//! SeaORM reads the tables where a query is a query; the statements that decide an edit are SQL of our own, on the same
//! pool, because they must be one round trip and because the connection they ran on must be had when no answer comes.
//! `docs/schema.md` explains the tables.

mod columns;
mod commit;
mod database;
mod doubt;
mod effect;
mod entity;
mod error;
mod health;
mod list;
mod pool;
mod reseal;
mod rows;
pub mod settings;
mod store;
mod text;
mod url;
mod whole;

pub use database::Options;
pub use error::OpenError;
pub use reseal::Resealed;
pub use store::PostgresNotebookStore;
pub use url::{DatabaseUrl, DatabaseUrlError, PasswordSource};
