//! Edits from outside are noticed, count as edits, and are never overwritten unseen.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quire_domain::NotebookId;
use quire_storage::prelude::*;
use quire_storage::{Delete, StoreError};
use quire_storage_json::{JsonNotebookStore, Options};

use crate::support::{Served, commit, edit, id, listed, load, notebook, open, printed, try_load, update};

/// Replaces text in a file in place, as some editors save.
fn change_in_place(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// Replaces text by way of a temporary file, as other editors save.
fn change_by_renaming(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    let temporary = path.with_extension("swp");
    fs::write(&temporary, text.replace(from, to)).unwrap();
    fs::rename(temporary, path).unwrap();
}

fn told(events: &mut tokio::sync::broadcast::Receiver<quire_storage::StoreEvent>) -> Vec<NotebookId> {
    std::iter::from_fn(|| events.try_recv().ok()).map(|event| event.id).collect()
}

#[tokio::test]
async fn an_edit_from_outside_is_a_new_revision_and_refuses_older_commits() {
    for change in [change_in_place, change_by_renaming] {
        let served = Served::new();
        served.create(&notebook("x", "x = 1"), None).await.unwrap();
        let mut events = served.subscribe();
        let mut view = load(&served, "x").await;
        let revision = view.revision();
        // At once, with the same length: even times that the kernel takes from its tick may be the same.
        change(&served.path("x.json"), "x = 1", "x = 7");
        let answer = commit(&served, &mut view, &[update("a", "x = 2")]).await;
        assert!(matches!(answer, Err(StoreError::RevisionMismatch { .. })), "{answer:?}");

        let seen = load(&served, "x").await;
        assert_eq!((seen.code("a"), seen.revision()), ("x = 7", revision + 1));
        assert_eq!(seen.0.notebook().cells.get(0).unwrap().revision.0, revision + 1);
        assert_eq!(told(&mut events), [id("x")]);
        edit(&served, "x", &[update("a", "x = 3")]).await.unwrap();
        assert_eq!(load(&served, "x").await.revision(), revision + 2);
        assert_eq!(told(&mut events), [], "our own commits are not told");
    }
}

/// The edit leaves the file's state as it was, as one within the same tick of the kernel's clock may.
#[tokio::test]
async fn an_edit_from_outside_that_nobody_has_seen_is_not_deleted() {
    let served = Served::new();
    served.create(&notebook("x", "x = 1"), None).await.unwrap();
    let mut refused = false;
    for number in 0..200 {
        let (from, to) = if number % 2 == 0 { ("x = 1", "x = 7") } else { ("x = 7", "x = 1") };
        load(&served, "x").await;
        change_in_place(&served.path("x.json"), from, to);
        match served.delete_current(&id("x"), None).await {
            Ok(()) => served.create(&notebook("x", to), None).await.map(drop).unwrap(), // noticed by the look
            Err(StoreError::RevisionMismatch { .. }) => {
                assert_eq!(load(&served, "x").await.code("a"), to);
                refused = true;
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    if !refused {
        eprintln!("the clock's ticks were too short for an edit that leaves no trace");
    }
    served.delete_current(&id("x"), None).await.unwrap();
    assert_eq!(served.names(), Vec::<String>::new());
}

#[tokio::test]
async fn results_for_an_older_revision_are_refused_too() {
    let served = Served::new();
    served.create(&notebook("x", "x = 1"), None).await.unwrap();
    let mut view = load(&served, "x").await;
    change_in_place(&served.path("x.json"), "x = 1", "x = 7");
    let answer = commit(&served, &mut view, &[printed("a", "1")]).await;
    assert!(matches!(answer, Err(StoreError::RevisionMismatch { .. })), "{answer:?}");
    assert_eq!(load(&served, "x").await.stdout("a"), "");
}

#[tokio::test]
async fn the_larger_of_file_and_memory_counts() {
    let served = Served::new();
    served.create(&notebook("x", "x = 1"), None).await.unwrap();
    change_in_place(&served.path("x.json"), "\"revision\": 1,\n  \"cells\"", "\"revision\": 50,\n  \"cells\"");
    assert_eq!(load(&served, "x").await.revision(), 51);
    change_in_place(&served.path("x.json"), "\"revision\": 50,\n  \"cells\"", "\"revision\": 3,\n  \"cells\"");
    assert_eq!(load(&served, "x").await.revision(), 52);
}

#[tokio::test]
async fn a_touched_file_is_no_edit() {
    let served = Served::new();
    served.create(&notebook("x", "x = 1"), None).await.unwrap();
    let mut events = served.subscribe();
    let mut view = load(&served, "x").await;
    let text = served.read("x.json");
    fs::remove_file(served.path("x.json")).unwrap();
    served.write("x.json", &text);
    served.scan_now().await.unwrap();
    commit(&served, &mut view, &[update("a", "x = 2")]).await.unwrap();
    fs::File::options().write(true).open(served.path("x.json")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    commit(&served, &mut view, &[update("a", "x = 3")]).await.unwrap();
    assert_eq!(told(&mut events), []);
}

/// Programs that know no lives leave the field out when they write a file: an edit like any other. One that says another life
/// has put another notebook there.
#[tokio::test]
async fn a_file_without_a_life_is_an_edit_and_one_with_another_is_another_notebook() {
    let served = Served::new();
    served.create(&notebook("x", "x = 1"), None).await.unwrap();
    let mut view = load(&served, "x").await;
    commit(&served, &mut view, &[update("a", "x = 2")]).await.unwrap();
    let life = view.0.notebook().life;
    let field = format!(",\n  \"life\": \"{life}\"");
    change_by_renaming(&served.path("x.json"), &field, "");
    let edited = load(&served, "x").await;
    assert_eq!((edited.0.notebook().life, edited.revision()), (life, 3));
    commit(&served, &mut load(&served, "x").await, &[update("a", "x = 3")]).await.unwrap();
    assert!(served.read("x.json").contains(&field), "what is written next holds it again");

    let other = "0123456789abcdef0123456789abcdef";
    change_in_place(&served.path("x.json"), &life.to_string(), other);
    let replaced = load(&served, "x").await;
    assert_eq!((replaced.0.notebook().life.to_string().as_str(), replaced.revision()), (other, 4));
    let base = edited.0.notebook().base();
    let refused = served.delete(Delete { id: &id("x"), base, record: None }).await;
    assert!(matches!(refused, Err(StoreError::RevisionMismatch { .. })), "{refused:?}");
    change_in_place(&served.path("x.json"), other, "no life");
    assert!(matches!(try_load(&served, "x").await, Err(StoreError::Damaged { .. })));
}

#[tokio::test]
async fn files_that_come_and_go_are_notebooks_that_come_and_go() {
    let served = Served::new();
    served.create(&notebook("x", "x = 1"), None).await.unwrap();
    let mut events = served.subscribe();
    let mut view = load(&served, "x").await;

    served.write("y.json", &served.read("x.json").replace(r#""id": "x""#, r#""id": "y""#));
    assert_eq!(load(&served, "y").await.code("a"), "x = 1", "found without a scan");
    assert_eq!(listed(&served, "ann").await, ["x", "y"]);
    assert_eq!(told(&mut events), [id("y")]);

    let text = served.read("x.json");
    fs::remove_file(served.path("x.json")).unwrap();
    let answer = commit(&served, &mut view, &[update("a", "x = 2")]).await;
    assert!(matches!(answer, Err(StoreError::NotFound { .. })), "{answer:?}");
    assert!(try_load(&served, "x").await.unwrap().is_none());
    assert_eq!(listed(&served, "ann").await, ["y"]);
    assert_eq!(told(&mut events), [id("x")]);

    // Back with other content: not the revision that it had, which names the old content.
    served.write("x.json", &text.replace("x = 1", "x = 9"));
    assert_eq!(load(&served, "x").await.revision(), 2);
    assert_eq!(told(&mut events), [id("x")]);
    fs::remove_file(served.path("x.json")).unwrap();
    served.create(&notebook("x", "new"), None).await.unwrap();
}

#[tokio::test]
async fn a_renamed_file_stays_the_same_notebook() {
    let mut served = Served::new();
    served.create(&notebook("x", "x = 1"), None).await.unwrap();
    edit(&served, "x", &[printed("a", "1")]).await.unwrap();
    let mut events = served.subscribe();
    let mut view = load(&served, "x").await;
    for (from, to) in [("x.json", "a.json"), ("a.json", "z.json")] {
        fs::rename(served.path(from), served.path(to)).unwrap();
        served.scan_now().await.unwrap();
        assert_eq!(told(&mut events), []);
        commit(&served, &mut view, &[update("a", to)]).await.unwrap();
        assert_eq!(served.names(), [to]);
    }
    served.restart_after(|dir| fs::rename(dir.join("z.json"), dir.join("other.json")).unwrap());
    assert_eq!((load(&served, "x").await.revision(), load(&served, "x").await.stdout("a")), (3, "1"));
}

#[tokio::test]
async fn edits_while_the_server_was_down_are_noticed() {
    let mut served = Served::new();
    served.create(&notebook("x", "x = 1"), None).await.unwrap();
    edit(&served, "x", &[update("a", "x = 2")]).await.unwrap();
    served.restart_after(|_| {});
    assert_eq!(load(&served, "x").await.revision(), 2, "no edit, no new revision");
    served.restart_after(|dir| change_in_place(&dir.join("x.json"), "x = 2", "x = 7"));
    assert_eq!(load(&served, "x").await.revision(), 3);
    served.restart_after(|_| {});
    assert_eq!(load(&served, "x").await.revision(), 3, "the same edit counts once");
    // A file from a backup has an older revision, but is newer than all that clients have seen.
    served.restart_after(|dir| {
        change_in_place(&dir.join("x.json"), "\"revision\": 2,\n  \"cells\"", "\"revision\": 1,\n  \"cells\"");
    });
    assert_eq!(load(&served, "x").await.revision(), 4);
}

#[tokio::test]
async fn watchers_are_told_without_anybody_asking() {
    let dir = tempfile::TempDir::new().unwrap();
    let every = Some(Duration::from_millis(20));
    let store = JsonNotebookStore::open(dir.path(), Options { scan_every: every, ..Options::default() }).unwrap();
    store.create(&notebook("x", "x = 1"), None).await.unwrap();
    let mut events = store.subscribe();
    for (from, to) in [("x = 1", "x = 2"), ("x = 2", "x = 3")] {
        change_in_place(&dir.path().join("x.json"), from, to);
        let event = tokio::time::timeout(Duration::from_secs(10), events.recv()).await;
        assert_eq!(event.expect("nobody was told").unwrap().id, id("x"));
        while load(&store, "x").await.code("a") != to {}
    }
}

/// Two writers at full speed, one of them not ours: whatever the other one has put in place is either seen by the load
/// that the next commit is based on, or the commit is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_edit_from_outside_is_overwritten_unseen() {
    const OUTSIDE_EDITS: u32 = 300;
    let dir = tempfile::TempDir::new().unwrap();
    let store = open(dir.path());
    store.create(&notebook("x", "outside 0"), None).await.unwrap();
    let path = dir.path().join("x.json");
    let template = fs::read_to_string(&path).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let outside = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || {
            let mut missing = Vec::new();
            for number in 1..=OUTSIDE_EDITS {
                let marker = format!("outside {number}");
                let text = template.replace("outside 0", &marker);
                // As editors save. A write in place can miss: into a file that an exchange has just taken out.
                fs::write(path.with_extension("swp"), text).unwrap();
                fs::rename(path.with_extension("swp"), &path).unwrap();
                // Sometimes at once again, sometimes so late that a commit is done before.
                std::thread::sleep(Duration::from_millis(u64::from(number % 7) * 4));
                // For a moment a commit may be in the place that then turns out to have come too late.
                let patience = Instant::now() + Duration::from_secs(10);
                while !fs::read_to_string(&path).unwrap().contains(&marker) {
                    if Instant::now() > patience {
                        missing.push(marker);
                        break;
                    }
                }
            }
            stop.store(true, Ordering::Release);
            missing
        })
    };
    let (mut commits, mut refusals) = (0, 0);
    while !stop.load(Ordering::Acquire) {
        let Ok(Some(mut view)) = try_load(&store, "x").await else { continue };
        let own = if view.0.notebook().cells.len() == 1 {
            crate::support::insert("ours", &commits.to_string())
        } else {
            update("ours", &commits.to_string())
        };
        match commit(&store, &mut view, &[own]).await {
            Ok(_) => commits += 1,
            Err(StoreError::RevisionMismatch { .. } | StoreError::Damaged { .. }) => refusals += 1,
            Err(StoreError::Unavailable { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let missing = outside.join().unwrap();
    assert!(missing.is_empty(), "overwritten unseen: {missing:?} ({commits} commits, {refusals} refusals)");
    assert!(commits > 0 && refusals > 0, "{commits} commits, {refusals} refusals: nothing was raced");
    let left: Vec<_> = fs::read_dir(dir.path().join(".quire/tmp")).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(left.iter().all(|path| path.extension().is_some_and(|extension| extension == "kept")), "{left:?}");
}
