//! File names: whatever the id, nothing outside the directory is read or written.

use std::fs;

use quire_storage::StoreError;
use quire_storage::prelude::*;

use crate::support::{Served, damaged, edit, id, insert, list, listed, load, notebook, open, try_load, update};

#[tokio::test]
async fn ids_cannot_lead_out_of_the_directory() {
    let outer = tempfile::TempDir::new().unwrap();
    let dir = outer.path().join("notebooks");
    let secret = r#"{"id":"../secret","user_id":"ann","cells":[]}"#;
    let store = open(&dir);
    fs::write(outer.path().join("secret.json"), secret).unwrap();
    let absolute = outer.path().join("secret").to_str().unwrap().to_owned();
    for odd in
        ["../secret", "..", ".", "./x", "a/../../secret", &absolute, ".quire/lock", ".quire", "a/b", "=x", "a\nb"]
    {
        assert!(try_load(&store, odd).await.unwrap().is_none(), "{odd}");
        assert!(matches!(store.delete_current(&id(odd), None).await, Err(StoreError::NotFound { .. })), "{odd}");
        store.create(&notebook(odd, "1"), None).await.unwrap();
        edit(&store, odd, &[update("a", "2")]).await.unwrap();
        assert_eq!(load(&store, odd).await.code("a"), "2");
    }
    let mut outside = crate::support::names_in(outer.path());
    outside.retain(|name| name != "notebooks");
    assert_eq!(outside, ["secret.json"]);
    assert_eq!(fs::read_to_string(outer.path().join("secret.json")).unwrap(), secret);
    let inside = crate::support::names_in(&dir);
    assert!(inside.iter().all(|name| name.starts_with('=') && name.len() == 70), "{inside:?}");
    for odd in ["../secret", &absolute] {
        store.delete_current(&id(odd), None).await.unwrap();
    }
    assert!(outer.path().join("secret.json").exists());
}

#[tokio::test]
async fn a_copy_with_its_own_id_is_served_and_written_in_its_place() {
    let served = Served::new();
    served.create(&notebook("x", "1"), None).await.unwrap();
    served.write("copy of x.json", &served.read("x.json").replace(r#""id": "x""#, r#""id": "y""#));
    assert_eq!(listed(&served, "ann").await, ["x", "y"]);
    edit(&served, "y", &[update("a", "2")]).await.unwrap();
    assert_eq!(load(&served, "y").await.code("a"), "2");
    assert_eq!(load(&served, "x").await.code("a"), "1");
    assert_eq!(served.names(), ["copy of x.json", "x.json"]);
    assert!(matches!(served.create(&notebook("y", "3"), None).await, Err(StoreError::AlreadyExists { .. })));
    served.delete_current(&id("y"), None).await.unwrap();
    assert_eq!(served.names(), ["x.json"]);
}

#[tokio::test]
async fn of_two_files_with_one_id_the_first_by_name_serves() {
    let mut served = Served::with_files([
        ("a.json", r#"{"id":"x","user_id":"ann","cells":[{"id":"a","type":"python","code":"first"}]}"#),
        ("x.json", r#"{"id":"x","user_id":"ann","cells":[{"id":"a","type":"python","code":"second"}]}"#),
    ]);
    for restarted in [false, true] {
        let page = list(&served, "ann").await;
        assert_eq!(page.notebooks.len(), 1, "restarted: {restarted}");
        assert_eq!(page.damaged.len(), 1);
        assert_eq!(page.damaged[0].place, "x.json");
        assert_eq!(page.damaged[0].reason, "a.json holds a notebook with the same id");
        assert_eq!(load(&served, "x").await.code("a"), "first");
        served.restart_after(|_| {});
    }
    let before = served.read("x.json");
    edit(&served, "x", &[update("a", "edited")]).await.unwrap();
    assert_eq!(served.read("x.json"), before);

    // When the first one goes, the other one serves, as a later revision: it has other content.
    let revision = load(&served, "x").await.revision();
    fs::remove_file(served.path("a.json")).unwrap();
    let view = load(&served, "x").await;
    assert_eq!(view.code("a"), "second");
    assert!(view.revision() > revision);
    assert!(damaged(&served, "ann").await.is_empty());
}

/// As on a file system that folds case: the name that the id asks for leads to another notebook's file.
#[tokio::test]
async fn a_name_that_is_taken_by_another_id_is_avoided() {
    let mut served = Served::with_files([("a.json", r#"{"id":"A","user_id":"ann","cells":[]}"#)]);
    assert!(try_load(&served, "a").await.unwrap().is_none());
    served.create(&notebook("a", "small"), None).await.unwrap();
    served.restart_after(|_| {});
    assert_eq!(load(&served, "a").await.code("a"), "small");
    edit(&served, "A", &[insert("b", "big")]).await.unwrap();
    assert_eq!(load(&served, "A").await.code("b"), "big");
    assert_eq!(served.names().len(), 2);
    served.delete_current(&id("A"), None).await.unwrap();
    assert_eq!(load(&served, "a").await.code("a"), "small");
}

#[tokio::test]
async fn what_is_not_a_notebooks_name_is_left_alone() {
    let mut served = Served::new();
    let sound = r#"{"id":"never","user_id":"ann","cells":[]}"#;
    let others = ["never.JSON", "never.txt", "never_1a2b3c4d.tmp", ".never.json", ".json", "never.json~", "never"];
    served.restart_after(|dir| {
        for name in others {
            fs::write(dir.join(name), sound).unwrap();
        }
    });
    served.scan_now().await.unwrap();
    assert!(listed(&served, "ann").await.is_empty());
    assert!(damaged(&served, "ann").await.is_empty());
    served.create(&notebook("never", "1"), None).await.unwrap();
    for name in others {
        assert_eq!(served.read(name), sound);
    }
}

#[tokio::test]
async fn a_name_that_is_no_text_is_named() {
    use std::os::unix::ffi::OsStrExt as _;
    let mut served = Served::new();
    served.restart_after(|dir| {
        let name = std::ffi::OsStr::from_bytes(b"\xff.json");
        fs::write(dir.join(name), r#"{"id":"x","user_id":"ann","cells":[]}"#).unwrap();
    });
    for _ in 0..2 {
        assert_eq!(damaged(&served, "ann").await, [("\u{FFFD}.json".to_owned(), "its name is not UTF-8".to_owned())]);
        served.scan_now().await.unwrap();
    }
}
