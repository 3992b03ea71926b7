//! The index on disk is only a cache.

use std::fs;

use quire_storage::prelude::*;

use crate::support::{Served, edit, id, listed, load, notebook, update};

#[tokio::test]
async fn without_a_usable_index_everything_is_found_all_the_same() {
    for spoil in [
        None,
        Some(&b""[..]),
        Some(b"\0\0\0\0"),
        Some(b"{\"file\":\"ghost.json\"}\n{\"file\":\"x.json\",\"entry\":{}}\n{\"fi"),
        Some(b"[1,2,3]\n\xff\xfe\n"),
    ] {
        let mut served = Served::new();
        for name in ["x", "y", "ä"] {
            served.create(&notebook(name, "1"), None).await.unwrap();
        }
        edit(&served, "x", &[update("a", "2")]).await.unwrap();
        served.restart_after(|dir| match spoil {
            None => fs::remove_file(dir.join(".quire/index.jsonl")).unwrap(),
            Some(bytes) => fs::write(dir.join(".quire/index.jsonl"), bytes).unwrap(),
        });
        assert_eq!(listed(&served, "ann").await, ["x", "y", "ä"]);
        let view = load(&served, "x").await;
        assert_eq!((view.code("a"), view.revision()), ("2", 2));
        edit(&served, "x", &[update("a", "3")]).await.unwrap();
        served.delete_current(&id("y"), None).await.unwrap();
        served.restart_after(|_| {});
        assert_eq!(listed(&served, "ann").await, ["x", "ä"]);
        assert_eq!(load(&served, "x").await.revision(), 3);
    }
}

/// After a loss of power the index may be older than the files: our own commits are no edits from outside.
#[tokio::test]
async fn an_old_index_makes_no_edits_of_our_own_commits() {
    let mut served = Served::new();
    served.create(&notebook("x", "1"), None).await.unwrap();
    served.create(&notebook("gone", "1"), None).await.unwrap();
    served.restart_after(|_| {});
    let old = fs::read(served.path(".quire/index.jsonl")).unwrap();
    for number in 2..5 {
        edit(&served, "x", &[update("a", &number.to_string())]).await.unwrap();
    }
    served.delete_current(&id("gone"), None).await.unwrap();
    served.create(&notebook("new", "1"), None).await.unwrap();
    served.restart_after(|dir| fs::write(dir.join(".quire/index.jsonl"), &old).unwrap());
    let view = load(&served, "x").await;
    assert_eq!((view.code("a"), view.revision()), ("4", 4));
    assert_eq!(listed(&served, "ann").await, ["new", "x"]);
}

/// The index is appended to, and made short again before it grows without bounds.
#[tokio::test]
async fn the_index_does_not_grow_without_bounds() {
    let served = Served::new();
    served.create(&notebook("x", "1"), None).await.unwrap();
    for number in 0..1_200 {
        edit(&served, "x", &[update("a", &number.to_string())]).await.unwrap();
    }
    let lines = served.read(".quire/index.jsonl").lines().count();
    assert!(lines < 1_010, "{lines} lines for one file");
}

#[tokio::test]
async fn nor_does_it_under_edits_from_outside() {
    let served = Served::new();
    served.create(&notebook("x", "1"), None).await.unwrap();
    let text = served.read("x.json");
    for number in 0..1_200 {
        served.write("x.json", &text.replace("\"1\"", &format!("\"{number}\"")));
        served.scan_now().await.unwrap();
    }
    let lines = served.read(".quire/index.jsonl").lines().count();
    assert!(lines < 1_010, "{lines} lines for one file");
    for _ in 0..600 {
        fs::remove_file(served.path("x.json")).unwrap();
        served.scan_now().await.unwrap();
        served.write("x.json", &text);
        served.scan_now().await.unwrap();
    }
    let lines = served.read(".quire/index.jsonl").lines().count();
    assert!(lines < 1_010, "{lines} lines for one file that came and went");
}

#[tokio::test]
async fn a_large_directory_is_listed_in_pages() {
    let texts: Vec<_> = (0..500)
        .map(|number| {
            let time = format!("2026-01-01T00:00:00.{:06}Z", (number * 7_919) % 500);
            let text = format!(r#"{{"id":"n{number}","user_id":"ann","cells":[],"created_at":"{time}"}}"#);
            (format!("n{number}.json"), text)
        })
        .collect();
    let mut served = Served::with_files(texts.iter().map(|(name, text)| (&**name, &**text)));
    for _ in 0..2 {
        let all = listed(&served, "ann").await;
        assert_eq!(all.len(), 500);
        let mut sorted: Vec<_> = (0..500).collect();
        sorted.sort_by_key(|number| (number * 7_919) % 500);
        assert_eq!(all, sorted.iter().map(|number| format!("n{number}")).collect::<Vec<_>>());
        served.restart_after(|_| {});
    }
}
