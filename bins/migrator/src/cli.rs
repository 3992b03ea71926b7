//! The command line.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use quire_storage_postgres::settings::may_be_secret;

use crate::outcome::{Exit, Failure};

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// To run.
    Run(Command),
    /// To print this.
    Text(String),
}

/// Brings a Quire database to the schema that the server needs.
///
/// The database is the one that DATABASE_URL names, as postgres://user@host:5432/name. DATABASE_PASSWORD, or a file that
/// DATABASE_PASSWORD_FILE names, replaces the URL's password.
#[derive(Debug, Parser)]
#[command(name = "quire-migrate", version, after_help = EXIT_CODES)]
#[expect(clippy::doc_markdown, reason = "the text is the help's")]
struct Cli {
    #[command(subcommand)]
    command: Command,
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
        #[arg(long, default_value_t = NonZeroUsize::MIN, value_name = "N")]
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

/// Which database.
#[derive(Args, Debug)]
#[expect(clippy::doc_markdown, reason = "the text is the help's")]
pub(crate) struct DatabaseArgs {
    /// The database, in place of DATABASE_URL; without a password, which everybody on the machine could read here
    #[arg(long, value_name = "URL", conflicts_with = "database_url_file")]
    pub(crate) database_url: Option<String>,
    /// A file that holds the URL, in place of DATABASE_URL
    #[arg(long, value_name = "FILE")]
    pub(crate) database_url_file: Option<PathBuf>,
}

/// Reads the command line.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Parsed, Failure> {
    let arguments: Vec<_> = arguments.into_iter().collect();
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => Ok(Parsed::Run(cli.command)),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok(Parsed::Text(error.to_string()))
        }
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Err(Failure::new(Exit::Usage, "no command is given; see quire-migrate --help"))
        }
        Err(error) => Err(Failure::new(Exit::Usage, explained(&error, &arguments))),
    }
}

/// Clap quotes what it does not understand. Where that may be a URL, with a password in it, its kind has to do.
fn explained(error: &clap::Error, arguments: &[OsString]) -> String {
    if arguments.iter().skip(1).any(|argument| may_be_secret(&argument.to_string_lossy())) {
        return format!("{}; see quire-migrate --help", error.kind());
    }
    let text = error.to_string();
    text.strip_prefix("error: ").unwrap_or(&text).trim_end().to_owned()
}
