//! Sealed connection strings: only the right key opens them, only where they belong.

use proptest::prelude::*;
use quire_domain::{
    CannotOpen, ConnectionString, InvalidKey, Nonce, NotebookId, SecretKey, SecretKeys, StoredConnection, UserId,
    limits,
};

const ONE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TWO: &str = "_-8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const NONCE: Nonce = [7; 24];
const SEALED: &str =
    "q1.YApSm6teKUg.BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHltAorDkboedGtVpKJR0KRfuxo0UqiexbID8ETFliYFlytECcBalNqg";

fn keys(current: &str, old: Option<&str>) -> SecretKeys {
    let key = |text| SecretKey::parse(text).unwrap();
    SecretKeys { current: key(current), old: old.map(key) }
}

fn connection(text: &str) -> ConnectionString {
    ConnectionString::new(text).unwrap().unwrap()
}

fn stored(text: &str) -> StoredConnection {
    StoredConnection::new(text).unwrap().unwrap()
}

fn place(notebook: &str, owner: &str) -> (NotebookId, UserId) {
    (NotebookId::new(notebook).unwrap(), UserId::new(owner).unwrap())
}

#[test]
fn keys_are_read_in_either_alphabet_with_or_without_padding() {
    let key = SecretKey::parse(ONE).unwrap();
    for same in [ONE.trim_end_matches('='), &format!(" {ONE}\n")] {
        assert_eq!(SecretKey::parse(same).unwrap(), key);
    }
    assert_eq!(SecretKey::parse(TWO).unwrap(), SecretKey::parse(&TWO.replace('_', "/").replace('-', "+")).unwrap());
    assert_ne!(SecretKey::parse(TWO).unwrap(), key);
    assert_eq!(SecretKey::parse("hunter2!").unwrap_err(), InvalidKey::NotBase64);
    assert_eq!(SecretKey::parse("").unwrap_err(), InvalidKey::Length { bytes: 0 });
    assert_eq!(SecretKey::parse(&ONE[4..]).unwrap_err(), InvalidKey::Length { bytes: 29 });
    for refused in ["hunter2!", "hunter22"] {
        assert!(!SecretKey::parse(refused).unwrap_err().to_string().contains("hunter"));
    }
}

#[test]
fn debug_shows_no_key() {
    let key = SecretKey::parse(ONE).unwrap();
    assert_eq!(format!("{key:?}"), format!("SecretKey({}, hidden)", key.id()));
    assert_eq!(key.id().len(), 11);
    assert!(!ONE.contains(key.id()));
}

#[test]
fn the_form_of_a_sealed_text_never_changes() {
    // Opened by libsodium too when the form was decided; whatever is stored in it must open for ever.
    let (notebook, owner) = place("n", "u");
    let sealed = keys(ONE, None).seal(&connection("postgres://me:secret@h/d"), &notebook, &owner, NONCE).unwrap();
    assert_eq!(sealed.expose(), SEALED);
    assert!(!format!("{sealed:?}").contains("BwcH"));
}

#[test]
fn the_old_key_opens_and_resealing_makes_it_unnecessary() {
    let (notebook, owner) = place("n", "u");
    let plain = connection("postgres://me:secret@h/d");
    let sealed = keys(ONE, None).seal(&plain, &notebook, &owner, NONCE).unwrap();
    assert_eq!(keys(TWO, None).open(&sealed, &notebook, &owner), Err(CannotOpen::OtherKey));
    let both = keys(TWO, Some(ONE));
    assert_eq!(both.open(&sealed, &notebook, &owner), Ok(plain.clone()));
    let resealed = both.reseal(&sealed, &notebook, &owner, NONCE).unwrap().unwrap();
    assert_eq!(keys(TWO, None).open(&resealed, &notebook, &owner), Ok(plain.clone()));
    assert_eq!(both.reseal(&resealed, &notebook, &owner, NONCE), Ok(None));
    // What JSON files hold from before there was a key.
    let entered = stored(plain.expose());
    assert_eq!(both.open(&entered, &notebook, &owner), Ok(plain.clone()));
    assert_eq!(both.reseal(&entered, &notebook, &owner, NONCE), Ok(Some(resealed.clone())));
    let other = place("m", "u");
    assert_eq!(
        both.reseal(&resealed, &other.0, &other.1, NONCE),
        Err(CannotOpen::Altered),
        "also with the current key"
    );
}

