//! Notebooks whose calls take long, as when the disk is slow to sync.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use quire_domain::{Life, Notebook};
use quire_storage::{PageRequest, SearchText};
use tempfile::TempDir;

use super::*;

/// Maximum time of what does not wait.
const SOON: Duration = Duration::from_secs(20);

fn new(id: &str) -> Notebook {
    let (id, owner) = (NotebookId::new(id).unwrap(), UserId::new("ann").unwrap());
    Notebook::new(id, Life::UNRECORDED, owner, Timestamp::default())
}

/// Does something on another thread, which must not wait for what this one holds.
fn without_waiting<T: Send + 'static>(engine: &Arc<Engine>, work: fn(&Engine) -> T) -> T {
    let (engine, (done, is_done)) = (Arc::clone(engine), channel());
    thread::spawn(move || done.send(work(&engine)));
    is_done.recv_timeout(SOON).expect("it waits")
}

fn listed(engine: &Engine) -> Vec<String> {
    let page = engine.list(&ListFilter::of(UserId::new("ann").unwrap()), &PageRequest::default()).unwrap();
    page.notebooks.into_iter().map(|summary| summary.id.to_string()).collect()
}

/// Number of hits of a user who has no notebook.
fn found(engine: &Engine) -> usize {
    let (bob, text) = (UserId::new("bob").unwrap(), SearchText::new("x").unwrap());
    engine.search(&bob, &text, &PageRequest::default()).unwrap().hits.len()
}

#[test]
fn lists_and_searches_wait_for_no_notebook_of_others() {
    let dir = TempDir::new().unwrap();
    let engine = Arc::new(Engine::open(dir.path(), UserId::new("ann").unwrap()).unwrap());
    let new_file = |id: &str| {
        let text = super::create::text_of(&new(id)).unwrap();
        std::fs::write(dir.path().join(format!("{id}.json")), text).unwrap();
    };

    // A file that just came, of a notebook that is being synced.
    let slot = engine.slot(&new("x").id);
    let held = slot.lock();
    new_file("x");
    new_file("y");
    assert_eq!(without_waiting(&engine, listed), ["y"]);
    assert_eq!(without_waiting(&engine, found), 0);

    // The scan of all files waits for it, and holds up no other call.
    let holders = Arc::strong_count(&slot);
    let scanning = {
        let engine = Arc::clone(&engine);
        thread::spawn(move || engine.scan())
    };
    while Arc::strong_count(&slot) == holders {
        thread::yield_now(); // it has not come to the notebook yet
    }
    new_file("z");
    assert_eq!(without_waiting(&engine, listed), ["y", "z"]);
    drop(held);
    scanning.join().unwrap().unwrap();
    assert_eq!(listed(&engine), ["x", "y", "z"]);
}

/// A scan that hangs, or a log that is being rewritten, is no reason for a change of another notebook to wait.
#[test]
fn a_change_looks_for_what_is_missing_without_waiting_for_others() {
    let dir = TempDir::new().unwrap();
    let engine = Arc::new(Engine::open(dir.path(), UserId::new("ann").unwrap()).unwrap());
    engine.create(&new("x"), &[]).unwrap();
    let restoring = engine.restoring.lock();
    without_waiting(&engine, |engine| {
        engine.restore_directories().unwrap();
        engine.create(&new("y"), &[]).unwrap();
    });
    let rewriting = engine.records.lock_state();
    without_waiting(&engine, Engine::restore_directories).unwrap();
    drop((restoring, rewriting));
}

/// A change goes on only when all is there that it may need.
#[test]
fn changes_at_once_make_again_what_is_missing_once() {
    let dir = TempDir::new().unwrap();
    let engine = Engine::open(dir.path(), UserId::new("ann").unwrap()).unwrap();
    engine.create(&new("x"), &[]).unwrap();
    std::fs::remove_dir_all(dir.path().join(".quire")).unwrap();
    thread::scope(|scope| {
        for number in 0..8 {
            let engine = &engine;
            scope.spawn(move || {
                engine.restore_directories().unwrap();
                engine.create(&new(&format!("y{number}")), &[]).unwrap();
            });
        }
    });
    assert_eq!(listed(&engine).len(), 9);
    let reopened = Engine::open(dir.path(), UserId::new("ann").unwrap());
    assert!(matches!(reopened, Err(crate::OpenError::InUse { pid: Some(_), .. })), "the lock is held again");
}
