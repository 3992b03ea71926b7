//! A damaged file is named with the place of the damage, left as it is, and hides nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use quire_domain::{Extra, Json, Notebook, Revision, Timestamp};
use quire_storage::StoreError;
use quire_storage::prelude::*;

use crate::support::{Served, damaged, edit, id, listed, load, notebook, try_load, update};

const SOUND: (&str, &str) =
    ("sound.json", r#"{"id":"sound","user_id":"ann","cells":[{"id":"a","type":"python","code":""}]}"#);

/// Each damaged text, and what is said of it.
fn texts() -> Vec<(String, &'static str)> {
    let cell = |fields: &str| format!("{{\"id\":\"x\",\"user_id\":\"ann\",\n \"cells\":[{{{fields}}}]}}");
    let field = |field: &str| format!(r#"{{"id":"x","user_id":"ann","cells":[],{field}}}"#);
    let nested = format!("{}{}", "[".repeat(129), "]".repeat(129));
    vec![
        (String::new(), "line 1, column 1 (byte 0): EOF while parsing a value"),
        ("\0\0\0\0".into(), "line 1, column 1 (byte 0): expected value"),
        ("[]".into(), "line 1, column 1 (byte 0): not an object"),
        (
            r#"{"id":"x","user_id":"ann","cells":[{"id":"a","ty"#.into(),
            "line 1, column 48 (byte 47): EOF while parsing a string",
        ),
        ("{\"id\":\"x\",\n\"user_id\":\"ann\",\n\"cells\":[],}".into(), "line 3, column 12 (byte 39): trailing comma"),
        (
            field("\"name\":\"hunter2\u{1}\""),
            "line 1, column 52 (byte 51): control character (\\u0000-\\u001F) found while parsing a string",
        ),
        (r#"{"id":"x","user_id":"ann","cells":[]} hunter2"#.into(), "line 1, column 39 (byte 38): trailing characters"),
        (r#"{"id":"x","user_id":"ann"}"#.into(), "line 1, column 1 (byte 0): `cells` is missing"),
        (r#"{"user_id":"ann","cells":[]}"#.into(), "line 1, column 1 (byte 0): `id` is missing"),
        (r#"{"id":7,"user_id":"ann","cells":[]}"#.into(), "line 1, column 7 (byte 6): `id` is not a text"),
        (r#"{"id":"","user_id":"ann","cells":[]}"#.into(), "line 1, column 7 (byte 6): notebook id is empty"),
        (r#"{"id":"x","user_id":"ann","cells":{}}"#.into(), "line 1, column 35 (byte 34): `cells` is not a list"),
        (field(r#""id":"y""#), "line 1, column 43 (byte 42): `id` is there twice, with different values"),
        (field(r#""revision":-1"#), "line 1, column 49 (byte 48): `revision` is negative"),
        (field(r#""revision":1.5"#), "line 1, column 49 (byte 48): `revision` is not an integer up to 2^53 - 1"),
        (field(r#""created_at":"yesterday""#), "line 1, column 51 (byte 50): `created_at` is not a time"),
        (
            field(r#""created_at":"+262000-01-01T00:00:00""#),
            "line 1, column 51 (byte 50): `created_at` is not in the years 0 to 9999",
        ),
        (
            field(r#""updated_at":"+10000-01-01T00:00:00""#),
            "line 1, column 51 (byte 50): `updated_at` is not in the years 0 to 9999",
        ),
        (
            field(r#""created_at":"-0005-01-01T00:00:00""#),
            "line 1, column 51 (byte 50): `created_at` is not in the years 0 to 9999",
        ),
        (
            field(r#""updated_at":"9999-12-31T23:59:59-05:00""#),
            "line 1, column 51 (byte 50): `updated_at` is not in the years 0 to 9999",
        ),
        (
            field(&format!(r#""name":"{}""#, "n".repeat(256))),
            "line 1, column 45 (byte 44): the notebook's name has 256 characters, more than the 255 allowed",
        ),
        (
            field(&format!(r#""odd":{nested}"#)),
            "line 1, column 44 (byte 43): JSON nested 129 levels deep, more than the 128 allowed",
        ),
        (
            cell(r#""id":"a","type":"r","code":"""#),
            "line 2, column 28 (byte 54): cell 1: `type` is neither python nor sql",
        ),
        (cell(r#""id":"a","type":"sql","code":null"#), "line 2, column 11 (byte 37): cell 1: `code` is missing"),
        (cell(r#""id":"a","type":"sql","code":"\ud800 hunter2""#), "cell 1: `code` holds half a surrogate pair"),
        (cell(r#""id":"a","type":"sql","code":"","reads":[1]"#), "cell 1: `reads` is not a text"),
        (
            cell(r#""id":"a","type":"sql","code":""},{"id":"a","type":"sql","code":"""#),
            "cell 2: an earlier cell has the same id",
        ),
        (
            cell(&format!(r#""id":"a","type":"sql","code":"{}""#, "c".repeat(262_145))),
            "cell 1: the cell's source has 262145 bytes, more than the 262144 allowed",
        ),
        (
            cell(r#""id":"a","type":"sql","code":"" "#).replace("\"x\"", "NaN"),
            "line 1, column 7 (byte 6): `id` is missing",
        ),
    ]
}

#[tokio::test]
async fn every_damage_is_named_with_its_place_and_nothing_is_touched() {
    for (text, reason) in texts() {
        let served = Served::with_files([SOUND, ("x.json", &text)]);
        let reported = damaged(&served, "ann").await;
        assert_eq!(reported.len(), 1, "{reported:?}");
        let (place, found) = &reported[0];
        assert_eq!(place, "x.json");
        if !reason.contains("`id` is missing") || !text.contains("NaN") {
            assert!(found.contains(reason), "found {found:?}, expected {reason:?}");
        }
        assert!(!found.contains("hunter2"), "content in {found:?}");

        // Who opens it is told the file as well, which the list has in a field of its own.
        let found = format!("the file x.json, {found}");
        let says_so = |answer: Result<(), StoreError>| matches!(&answer, Err(StoreError::Damaged { id, reason }) if id.as_str() == "x" && *reason == found);
        assert!(says_so(try_load(&served, "x").await.map(drop)), "load of {text:.60}");
        assert!(says_so(served.create(&notebook("x", "1"), None).await.map(drop)), "create over {text:.60}");
        assert!(says_so(served.delete_current(&id("x"), None).await), "delete of {text:.60}");
        assert_eq!(served.read("x.json"), text);

        assert_eq!(listed(&served, "ann").await, ["sound"]);
        edit(&served, "sound", &[update("a", "1")]).await.unwrap();
    }
}

#[tokio::test]
async fn committing_to_a_notebook_that_was_damaged_meanwhile_is_refused() {
    let served = Served::new();
    served.create(&notebook("x", "1"), None).await.unwrap();
    let mut view = load(&served, "x").await;
    served.write("x.json", "{\"id\":\"x\",");
    let answer = crate::support::commit(&served, &mut view, &[update("a", "2")]).await;
    assert!(matches!(answer, Err(StoreError::Damaged { .. })), "{answer:?}");
    assert_eq!(served.read("x.json"), "{\"id\":\"x\",");
    // Whose it was is remembered, though the file does not say any more.
    assert_eq!(damaged(&served, "ann").await.len(), 1);
    assert!(damaged(&served, "bob").await.is_empty());
}

#[tokio::test]
async fn damage_is_shown_to_whom_it_may_concern() {
    let served = Served::with_files([
        ("anns.json", r#"{"id":"anns","user_id":"ann","cells":"#),
        ("demo-user_b.json", "{"),
        ("nobodys.json", "{"),
    ]);
    let places = |damaged: Vec<(String, String)>| damaged.into_iter().map(|(place, _)| place).collect::<Vec<_>>();
    assert_eq!(places(damaged(&served, "ann").await), ["anns.json", "nobodys.json"]);
    assert_eq!(places(damaged(&served, "user_b").await), ["demo-user_b.json", "nobodys.json"]);
    assert_eq!(places(damaged(&served, "carl").await), ["nobodys.json"]);
}

#[tokio::test]
async fn what_is_no_file_is_named_and_never_waited_for() {
    let mut served = Served::with_files([SOUND]);
    served.restart_after(|dir| {
        fs::create_dir(dir.join("folder.json")).unwrap();
        fs::create_dir(dir.join("folder")).unwrap();
        fs::write(dir.join("folder/inner.json"), SOUND.1).unwrap();
        fs::write(dir.join("elsewhere.txt"), SOUND.1.replace("sound", "link")).unwrap();
        std::os::unix::fs::symlink("elsewhere.txt", dir.join("link.json")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.join("dangling.json")).unwrap();
        let fifo = std::process::Command::new("mkfifo").arg(dir.join("fifo.json")).status().unwrap();
        assert!(fifo.success());
        let sparse = fs::File::create(dir.join("huge.json")).unwrap();
        sparse.set_len(3 << 30).unwrap();
    });
    let expected = [
        ("dangling.json", "is a symbolic link"),
        ("fifo.json", "is no regular file"),
        ("folder.json", "is a directory"),
        ("huge.json", "has more than 2147483648 bytes"),
        ("link.json", "is a symbolic link"),
    ];
    let expected: Vec<_> = expected.iter().map(|&(name, why)| (name.to_owned(), why.to_owned())).collect();
    let work = async {
        assert_eq!(damaged(&served, "ann").await, expected);
        for (name, _) in &expected {
            let name = name.strip_suffix(".json").unwrap();
            assert!(matches!(try_load(&served, name).await, Err(StoreError::Damaged { .. })), "{name}");
            assert!(
                matches!(served.create(&notebook(name, "1"), None).await, Err(StoreError::Damaged { .. })),
                "{name}"
            );
            assert!(matches!(served.delete_current(&id(name), None).await, Err(StoreError::Damaged { .. })), "{name}");
        }
        served.scan_now().await.unwrap();
        assert_eq!(damaged(&served, "ann").await, expected);
        assert_eq!(listed(&served, "ann").await, ["sound"]);
    };
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("hangs on something that is no file");
    assert_eq!(fs::read_link(served.path("link.json")).unwrap().to_str(), Some("elsewhere.txt"));
}

#[tokio::test]
async fn a_mended_file_is_served_again() {
    let served = Served::with_files([("x.json", "{")]);
    assert!(matches!(try_load(&served, "x").await, Err(StoreError::Damaged { .. })));
    served.write("x.json", &SOUND.1.replace("sound", "x"));
    assert_eq!(load(&served, "x").await.code("a"), "");
    assert_eq!(listed(&served, "ann").await, ["x"]);
    assert!(damaged(&served, "ann").await.is_empty());
}

#[tokio::test]
async fn an_unreadable_file_is_named() {
    let mut served = Served::with_files([SOUND, ("x.json", SOUND.1)]);
    served.restart_after(|dir| {
        fs::set_permissions(dir.join("x.json"), fs::Permissions::from_mode(0o0)).unwrap();
    });
    if fs::read(served.path("x.json")).is_ok() {
        eprintln!("permissions do not bind this user (root?); nothing to see");
        return;
    }
    assert!(damaged(&served, "ann").await[0].1.starts_with("cannot be read"));
    assert_eq!(listed(&served, "ann").await, ["sound"]);
}

/// What could be written, but not read again, is refused.
#[tokio::test]
async fn no_unreadable_file_is_written() {
    let served = Served::new();
    let sound = notebook("x", "1");
    let field = |name: &str| Extra::new(vec![(name.into(), Json::parse("1").unwrap())]);
    let cell = |change: &dyn Fn(&mut quire_domain::Cell)| {
        let mut cell = quire_domain::Cell::clone(sound.cells.get(0).unwrap());
        change(&mut cell);
        Notebook { cells: [cell].into_iter().collect(), ..sound.clone() }
    };
    let twice = [sound.cells.get(0).unwrap(), sound.cells.get(0).unwrap()].map(|cell| quire_domain::Cell::clone(cell));
    let bad = [
        Notebook { revision: Revision(-1), ..sound.clone() },
        Notebook { created_at: Timestamp::MAX_UTC, ..sound.clone() },
        Notebook { extra: field("revision"), ..sound.clone() },
        Notebook { cells: twice.into_iter().collect(), ..sound.clone() },
        cell(&|cell| cell.extra = field("code")),
        cell(&|cell| cell.extra = Extra::new(vec![("stdout".into(), Json::parse("\"x\"").unwrap())])),
        cell(&|cell| cell.code = "x".repeat(300_000).into()),
    ];
    for (index, bad) in bad.iter().enumerate() {
        assert!(matches!(served.create(bad, None).await, Err(StoreError::Backend { .. })), "{index}");
        assert!(served.names().is_empty(), "{index}");
    }
    served.create(&sound, None).await.unwrap();
}