#[test]
fn notebook_and_owner_are_not_confused() {
    let sealed_for = place("ab", "c");
    let sealed = keys(ONE, None).seal(&connection("x"), &sealed_for.0, &sealed_for.1, NONCE).unwrap();
    for other in [place("a", "bc"), place("c", "ab"), place("ab", "d"), place("b", "c")] {
        assert_eq!(keys(ONE, None).open(&sealed, &other.0, &other.1), Err(CannotOpen::Altered));
    }
}

#[test]
fn the_longest_string_fits_when_it_is_sealed() {
    let (notebook, owner) = place("n", "u");
    let plain = connection(&"\u{10ffff}".repeat(limits::CONNECTION_CHARS));
    let sealed = keys(ONE, None).seal(&plain, &notebook, &owner, NONCE).unwrap();
    assert_eq!(StoredConnection::new(sealed.expose()), Ok(Some(sealed.clone())));
    assert_eq!(keys(ONE, None).open(&sealed, &notebook, &owner), Ok(plain));
}

#[test]
fn what_is_no_sealed_text_is_malformed() {
    let (notebook, owner) = place("n", "u");
    let keys = keys(ONE, None);
    let id = keys.current.id();
    for text in ["q1.", "q1.x", "q1..", &format!("q1.{id}."), &format!("q1.{id}.AAAA"), &format!("q1.{id}.?")] {
        assert_eq!(keys.open(&stored(text), &notebook, &owner), Err(CannotOpen::Malformed), "{text}");
    }
    let empty = format!("q1.{id}.{}", "A".repeat(40));
    assert_eq!(keys.open(&stored(&empty), &notebook, &owner), Err(CannotOpen::Altered));
}

proptest! {
    #[test]
    fn what_was_sealed_opens_where_it_belongs_and_nowhere_else(
        plain in "[^\0]{1,200}", notebook in "[a-z/é]{1,8}", owner in "[a-z/é]{1,8}", other in "[a-z/é]{1,8}", nonce: Nonce,
    ) {
        let plain = connection(&plain);
        let (notebook, owner) = place(&notebook, &owner);
        let other = place(&other, &other);
        let sealed = keys(ONE, None).seal(&plain, &notebook, &owner, nonce).unwrap();
        prop_assert!(sealed.is_sealed());
        prop_assert_eq!(keys(TWO, Some(ONE)).open(&sealed, &notebook, &owner), Ok(plain.clone()));
        prop_assert_eq!(keys(TWO, None).open(&sealed, &notebook, &owner), Err(CannotOpen::OtherKey));
        if other.0 != notebook {
            prop_assert_eq!(keys(ONE, None).open(&sealed, &other.0, &owner), Err(CannotOpen::Altered));
        }
        if other.1 != owner {
            prop_assert_eq!(keys(ONE, None).open(&sealed, &notebook, &other.1), Err(CannotOpen::Altered));
        }
    }

    #[test]
    fn an_altered_text_does_not_open(plain in "[a-z:/@]{1,60}", at: prop::sample::Index, by in "[A-Za-z0-9_.+/=-]") {
        let (notebook, owner) = place("n", "u");
        let sealed = keys(ONE, Some(TWO)).seal(&connection(&plain), &notebook, &owner, NONCE).unwrap();
        let mut text = sealed.expose().to_owned();
        // Behind the prefix: without it, it is no sealed text.
        let at = 3 + at.index(text.len() - 3);
        prop_assume!(text[at..=at] != by);
        text.replace_range(at..=at, &by);
        prop_assert!(keys(ONE, Some(TWO)).open(&stored(&text), &notebook, &owner).is_err());
        text.truncate(at);
        prop_assert!(keys(ONE, Some(TWO)).open(&stored(&text), &notebook, &owner).is_err());
    }

    #[test]
    fn hostile_text_is_survived(text in "[^\0]{0,80}", body in "[A-Za-z0-9_-]{0,120}") {
        let keys = keys(ONE, None);
        let (notebook, owner) = place("n", "u");
        for text in [format!("q1.{text}"), format!("q1.{}.{text}", keys.current.id()), format!("q1.{}.{body}", keys.current.id())] {
            prop_assert!(keys.open(&stored(&text), &notebook, &owner).is_err());
            prop_assert!(keys.reseal(&stored(&text), &notebook, &owner, NONCE).is_err());
        }
        let _ = SecretKey::parse(&text); // any answer will do
    }
}
