//! Configuration that Quire's programs share.
//!
//! A program declares its options as a [`clap::Parser`]: one field for each, with its flag, its default, and in `env` the
//! variables that may give it (`QUIRE_PORT or PORT`; the first that is set counts). [`load`] takes each value from the first of
//! these that gives it: the flag, the variables, the file that the option `--config` names, where there is one, and the
//! default. An option's key in the file is its flag with `_` for `-`.
//!
//! An option is checked by its `value_parser`, whose error says what the value must be ("it must be true or false"). The
//! sentence around it names the option and the place where the value is written: neither clap nor the crates that merge
//! files and variables into one structure know both, down to the line of the file.
//!
//! Passwords and secret keys come from the environment, or from files that it names ([`Sources::database_url`],
//! [`Sources::secret_keys`]), and a database's password from its URL, unless that is a flag: everybody on the machine can read
//! the flags of a process. No error repeats one.

use std::num::NonZeroUsize;

mod database;
mod error;
mod file;
mod secrets;
mod sources;

pub use database::DatabaseArgs;
pub use error::ConfigError;
pub use sources::{Environment, Hidden, Origin, Sources, Written, load};

/// Parses a whole number from 1, for the `value_parser` of an option.
///
/// # Errors
/// The expectation in errors about the value.
pub fn positive(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_other| "it must be a whole number from 1".to_owned())
}
