//! The command line.

use std::num::NonZeroUsize;

use clap::{Parser, Subcommand};
use quire_config::DatabaseArgs;

/// Brings a Quire database to the schema that the server needs.
///
/// The database is the one that DATABASE_URL names, as postgres://user@host:5432/name. DATABASE_PASSWORD, or a file that
/// DATABASE_PASSWORD_FILE names, replaces the URL's password.
#[derive(Debug, Parser)]
#[command(name = "quire-migrate", version, after_help = EXIT_CODES)]
#[expect(clippy::doc_markdown, reason = "the text is the help's")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done or current, 1 other failure, 2 usage, 3 refused, 4 behind, \
                          5 ahead or unknown, 6 drift";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Apply the pending steps
    Up {
        /// Print all statements, for an empty database, and use no database
        #[arg(long)]
        sql: bool,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Take back the last steps; their data is lost
    Down {
        /// Number of steps to take back
        #[arg(long, default_value = "1", value_name = "N", value_parser = quire_config::positive)]
        steps: NonZeroUsize,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// List the steps, and report the state of the database
    Status {
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Take back all steps, and begin with an empty schema; all notebooks are lost
    Fresh {
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Seal all connection strings with the current secret key, after the key was changed
    ///
    /// QUIRE_SECRET_KEY is the new key and QUIRE_SECRET_KEY_OLD the previous one; with the suffix _FILE, each names a
    /// file. Servers must have both keys until the command has ended.
    #[expect(clippy::doc_markdown, reason = "the text is the help's")]
    Reseal {
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Give all notebooks new lives, after the database was restored from a backup
    ///
    /// Nothing that clients remember from before the restore matches then: an edit that expects a lost revision is a
    /// conflict, not a success. Run it before servers start. The promotion of a standby does not need it.
    NewGeneration {
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Compare the live schema with the expected one, and name each difference
    Check {
        #[command(flatten)]
        database: DatabaseArgs,
    },
}
