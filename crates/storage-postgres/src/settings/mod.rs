//! What a program is told of its database and its secrets, by its command line and its environment: the same for every
//! program. No message holds a part of a URL, a password or a key.

mod secrets;

use std::env::VarError;
use std::fs;
use std::path::Path;

use quire_domain::InvalidKey;

use crate::{DatabaseUrl, DatabaseUrlError, PasswordSource};

pub use secrets::secret_keys;

/// The variable that holds a database's URL.
pub const URL_VARIABLE: &str = "DATABASE_URL";
/// The variable that names a file with the URL.
pub const URL_FILE_VARIABLE: &str = "QUIRE_DATABASE_URL_FILE";
/// The variable that holds a password, in place of the URL's.
const PASSWORD_VARIABLE: &str = "DATABASE_PASSWORD";
/// The variable that names a file with the password, which is read again when the database refuses the old one.
const PASSWORD_FILE_VARIABLE: &str = "DATABASE_PASSWORD_FILE";

/// What the command line says of the database.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arguments<'a> {
    /// `--database-url`: a URL without a password, since everybody on the machine can read command lines.
    pub url: Option<&'a str>,
    /// `--database-url-file`: a file that holds the URL.
    pub url_file: Option<&'a Path>,
}

/// Why what the settings name cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The command line can be read by everybody.
    #[error(
        "--database-url holds a password, or what looks like one, and everybody on the machine can read it in the list \
         of processes: use {URL_VARIABLE}, --database-url-file, {PASSWORD_VARIABLE} or {PASSWORD_FILE_VARIABLE}"
    )]
    PasswordInArgument,
    /// The URL is not valid.
    #[error("{origin}: {source}")]
    Url {
        /// Where it is written.
        origin: String,
        /// What is wrong.
        source: DatabaseUrlError,
    },
    /// The file with the URL cannot be read. It is not named: its name may be the URL that somebody put there.
    #[error("cannot read the file that {origin} names")]
    File {
        /// Who names it.
        origin: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A variable's value is no text.
    #[error("the variable {name} is not UTF-8")]
    NotText {
        /// The variable.
        name: &'static str,
    },
    /// There are two values for one thing.
    #[error("{name} and {file_name} are both set: keep one")]
    Twice {
        /// The variable that holds it.
        name: &'static str,
        /// The variable that names a file with it.
        file_name: &'static str,
    },
    /// What should be a secret key is none.
    #[error("the secret key in {origin} is not valid; `openssl rand -base64 32` makes one")]
    SecretKey {
        /// Where it is.
        origin: String,
        /// What is wrong.
        #[source]
        source: InvalidKey,
    },
    /// The file with a secret key cannot be read. It is not named: its name may be the key that somebody put there.
    #[error("cannot read the file that the variable {file_name} names")]
    SecretKeyFile {
        /// The variable.
        file_name: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key to open with, and none to seal with.
    #[error("there is an old secret key but no current one: set QUIRE_SECRET_KEY too")]
    OldKeyAlone,
}

/// Whether a text may be, or hold, a URL or a password, so that no complaint repeats it.
#[must_use]
pub fn may_be_secret(text: &str) -> bool {
    text.contains('@') || text.contains("://") || text.to_ascii_lowercase().contains("password")
}

/// The database that the command line names, else a variable; `None` when neither does. `variable` looks one up in the
/// environment; an empty one counts as not set.
///
/// # Errors
/// When what is named cannot be used.
pub fn database_url(
    arguments: Arguments<'_>,
    variable: impl Fn(&str) -> Result<String, VarError>,
) -> Result<Option<DatabaseUrl>, SettingsError> {
    let get = |name| given(name, &variable);
    let read = |path: &Path, origin| {
        let text = fs::read_to_string(path).map_err(|source| SettingsError::File { origin, source })?;
        Ok::<_, SettingsError>((text, format!("the file that {origin} names")))
    };
    let (text, origin) = match (arguments.url, arguments.url_file) {
        (Some(_), Some(_)) => {
            return Err(SettingsError::Twice { name: "--database-url", file_name: "--database-url-file" });
        }
        // Before it is parsed: what has a password in it, but is not valid, is as readable.
        (Some(url), None) if DatabaseUrl::may_hold_password(url) => return Err(SettingsError::PasswordInArgument),
        (Some(url), None) => (url.to_owned(), "--database-url".to_owned()),
        (None, Some(path)) => read(path, "--database-url-file")?,
        (None, None) => match (get(URL_VARIABLE)?, get(URL_FILE_VARIABLE)?) {
            (Some(_), Some(_)) => {
                return Err(SettingsError::Twice { name: URL_VARIABLE, file_name: URL_FILE_VARIABLE });
            }
            (Some(url), None) => (url, URL_VARIABLE.to_owned()),
            (None, Some(path)) => read(Path::new(&path), URL_FILE_VARIABLE)?,
            (None, None) => return Ok(None),
        },
    };
    let url = DatabaseUrl::parse(&text).map_err(|source| SettingsError::Url { origin, source })?;
    Ok(Some(match (get(PASSWORD_VARIABLE)?, get(PASSWORD_FILE_VARIABLE)?) {
        (Some(_), Some(_)) => {
            let (name, file_name) = (PASSWORD_VARIABLE, PASSWORD_FILE_VARIABLE);
            return Err(SettingsError::Twice { name, file_name });
        }
        (Some(password), None) => url.with_password(PasswordSource::Text(password)),
        (None, Some(file)) => url.with_password(PasswordSource::File(file.into())),
        (None, None) => url,
    }))
}

/// What a variable holds; an empty one is as good as none: that is how many a tool unsets one.
fn given(
    name: &'static str,
    variable: impl Fn(&str) -> Result<String, VarError>,
) -> Result<Option<String>, SettingsError> {
    match variable(name) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(SettingsError::NotText { name }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(arguments: Arguments<'_>, variables: &[(&str, &str)]) -> Result<Option<DatabaseUrl>, SettingsError> {
        let found =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        database_url(arguments, |name| found(name).ok_or(VarError::NotPresent))
    }

    #[test]
    fn the_command_line_goes_before_the_environment() {
        let argument = Arguments { url: Some("postgres://ann@host/one"), url_file: None };
        let variables = [(URL_VARIABLE, "postgres://ann:secret@host/two")];
        assert!(format!("{:?}", find(argument, &variables).unwrap()).contains("one"));
        assert!(format!("{:?}", find(Arguments::default(), &variables).unwrap()).contains("two"));
        assert!(find(Arguments::default(), &[(URL_VARIABLE, "")]).unwrap().is_none());
    }

    #[test]
    fn a_password_comes_from_one_place() {
        let url = (URL_VARIABLE, "postgres://ann@host/db");
        let both = [url, (PASSWORD_VARIABLE, "secret"), (PASSWORD_FILE_VARIABLE, "/run/secret")];
        assert!(matches!(find(Arguments::default(), &both), Err(SettingsError::Twice { .. })));
        assert!(find(Arguments::default(), &both[..2]).unwrap().unwrap().has_password());
        assert!(!find(Arguments::default(), &both[..1]).unwrap().unwrap().has_password());
    }

    #[test]
    fn no_complaint_repeats_a_password() {
        for url in ["postgres://ann:hunter2@host/db", "postgres://ann:hunter2", "hunter2@", "postgres:ann:hunter2@x"] {
            let argument = Arguments { url: Some(url), url_file: None };
            let refused = find(argument, &[]).unwrap_err();
            assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{refused:?}");
        }
        let misplaced = Arguments { url: None, url_file: Some(Path::new("postgres://ann:hunter2@host/db")) };
        let refused = find(misplaced, &[]).unwrap_err();
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
        let refused = find(Arguments::default(), &[(URL_VARIABLE, "postgres://ann:hun/ter2@host/db")]).unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("ter2"), "{refused:?}");
    }
}
