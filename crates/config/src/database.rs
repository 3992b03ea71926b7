//! The database that the options name, and the password that the environment adds.

use std::fs;

use clap::Args;
use quire_storage_postgres::{DatabaseUrl, PasswordSource};

use crate::{ConfigError, Hidden, Origin, Sources, Written};

/// The options that name a database; [`Sources::database_url`] reads them.
#[derive(Args, Clone, Debug)]
pub struct DatabaseArgs {
    /// Use this PostgreSQL database, the server in place of the directory; as a flag, without a password, which everybody
    /// on the machine could read
    #[arg(long, value_name = "URL", env = "DATABASE_URL", conflicts_with = "database_url_file")]
    pub database_url: Option<Hidden>,
    /// Read the database's URL from this file
    #[arg(long, value_name = "FILE", env = "QUIRE_DATABASE_URL_FILE", conflicts_with = "database_url")]
    pub database_url_file: Option<Hidden>,
}

impl Sources {
    /// The database that the options name; none where they name none.
    ///
    /// # Errors
    /// When the URL or its password cannot be used.
    pub fn database_url(&self) -> Result<Option<DatabaseUrl>, ConfigError> {
        // As of a shell's variable that is not set: to go on without the database would be to serve other notebooks.
        if let Some(flag) = ["database_url", "database_url_file"].iter().find_map(|key| self.empty_flag(key)) {
            return Err(ConfigError::settings(format_args!("{flag} is empty: give it a value, or leave it out")));
        }
        let (text, place) = match (self.written("database_url"), self.written("database_url_file")) {
            // Before it is parsed: what has a password in it, but is not valid, is as readable.
            (Some(Written { text, origin: Origin::Flag(_) }), _) if DatabaseUrl::may_hold_password(text) => {
                return Err(ConfigError::settings(
                    "--database-url holds a password, or what looks like one, and everybody on the machine can read it in \
                     the list of processes: use DATABASE_URL, --database-url-file, DATABASE_PASSWORD or \
                     DATABASE_PASSWORD_FILE",
                ));
            }
            (Some(url), _) => (url.text.clone(), url.origin.to_string()),
            (None, Some(file)) => {
                let place = format!("the file that {} names", file.origin);
                // The file is not named: its name may be the URL, put there by mistake.
                let text = fs::read_to_string(&file.text)
                    .map_err(|error| ConfigError::settings(format_args!("cannot read {place}: {error}")))?;
                (text, place)
            }
            (None, None) => return Ok(None),
        };
        let url = DatabaseUrl::parse(&text).map_err(|error| ConfigError::settings(format_args!("{place}: {error}")))?;
        Ok(Some(match self.secret("DATABASE_PASSWORD", "DATABASE_PASSWORD_FILE")? {
            Some(password) => url.with_password(password),
            None => url,
        }))
    }

    /// The database that the options must name.
    ///
    /// # Errors
    /// When they name none, or one that cannot be used.
    pub fn required_database_url(&self) -> Result<DatabaseUrl, ConfigError> {
        self.database_url()?.ok_or_else(|| {
            ConfigError::settings(
                "no database is named: set DATABASE_URL, or give --database-url-file or --database-url",
            )
        })
    }

    /// The secret that a variable holds, or the file that another variable names.
    pub(crate) fn secret(&self, name: &str, file_name: &str) -> Result<Option<PasswordSource>, ConfigError> {
        match (self.variable(name)?, self.variable(file_name)?) {
            (Some(_), Some(_)) => {
                Err(ConfigError::settings(format_args!("{name} and {file_name} are both set: keep one")))
            }
            (Some(text), None) => Ok(Some(PasswordSource::Text(text))),
            (None, Some(file)) => Ok(Some(PasswordSource::File(file.into()))),
            (None, None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::env::VarError;
    use std::ffi::OsString;

    use clap::Parser;

    use super::*;
    use crate::load;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        _database: DatabaseArgs,
    }

    fn find(flags: &[&str], variables: &[(&str, &str)]) -> Result<Option<DatabaseUrl>, ConfigError> {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let variable = move |name: &str| {
            let found = variables.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone()).ok_or(VarError::NotPresent)
        };
        let arguments = ["program"].iter().chain(flags).map(OsString::from);
        load::<Options>(arguments, Box::new(variable))?.1.database_url()
    }

    const URL: (&str, &str) = ("DATABASE_URL", "postgres://ann:secret@host/two");

    #[test]
    fn the_command_line_goes_before_the_environment() {
        let flag = ["--database-url", "postgres://ann@host/one"];
        assert!(format!("{:?}", find(&flag, &[URL]).unwrap()).contains("one"));
        assert!(format!("{:?}", find(&[], &[URL]).unwrap()).contains("two"));
        assert!(find(&[], &[("DATABASE_URL", "")]).unwrap().is_none());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("url");
        fs::write(&file, "postgres://ann@host/three\n").unwrap();
        let file = file.to_str().unwrap();
        assert!(format!("{:?}", find(&["--database-url-file", file], &[URL]).unwrap()).contains("three"));
        assert!(format!("{:?}", find(&flag, &[("QUIRE_DATABASE_URL_FILE", file)]).unwrap()).contains("one"));
        let both = find(&[], &[URL, ("QUIRE_DATABASE_URL_FILE", file)]).unwrap_err().to_string();
        assert_eq!(
            both,
            "The settings cannot be used: the variable DATABASE_URL and the variable QUIRE_DATABASE_URL_FILE are both set: \
             keep one."
        );
    }

    #[test]
    fn an_empty_flag_is_not_taken_for_no_database() {
        for flag in ["--database-url=", "--database-url-file="] {
            let refused = find(&[flag], &[URL]).unwrap_err().to_string();
            let name = flag.trim_end_matches('=');
            assert_eq!(
                refused,
                format!("The settings cannot be used: the flag {name} is empty: give it a value, or leave it out.")
            );
        }
    }

    #[test]
    fn a_password_comes_from_one_place() {
        let url = ("DATABASE_URL", "postgres://ann@host/db");
        let both = [url, ("DATABASE_PASSWORD", "secret"), ("DATABASE_PASSWORD_FILE", "/run/secret")];
        assert!(find(&[], &both).unwrap_err().to_string().contains("are both set: keep one"));
        assert!(find(&[], &both[..2]).unwrap().unwrap().has_password());
        assert!(!find(&[], &both[..1]).unwrap().unwrap().has_password());
    }

    #[test]
    fn no_complaint_repeats_a_password() {
        let misplaced = "postgres://ann:hunter2@host/db";
        for url in [misplaced, "postgres://ann:hunter2", "hunter2@", "postgres:ann:hunter2@x"] {
            let refused = find(&["--database-url", url], &[]).unwrap_err();
            assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{refused:?}");
        }
        let refused = find(&["--database-url-file", misplaced], &[]).unwrap_err();
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
        let refused = find(&[], &[("DATABASE_URL", "postgres://ann:hun/ter2@host/db")]).unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("ter2"), "{refused:?}");
    }
}
