//! A full disk refuses with its cause, and everything stays as it was. A disk that is full in the middle of a write is in
//! `src/engine/full.rs`.

use std::fs;
use std::path::Path;
use std::process::Command;

use quire_storage::StoreError;
use quire_storage::prelude::*;
use tempfile::TempDir;

use crate::support::{commit, edit, insert, load, names_in, notebook, open, printed, try_load, update};

fn is_full<T>(answer: &Result<T, StoreError>, cause: &str) -> bool {
    matches!(answer, Err(StoreError::Full { reason, .. }) if reason == cause)
}

/// Whatever does not fit is refused, and nothing changes; whatever fits goes on working.
async fn check_when_full(dir: &Path, large: &str, cause: &str) {
    let store = open(dir);
    store.create(&notebook("x", "small"), None).await.unwrap();
    edit(&store, "x", &[printed("a", "printed")]).await.unwrap();
    let before = fs::read(dir.join("x.json")).unwrap();

    let answer = edit(&store, "x", &[update("a", large)]).await;
    assert!(is_full(&answer, cause), "a commit");
    let answer = edit(&store, "x", &[update("a", "small too"), printed("a", large)]).await;
    assert!(is_full(&answer, cause), "a group");
    let answer = edit(&store, "x", &[printed("a", large)]).await;
    assert!(is_full(&answer, cause), "results");
    let answer = store.create(&notebook("y", large), None).await;
    assert!(is_full(&answer, cause), "a creation");

    assert_eq!(fs::read(dir.join("x.json")).unwrap(), before, "the old bytes stay");
    assert_eq!(names_in(dir), ["x.json"], "a new notebook leaves no file");
    assert_eq!(fs::read_dir(dir.join(".quire/tmp")).unwrap().count(), 0);
    let mut view = load(&store, "x").await;
    assert_eq!((view.code("a"), view.stdout("a"), view.revision()), ("small", "printed", 1));
    assert!(try_load(&store, "y").await.unwrap().is_none());

    commit(&store, &mut view, &[insert("b", "still works"), printed("b", "too")]).await.unwrap();
    store.create(&notebook("y", "small"), None).await.unwrap();
    store.delete_current(&quire_domain::NotebookId::new("y").unwrap(), None).await.unwrap();
    drop(store);
    let view = load(&open(dir), "x").await;
    assert_eq!((view.code("b"), view.stdout("a"), view.stdout("b")), ("still works", "printed", "too"));
}

/// Runs itself in a process of its own, whose files cannot grow beyond a limit.
#[tokio::test]
async fn a_file_size_limit_is_told_and_changes_nothing() {
    if let Some(dir) = std::env::var_os("QUIRE_TEST_LIMITED") {
        check_when_full(dir.as_ref(), &"x".repeat(200_000), "the file-size limit is reached").await;
        println!("\nall well");
        return;
    }
    let dir = TempDir::new().unwrap();
    // No write gets as far as the signal that the system sends with its refusal, which would end the process.
    let script = "ulimit -f 64; exec \"$0\" full::a_file_size_limit_is_told_and_changes_nothing --exact --nocapture";
    let mut child = Command::new("sh");
    child.args(["-c", script]).arg(std::env::current_exe().unwrap()).env("QUIRE_TEST_LIMITED", dir.path());
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("all well"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
