//! .
mod url;
pub use url::{DatabaseUrl, DatabaseUrlError, PasswordSource};
