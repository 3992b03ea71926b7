//! One store a directory.

use std::fs;
use std::process::Command;

use quire_storage::prelude::*;
use quire_storage_json::{JsonNotebookStore, OpenError};
use tempfile::TempDir;

use crate::support::{Served, load, notebook, open, quiet};

#[tokio::test]
async fn a_second_store_in_this_process_is_refused_until_the_first_is_gone() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path());
    let refused = JsonNotebookStore::open(dir.path(), quiet()).unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused:?}");
    let (path, pid) = (dir.path().display(), std::process::id());
    assert_eq!(refused.to_string(), format!("the directory {path} is in use by another Quire server (process {pid})"));
    drop(first);
    drop(open(dir.path()));
}

/// Runs itself in the second process.
#[tokio::test]
async fn a_second_process_is_refused() {
    if let Some(dir) = std::env::var_os("QUIRE_TEST_OPEN") {
        return match JsonNotebookStore::open(dir.as_ref(), quiet()) {
            Ok(_) => println!("\nopened"),
            Err(error) => println!("\nrefused: {error}"),
        };
    }
    let served = Served::new();
    let child = || {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args(["locking::a_second_process_is_refused", "--exact", "--nocapture"])
            .env("QUIRE_TEST_OPEN", served.dir());
        String::from_utf8(child.output().unwrap().stdout).unwrap()
    };
    let said = child();
    let expected = format!("is in use by another Quire server (process {})", std::process::id());
    assert!(said.contains("refused: ") && said.contains(&expected), "{said}");
}

#[tokio::test]
async fn a_directory_that_is_gone_is_told() {
    let served = Served::new();
    let health = served.health().await;
    assert!(health.reads && health.writes);
    fs::remove_dir_all(served.dir()).unwrap();
    let health = served.health().await;
    assert!(!health.reads && !health.writes);
    assert!(served.create(&notebook("x", "1"), None).await.is_err());
    assert!(!served.dir().exists());
}

#[tokio::test]
async fn what_is_not_ours_in_our_folders_stays_and_stops_nothing() {
    let mut served = Served::new();
    served.create(&notebook("x", "1"), None).await.unwrap();
    let strays = ["outputs/lost+found", "outputs/stray.results", "tmp/stray.tmp"].map(|name| format!(".quire/{name}"));
    served.restart_after(|dir| {
        strays.iter().try_for_each(|name| fs::create_dir(dir.join(name))).unwrap();
        fs::write(dir.join(".quire/outputs/notes.txt"), "").unwrap();
        fs::write(dir.join(".quire/outputs/0011.results.new"), "").unwrap();
    });
    assert_eq!(load(&served, "x").await.code("a"), "1");
    assert!(strays.iter().all(|name| served.path(name).is_dir()));
    assert!(served.path(".quire/outputs/notes.txt").is_file());
    assert!(!served.path(".quire/outputs/0011.results.new").exists());
}

#[tokio::test]
async fn a_directory_is_made_for_its_owner_only_and_stale_temporaries_go() {
    use std::os::unix::fs::PermissionsExt as _;
    let outer = TempDir::new().unwrap();
    let dir = outer.path().join("made/here");
    drop(open(&dir));
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    let temporaries = dir.join(".quire/tmp");
    fs::write(temporaries.join("0011.2233.new.tmp"), "{\"id\":\"x\"").unwrap();
    fs::write(temporaries.join("nonsense.tmp"), "").unwrap();
    drop(open(&dir));
    assert_eq!(fs::read_dir(temporaries).unwrap().count(), 0);
}
