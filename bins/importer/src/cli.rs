//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use quire_config::DatabaseArgs;
use quire_domain::UserId;
use quire_transfer::{OnConflict, Secrets};

/// Moves notebooks from files into a database, proves that nothing is missing, and moves them back.
///
/// The database is the one that DATABASE_URL names, as postgres://user@host:5432/name. DATABASE_PASSWORD, or a file that
/// DATABASE_PASSWORD_FILE names, replaces the URL's password. Connection strings are sealed with QUIRE_SECRET_KEY, which
/// must be the servers'. docs/migrating.md is a guide through a whole move.
#[derive(Debug, Parser)]
#[command(name = "quire-import", version, after_help = EXIT_CODES)]
#[expect(clippy::doc_markdown, reason = "the text is the help's")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 all well, 1 something or some files failed, 2 usage, 3 verification found differences";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Import notebook files into the database; they are left as they are
    Run {
        #[command(flatten)]
        files: FilesArgs,
        /// Write nothing, and say what would be done; a user who may only read is enough
        #[arg(long)]
        dry_run: bool,
        /// Compare everything when the import is done
        #[arg(long, conflicts_with = "dry_run")]
        verify: bool,
        /// Action if the database has other content of a notebook
        #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
        on_conflict: OnConflictArg,
        #[command(flatten)]
        work: WorkArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Compare every notebook file completely with what is in the database
    Verify {
        #[command(flatten)]
        files: FilesArgs,
        #[command(flatten)]
        work: WorkArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Write the notebooks of the database to files that a server can serve
    Export {
        /// Target directory: an empty or new one, or that of an interrupted export
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// Only the notebooks of this user
        #[arg(long, value_name = "NAME", value_parser = user)]
        user: Option<UserId>,
        /// Files to write: Quire's own files, or Jupyter notebooks, which have no owner, no revision and no connection
        /// string
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        format: FormatArg,
        /// Keep connection strings sealed, leave them out, or write them as plain text
        #[arg(long, value_enum, default_value_t, value_name = "HOW")]
        secrets: SecretsArg,
        #[command(flatten)]
        work: WorkArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// Options for the files to read.
#[derive(Args, Debug)]
pub(crate) struct FilesArgs {
    /// The directory with the notebook files
    #[arg(long, value_name = "DIR", env = "QUIRE_NOTEBOOKS_DIR", default_value = "./notebooks")]
    pub(crate) notebooks_dir: PathBuf,
    /// Files to read: Quire's own files (*.json), or Jupyter notebooks (*.ipynb)
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: FormatArg,
    /// Read the directories below it too
    #[arg(long)]
    pub(crate) recursive: bool,
    /// Owner of the notebooks that name none [default: system]
    #[arg(long, value_name = "NAME", value_parser = user)]
    pub(crate) owner: Option<UserId>,
}

/// Options for the work and its output.
#[derive(Args, Debug)]
pub(crate) struct WorkArgs {
    /// Number of notebooks to work on at once, each on a connection of its own
    #[arg(long, value_name = "N", default_value = "8", value_parser = quire_config::positive)]
    pub(crate) jobs: NonZeroUsize,
    /// Write a line of JSON for each notebook to this file, and replace an existing file
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Print only failures and differences
    #[arg(long, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Print the report's lines and then the summary, as JSON, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

/// A format of notebook files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatArg {
    /// Quire's own format, which older servers wrote too
    #[default]
    Json,
    /// Jupyter's format
    Ipynb,
}

impl FormatArg {
    /// Returns the name of the format.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ipynb => "ipynb",
        }
    }
}

/// [`OnConflict`] on the command line.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum OnConflictArg {
    /// Leave the stored notebook unchanged
    #[default]
    Skip,
    /// Replace the stored notebook by the file's, as a later revision
    Overwrite,
    /// Leave the stored notebook unchanged, and report a failure
    Fail,
}

impl From<OnConflictArg> for OnConflict {
    fn from(argument: OnConflictArg) -> Self {
        match argument {
            OnConflictArg::Skip => Self::Skip,
            OnConflictArg::Overwrite => Self::Overwrite,
            OnConflictArg::Fail => Self::Fail,
        }
    }
}

/// [`Secrets`] on the command line.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum SecretsArg {
    /// Keep them as they are stored; everybody who has the key can use them
    #[default]
    Sealed,
    /// Leave them out
    Omit,
    /// Write them as plain text, which everybody who can read the files can use
    Plain,
}

impl From<SecretsArg> for Secrets {
    fn from(argument: SecretsArg) -> Self {
        match argument {
            SecretsArg::Sealed => Self::Sealed,
            SecretsArg::Omit => Self::Omit,
            SecretsArg::Plain => Self::Plain,
        }
    }
}

fn user(text: &str) -> Result<UserId, String> {
    UserId::new(text).map_err(|error| error.to_string())
}
