//! Which database is meant, and how to connect to it. Nothing here prints a URL: it may hold a password.

use std::env::{self, VarError};
use std::fs;
use std::path::{Path, PathBuf};

use quire_migration::Limits;
use quire_storage_postgres::{DatabaseUrl, PasswordSource};
use sqlx::postgres::PgConnectOptions;

use crate::cli::DatabaseArgs;
use crate::outcome::{Exit, Failure, chain};

/// What the server's list of sessions shows.
const APPLICATION_NAME: &str = "quire-migrate";

/// A database, and how long to wait for what there.
pub(crate) struct Target {
    pub(crate) options: PgConnectOptions,
    pub(crate) limits: Limits,
}

/// The database that the arguments, or the environment, name.
pub(crate) fn target(arguments: &DatabaseArgs) -> Result<Target, Failure> {
    let (text, source) = url(arguments)?;
    let invalid = |error: &dyn std::error::Error| usage(format!("{source}: {}", chain(error)));
    // Before it is parsed: what has a password in it, but is not valid, is as readable.
    if arguments.database_url.is_some() && DatabaseUrl::may_hold_password(&text) {
        return Err(usage(
            "--database-url holds a password, or what looks like one, and everybody on the machine can read it in the list of \
             processes; use DATABASE_URL, --database-url-file, DATABASE_PASSWORD or DATABASE_PASSWORD_FILE"
                .to_owned(),
        ));
    }
    let mut url = DatabaseUrl::parse(&text).map_err(|error| invalid(&error))?;
    if let Some(password) = password()? {
        url = url.with_password(password);
    }
    let mut limits = Limits::default();
    limits.connect = url.connect_timeout().unwrap_or(limits.connect);
    let options = url.connect_options(APPLICATION_NAME).map_err(|error| usage(chain(&error)))?;
    Ok(Target { options, limits })
}

/// The URL, and where it came from.
fn url(arguments: &DatabaseArgs) -> Result<(String, String), Failure> {
    if let Some(url) = &arguments.database_url {
        return Ok((url.clone(), "--database-url".to_owned()));
    }
    if let Some(file) = &arguments.database_url_file {
        return Ok((read(file, "--database-url-file")?, file.display().to_string()));
    }
    let url = variable("DATABASE_URL")?.ok_or_else(|| {
        usage("no database is named: set DATABASE_URL, or give --database-url-file or --database-url".to_owned())
    })?;
    Ok((url, "DATABASE_URL".to_owned()))
}

fn password() -> Result<Option<PasswordSource>, Failure> {
    let text = variable("DATABASE_PASSWORD")?;
    let file = variable("DATABASE_PASSWORD_FILE")?;
    match (text, file) {
        (Some(_), Some(_)) => {
            Err(usage("DATABASE_PASSWORD and DATABASE_PASSWORD_FILE are both set; keep one".to_owned()))
        }
        (Some(text), None) => Ok(Some(PasswordSource::Text(text))),
        (None, Some(file)) => Ok(Some(PasswordSource::File(PathBuf::from(file)))),
        (None, None) => Ok(None),
    }
}

/// A variable, where it is set to something.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match env::var(name) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(usage(format!("{name} is not valid UTF-8"))),
    }
}

fn read(file: &Path, flag: &str) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| usage(format!("{flag}: cannot read {}: {error}", file.display())))
}

fn usage(message: String) -> Failure {
    Failure::new(Exit::Usage, message)
}
