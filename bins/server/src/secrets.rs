//! Secrets come from the environment alone: everybody on the machine can read the flags of a process, and a configuration
//! file is shown around. What is wrong with one is said without repeating any of it, not even the name of a file, which
//! may be the secret that somebody put there.

use std::env::VarError;

use quire_domain::{SecretKey, SecretKeys};

use crate::sources::Refusal;

/// The keys that connection strings are sealed with: `QUIRE_SECRET_KEY`, and `QUIRE_SECRET_KEY_OLD` while things are still
/// sealed with that. With `_FILE` at the end, each names a file to read.
pub(crate) fn secret_keys(variable: impl Fn(&str) -> Result<String, VarError>) -> Result<Option<SecretKeys>, Refusal> {
    let current = secret_key("QUIRE_SECRET_KEY", "QUIRE_SECRET_KEY_FILE", &variable)?;
    let old = secret_key("QUIRE_SECRET_KEY_OLD", "QUIRE_SECRET_KEY_OLD_FILE", &variable)?;
    match current {
        Some(current) => Ok(Some(SecretKeys { current, old })),
        None if old.is_some() => {
            Err(Refusal("There is an old secret key but no current one: set QUIRE_SECRET_KEY too.".to_owned()))
        }
        None => Ok(None),
    }
}

fn secret_key(
    name: &str,
    file_name: &str,
    variable: impl Fn(&str) -> Result<String, VarError>,
) -> Result<Option<SecretKey>, Refusal> {
    let (origin, text) = match (given(name, &variable)?, given(file_name, &variable)?) {
        (None, None) => return Ok(None),
        (Some(text), None) => (format!("the variable {name}"), text),
        (None, Some(file)) => (format!("the file that the variable {file_name} names"), read(file_name, &file)?),
        (Some(_), Some(_)) => return Err(Refusal(format!("Set {name} or {file_name}, not both."))),
    };
    let invalid =
        |error| Refusal(format!("Invalid secret key in {origin}: {error}; `openssl rand -base64 32` makes one."));
    SecretKey::parse(&text).map(Some).map_err(invalid)
}

/// What a variable holds; an empty one is as good as none, as everywhere.
fn given(name: &str, variable: impl Fn(&str) -> Result<String, VarError>) -> Result<Option<String>, Refusal> {
    match variable(name) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Refusal(format!("Invalid variable {name}: it must be UTF-8."))),
    }
}

fn read(name: &str, file: &str) -> Result<String, Refusal> {
    std::fs::read_to_string(file)
        .map_err(|error| Refusal(format!("Cannot read the file that the variable {name} names: {error}.")))
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
        secret_keys(variable).map_err(|refusal| refusal.to_string())
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
                "Invalid secret key in the variable QUIRE_SECRET_KEY: it must be 32 bytes in base 64, and it is not base \
                 64; `openssl rand -base64 32` makes one.",
            ),
            (
                &[("QUIRE_SECRET_KEY", ONE), ("QUIRE_SECRET_KEY_OLD", "hunter22")],
                "Invalid secret key in the variable QUIRE_SECRET_KEY_OLD: it must be 32 bytes in base 64, and it is 6 \
                 bytes; `openssl rand -base64 32` makes one.",
            ),
            (&[("QUIRE_SECRET_KEY", "\u{fffd}")], "Invalid variable QUIRE_SECRET_KEY: it must be UTF-8."),
            (
                &[("QUIRE_SECRET_KEY_OLD", ONE)],
                "There is an old secret key but no current one: set QUIRE_SECRET_KEY too.",
            ),
            (
                &[("QUIRE_SECRET_KEY", ONE), ("QUIRE_SECRET_KEY_FILE", "hunter2")],
                "Set QUIRE_SECRET_KEY or QUIRE_SECRET_KEY_FILE, not both.",
            ),
            (
                &[("QUIRE_SECRET_KEY_FILE", "hunter2")],
                "Cannot read the file that the variable QUIRE_SECRET_KEY_FILE names: No such file or directory (os error 2).",
            ),
            (
                &[("QUIRE_SECRET_KEY_FILE", file)],
                "Cannot read the file that the variable QUIRE_SECRET_KEY_FILE names: stream did not contain valid UTF-8.",
            ),
        ] {
            let refusal = load(variables).unwrap_err();
            assert_eq!(refusal, sentence);
            assert!(!refusal.contains("hunter") && !refusal.contains(&ONE[..8]));
        }
    }
}
