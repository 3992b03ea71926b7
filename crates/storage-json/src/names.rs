//! File names of notebook ids. For any id, the name stays inside the directory and is not hidden.

use quire_domain::{NotebookId, UserId};
use sha2::{Digest as _, Sha256};

/// Suffix of the names of notebook files.
pub(crate) const SUFFIX: &str = ".json";

/// Returns the names, without ending, under which a file of this notebook is looked for and made, in this order: the id, if it
/// may stand in a file name as it is; and `=` with the id's SHA-256, for all other ids, and where the first name is
/// taken. No id that may stand in a file name begins with `=`.
pub fn file_stems(id: &NotebookId) -> impl Iterator<Item = String> {
    let plain = is_plain(id).then(|| id.as_str().to_owned());
    plain.into_iter().chain([format!("={}", hex::encode(Sha256::digest(id.as_str())))])
}

fn is_plain(id: &NotebookId) -> bool {
    let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
    let Some((first, rest)) = id.as_str().as_bytes().split_first() else { return false };
    word(*first) && rest.len() < 200 && rest.iter().all(|&c| word(c) || c == b'.')
}

/// Returns `<id>.json`, if the id may stand in a file name as it is.
pub(crate) fn plain(id: &NotebookId) -> Option<String> {
    is_plain(id).then(|| format!("{id}{SUFFIX}"))
}

/// Returns the names under which a file of this notebook is looked for and made, in this order.
pub(crate) fn candidates(id: &NotebookId) -> impl Iterator<Item = String> {
    file_stems(id).map(|stem| format!("{stem}{SUFFIX}"))
}

/// Returns `true` if a directory entry of this name should be a notebook.
pub(crate) fn is_notebook(name: &str) -> bool {
    has_ending(name, SUFFIX)
}

/// Returns `true` if a directory entry of this name is no hidden file and has this ending.
pub(crate) fn has_ending(name: &str, ending: &str) -> bool {
    !name.starts_with('.') && name.len() > ending.len() && name.ends_with(ending)
}

/// Returns the name without its ending.
pub(crate) fn stem(name: &str) -> &str {
    name.strip_suffix(SUFFIX).unwrap_or(name)
}

/// Returns the id of a file of this name whose content holds none.
pub(crate) fn id_of(name: &str) -> Option<NotebookId> {
    let id = NotebookId::new(stem(name)).ok()?;
    (plain(&id).as_deref() == Some(name)).then_some(id)
}

/// Returns the owner of a file of this name whose content names none, as the old server did: the text after the first `-user_`,
/// with the prefix `user_`.
pub(crate) fn owner_of(name: &str) -> Option<UserId> {
    let (_, rest) = stem(name).split_once("-user_")?;
    if rest.is_empty() {
        return None;
    }
    UserId::new(format!("user_{rest}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> NotebookId {
        NotebookId::new(text).unwrap()
    }

    #[test]
    fn plain_names_are_for_plain_ids_only() {
        for good in ["demo", "demo-user_37U", "_a", "-a", "a.b..c", "CON", "186d2c07-ee99", &"x".repeat(200)] {
            assert_eq!(plain(&id(good)), Some(format!("{good}.json")));
            assert_eq!(id_of(&format!("{good}.json")), Some(id(good)));
        }
        for odd in [".hidden", "..", "../x", "a/b", "a\\b", "a b", "ä", "=x", "a\n", "a:b", "~"] {
            assert_eq!(plain(&id(odd)), None, "{odd}");
            let hashed = candidates(&id(odd)).next().unwrap();
            assert!(is_notebook(&hashed) && !hashed.contains('/') && hashed.len() == 1 + 64 + 5);
        }
    }

    #[test]
    fn only_visible_json_files_are_notebooks() {
        for (name, expected) in [
            ("a.json", true),
            (".json", false),
            (".a.json", false),
            ("a_12345678.tmp", false),
            ("a.json.tmp", false),
            ("a.JSON", false),
        ] {
            assert_eq!(is_notebook(name), expected, "{name}");
        }
    }

    #[test]
    fn the_owner_is_what_follows_the_first_user() {
        let owner = |name| owner_of(name).map(|owner| owner.to_string());
        assert_eq!(owner("demo-user_37U.json").as_deref(), Some("user_37U"));
        assert_eq!(owner("demo-user_a-user_b.json").as_deref(), Some("user_a-user_b"));
        assert_eq!(owner("demo.json"), None);
        assert_eq!(owner("demo-user_.json"), None);
    }
}
