//! Notebooks in PostgreSQL: an implementation of `quire_storage::NotebookStore`.
//!
//! SeaORM builds the queries that are queries; the statements that decide an edit are SQL of our own, because they must be
//! one round trip. Both run on connections that this crate keeps itself (`connections.rs`), because what becomes of one
//! must be decided when no answer comes. `docs/schema.md` explains the tables.

mod answers;
mod columns;
mod commit;
mod connections;
mod database;
mod doubt;
mod effect;
mod entity;
mod error;
mod generation;
mod health;
mod list;
mod pooling;
mod reseal;
mod rows;
mod search;
pub mod settings;
mod store;
mod text;
mod url;
mod usage;
mod users;
mod whole;

pub use database::Options;
pub use error::OpenError;
pub use reseal::Resealed;
pub use store::PostgresNotebookStore;
pub use url::{DatabaseUrl, DatabaseUrlError, PasswordSource};
