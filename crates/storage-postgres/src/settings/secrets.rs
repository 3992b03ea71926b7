//! The keys that connection strings are sealed with. They come from the environment alone: everybody on the machine can
//! read the flags of a process, and a configuration file is shown around.

use std::env::VarError;

use quire_domain::{SecretKey, SecretKeys};

use super::{SettingsError, given};

/// The keys: `QUIRE_SECRET_KEY`, and `QUIRE_SECRET_KEY_OLD` while things are still sealed with that. With `_FILE` at the
/// end, each names a file to read. `variable` looks one up in the environment.
///
/// # Errors
/// When there is something that is no key.
pub fn secret_keys(variable: impl Fn(&str) -> Result<String, VarError>) -> Result<Option<SecretKeys>, SettingsError> {
    let current = secret_key("QUIRE_SECRET_KEY", "QUIRE_SECRET_KEY_FILE", &variable)?;
    let old = secret_key("QUIRE_SECRET_KEY_OLD", "QUIRE_SECRET_KEY_OLD_FILE", &variable)?;
    match current {
        Some(current) => Ok(Some(SecretKeys { current, old })),
        None if old.is_some() => Err(SettingsError::OldKeyAlone),
        None => Ok(None),
    }
}

fn secret_key(
    name: &'static str,
    file_name: &'static str,
    variable: impl Fn(&str) -> Result<String, VarError>,
) -> Result<Option<SecretKey>, SettingsError> {
    let (origin, text) = match (given(name, &variable)?, given(file_name, &variable)?) {
        (None, None) => return Ok(None),
        (Some(text), None) => (format!("the variable {name}"), text),
        (None, Some(file)) => {
            let read = std::fs::read_to_string(file);
            let text = read.map_err(|source| SettingsError::SecretKeyFile { file_name, source })?;
            (format!("the file that the variable {file_name} names"), text)
        }
        (Some(_), Some(_)) => return Err(SettingsError::Twice { name, file_name }),
    };
    SecretKey::parse(&text).map(Some).map_err(|source| SettingsError::SecretKey { origin, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const TWO: &str = "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn load(variables: &[(&str, &str)]) -> Result<Option<SecretKeys>, String> {
        let variable = |name: &str| match variables.iter().find(|(key, _)| *key == name) {
            Some((_, "\u{fffd}")) => Err(VarError::NotUnicode("hunter2".into())), // stands for what is no text
            Some((_, value)) => Ok((*value).to_owned()),
            None => Err(VarError::NotPresent),
        };
        secret_keys(variable).map_err(|refusal| match std::error::Error::source(&refusal) {
            Some(source) => format!("{refusal}: {source}"),
            None => refusal.to_string(),
        })
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
            assert_eq!(refusal, sentence);
            assert!(!refusal.contains("hunter") && !refusal.contains(&ONE[..8]));
        }
    }
}
