//! The keys that connection strings are sealed with.

use std::fs;

use quire_domain::{SecretKey, SecretKeys};
use quire_storage_postgres::PasswordSource;

use crate::{ConfigError, Sources};

impl Sources {
    /// The keys: `QUIRE_SECRET_KEY`, and `QUIRE_SECRET_KEY_OLD` while something may still be sealed with that. With `_FILE`
    /// at its end, each names a file to read.
    ///
    /// # Errors
    /// When what is there is no key, or an old key is there alone.
    pub fn secret_keys(&self) -> Result<Option<SecretKeys>, ConfigError> {
        let current = self.secret_key("QUIRE_SECRET_KEY", "QUIRE_SECRET_KEY_FILE")?;
        let old = self.secret_key("QUIRE_SECRET_KEY_OLD", "QUIRE_SECRET_KEY_OLD_FILE")?;
        match current {
            Some(current) => Ok(Some(SecretKeys { current, old })),
            None if old.is_some() => {
                Err(ConfigError::settings("there is an old secret key but no current one: set QUIRE_SECRET_KEY too"))
            }
            None => Ok(None),
        }
    }

    fn secret_key(&self, name: &str, file_name: &str) -> Result<Option<SecretKey>, ConfigError> {
        let (place, text) = match self.secret(name, file_name)? {
            None => return Ok(None),
            Some(PasswordSource::Text(text)) => (format!("the variable {name}"), text),
            Some(PasswordSource::File(file)) => {
                let place = format!("the file that the variable {file_name} names");
                // The file is not named: its name may be the key, put there by mistake.
                let text = fs::read_to_string(file)
                    .map_err(|error| ConfigError::settings(format_args!("cannot read {place}: {error}")))?;
                (place, text)
            }
        };
        SecretKey::parse(&text).map(Some).map_err(|error| {
            ConfigError::settings(format_args!(
                "the secret key in {place} is not valid; `openssl rand -base64 32` makes one: {error}"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::env::VarError;

    use super::*;

    const ONE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const TWO: &str = "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn load(variables: &[(&str, &str)]) -> Result<Option<SecretKeys>, String> {
        let variables: HashMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let sources = Sources::of(move |name: &str| match variables.get(name).map(String::as_str) {
            Some("\u{fffd}") => Err(VarError::NotUnicode("hunter2".into())), // stands for what is no text
            Some(value) => Ok(value.to_owned()),
            None => Err(VarError::NotPresent),
        });
        sources.secret_keys().map_err(|error| error.to_string())
    }

    #[test]
    fn keys_come_from_variables_or_the_files_that_they_name() {
        let [one, two] = [ONE, TWO].map(|key| SecretKey::parse(key).unwrap());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, format!("{TWO}\n")).unwrap();
        let file = file.to_str().unwrap();
        let only = |current: &SecretKey| Ok(Some(SecretKeys { current: current.clone(), old: None }));
        assert_eq!(load(&[]), Ok(None));
        assert_eq!(load(&[("QUIRE_SECRET_KEY", ""), ("QUIRE_SECRET_KEY_OLD", "")]), Ok(None));
        assert_eq!(load(&[("QUIRE_SECRET_KEY", ONE)]), only(&one));
        assert_eq!(load(&[("QUIRE_SECRET_KEY_FILE", file)]), only(&two));
        let both = Ok(Some(SecretKeys { current: one, old: Some(two) }));
        assert_eq!(load(&[("QUIRE_SECRET_KEY", ONE), ("QUIRE_SECRET_KEY_OLD", TWO)]), both);
        assert_eq!(load(&[("QUIRE_SECRET_KEY", ONE), ("QUIRE_SECRET_KEY_OLD_FILE", file)]), both);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("hunter2");
        std::fs::write(&file, [0xff]).unwrap();
        let file = file.to_str().unwrap();
        for (variables, sentence) in [
            (
                &[("QUIRE_SECRET_KEY", "hunter2!")][..],
                "the secret key in the variable QUIRE_SECRET_KEY is not valid; `openssl rand -base64 32` makes one: it must \
                 be 32 bytes in base 64, and it is not base 64",
            ),
            (
                &[("QUIRE_SECRET_KEY", ONE), ("QUIRE_SECRET_KEY_OLD", "hunter22")],
                "the secret key in the variable QUIRE_SECRET_KEY_OLD is not valid; `openssl rand -base64 32` makes one: it \
                 must be 32 bytes in base 64, and it is 6 bytes",
            ),
            (&[("QUIRE_SECRET_KEY", "\u{fffd}")], "the variable QUIRE_SECRET_KEY is not UTF-8"),
            (
                &[("QUIRE_SECRET_KEY_OLD", ONE)],
                "there is an old secret key but no current one: set QUIRE_SECRET_KEY too",
            ),
            (
                &[("QUIRE_SECRET_KEY", ONE), ("QUIRE_SECRET_KEY_FILE", "hunter2")],
                "QUIRE_SECRET_KEY and QUIRE_SECRET_KEY_FILE are both set: keep one",
            ),
            (
                &[("QUIRE_SECRET_KEY_FILE", "hunter2")],
                "cannot read the file that the variable QUIRE_SECRET_KEY_FILE names: No such file or directory (os error 2)",
            ),
            (
                &[("QUIRE_SECRET_KEY_FILE", file)],
                "cannot read the file that the variable QUIRE_SECRET_KEY_FILE names: stream did not contain valid UTF-8",
            ),
        ] {
            let refusal = load(variables).unwrap_err();
            assert_eq!(refusal, format!("The settings cannot be used: {sentence}."));
            assert!(!refusal.contains("hunter") && !refusal.contains(&ONE[..8]));
        }
    }
}
