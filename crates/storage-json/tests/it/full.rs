//! A full disk refuses with its cause, and everything stays as it was.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use quire_storage::{NotebookStore as _, StoreError, NotebookStoreExt as _};
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

/// Run by the test below in a process of its own, whose files cannot grow beyond a limit.
#[test]
fn limited_child() {
    let Some(dir) = std::env::var_os("QUIRE_TEST_LIMITED") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let large = "x".repeat(200_000);
    runtime.block_on(check_when_full(dir.as_ref(), &large, "the file-size limit is reached"));
    println!("\nall well");
}

#[test]
fn a_file_size_limit_is_told_and_changes_nothing() {
    let dir = TempDir::new().unwrap();
    // No write gets as far as the signal that the system sends with its refusal, which would end the process.
    let script = "ulimit -f 64; exec \"$0\" full::limited_child --exact --nocapture";
    let mut child = Command::new("sh");
    child.args(["-c", script]).arg(std::env::current_exe().unwrap()).env("QUIRE_TEST_LIMITED", dir.path());
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("all well"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// A file system of its own, gone when dropped.
struct Mounted(TempDir);

impl Mounted {
    fn small() -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=200k,mode=700", "tmpfs"]).arg(dir.path());
        mount.output().is_ok_and(|output| output.status.success()).then(|| Self(dir))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_file_system_is_told_and_changes_nothing() {
    let Some(mounted) = Mounted::small() else {
        eprintln!("only root can mount a small file system; the file-size limit alone was tested");
        return;
    };
    let dir = mounted.0.path().join("notebooks");
    check_when_full(&dir, &"x".repeat(260_000), "no space left on the disk").await;

    let store = open(&dir);
    assert!(store.health().await.writes);
    let ballast = dir.join("ballast");
    let mut size = 1 << 20;
    while size > 0 {
        // Down to the last byte.
        let old = fs::metadata(&ballast).map_or(0, |meta| meta.len());
        let file = fs::File::options().create(true).append(true).open(&ballast);
        if file.unwrap().write_all(&vec![0; size]).is_err() {
            fs::File::options().write(true).open(&ballast).unwrap().set_len(old).unwrap();
            size /= 2;
        }
    }
    let health = store.health().await;
    assert!(health.reads && !health.writes, "{health:?}");
    assert!(is_full(&edit(&store, "x", &[update("a", "more")]).await, "no space left on the disk"));
    assert_eq!(load(&store, "x").await.code("a"), "small");
    fs::remove_file(ballast).unwrap();
    assert!(store.health().await.writes);
    edit(&store, "x", &[update("a", "more")]).await.unwrap();
}
