//! Calls whose connection is cut: the returned outcome is true, and each change takes effect at most once.

use std::collections::HashSet;

use quire_domain::{Edit, Notebook, Place, Revision};
use quire_storage::prelude::*;
use quire_storage::{Delete, NotebookStore, StoreError};
use quire_storage_postgres::Options;
use quire_test_postgres::{Cut, Database, Proxy, Server};

use crate::support::{
    Editor, Random, cell_id, delete, has_record, idempotency_record, insert, kept, load, notebook, notebook_id, open,
    open_with, printed, update,
};

/// An edit or a group of some kind; `number` makes it one of its own.
fn edits(random: &mut Random, number: usize, notebook: &Notebook) -> Vec<Edit> {
    let code = format!("x = {number}");
    let count = u64::try_from(notebook.cells.len()).unwrap();
    let any = notebook.cells.get(usize::try_from(random.below(count)).unwrap()).unwrap().id.as_str().to_owned();
    let new = insert(&format!("cell {number}"), &code, Place::After(cell_id(&any)));
    match random.below(8) {
        0 | 1 => vec![update("kept", &code)],
        2 => vec![printed("kept", &code, 2)],
        3 => vec![new],
        4 if any != "kept" => vec![delete(&any)],
        5 => vec![Edit::Rename { name: code }],
        6 => vec![printed(&any, &code, 1), update("kept", &code), new, update(&any, &code), printed("kept", "", 0)],
        _ => vec![update(&any, &code), update("kept", &code)],
    }
}

/// One caller changes notebooks, and each call loses its connection. Nobody disturbs, so every edit must succeed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seven_hundred_changes_are_each_made_once() {
    let database = Database::fresh().await;
    let proxy = Proxy::start(Server::shared());
    let (cut, direct) = (open_with(&database.url_at(proxy.port()), Options::default()), open(&database));
    let (cut, direct) = (&*cut, &*direct);
    let mut random = Random(1);
    let mut editor = Editor::create(cut, notebook("edited", &[("kept", "")])).await;
    let mut last = direct.load(&notebook_id("edited")).await.unwrap().unwrap().version;
    let mut other: Option<Notebook> = None;
    for number in 0..700 {
        assert_eq!(direct.load(&notebook_id("edited")).await.unwrap().unwrap().version, last, "before {number}");
        proxy.cut_next(match random.below(10) {
            0 => Cut::BeforeSending,
            1 => Cut::AfterAnswer,
            _ => Cut::AfterSending,
        });
        if random.below(8) == 0 {
            other = change_whole(cut, number, other, random.below(2) == 0).await;
            let stored = direct.load(&notebook_id("other")).await.unwrap().map(|loaded| loaded.notebook);
            assert_eq!(stored.as_ref().map(kept), other.as_ref().map(kept), "whole notebook {number}");
        } else {
            let edits = edits(&mut random, number, editor.notebook());
            let mut group = editor.apply(&edits);
            // Some of them have a record, which must be stored once like the change.
            group.records.extend((number % 3 > 0).then(|| idempotency_record(number)));
            last = group.commit(cut).await.unwrap();
            assert_eq!(has_record(direct, number).await, number % 3 > 0, "the record of {number}");
            let loaded = direct.load(&notebook_id("edited")).await.unwrap().unwrap();
            assert_eq!(kept(&loaded.notebook), kept(editor.notebook()), "after {number}: {edits:?}");
            assert_eq!(loaded.version, last, "after {number}");
        }
        assert_eq!(proxy.cuts(), number + 1);
    }
}

/// Creates, replaces or deletes the other notebook; returns it as it must be stored now.
async fn change_whole(store: &dyn NotebookStore, number: usize, there: Option<Notebook>, go: bool) -> Option<Notebook> {
    let mut next = notebook("other", &[("a", &format!("whole {number}")), ("b", "")]);
    match there {
        None => {
            store.create(&next, Some(&idempotency_record(number))).await.unwrap();
            assert!(has_record(store, number).await, "the record of {number}");
            Some(next)
        }
        Some(there) if go => {
            // Of a deletion there is no trace to look for, so that it may have to say that it does not know.
            let record = idempotency_record(number);
            let delete = Delete { id: &there.id, base: there.base(), record: Some(&record) };
            match store.delete(delete).await {
                Ok(()) => {}
                Err(StoreError::OutcomeUnknown { .. }) => match store.delete(delete).await {
                    Ok(()) | Err(StoreError::NotFound { .. } | StoreError::AlreadyRecorded) => {}
                    Err(error) => panic!("deleting again: {error:?}"),
                },
                Err(error) => panic!("deleting: {error:?}"),
            }
            assert!(has_record(store, number).await, "the record of {number}");
            None
        }
        Some(there) => {
            next.revision = Revision(there.revision.0 + 3);
            store.replace(there.base(), &next).await.unwrap();
            Some(next)
        }
    }
}

/// Two callers add cells to one notebook, one of them losing its connection each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_changes_among_anothers_are_answered_truly() {
    let database = Database::fresh().await;
    let proxy = Proxy::start(Server::shared());
    let (cut, direct) = (open_with(&database.url_at(proxy.port()), Options::default()), open(&database));
    let id = notebook_id("shared");
    direct.create(&notebook("shared", &[]), None).await.unwrap();
    let rival = {
        let (direct, id) = (direct.clone(), id.clone());
        tokio::spawn(async move {
            let mut accepted = Vec::new();
            for number in 0..300 {
                let mut editor = Editor::load(&*direct, &id).await;
                let group = editor.apply(&[insert(&format!("rival {number}"), "", Place::End)]);
                match group.commit(&*direct).await {
                    Ok(_) => accepted.push((format!("rival {number}"), editor.revision())),
                    Err(StoreError::RevisionMismatch { .. }) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            accepted
        })
    };
    let (mut accepted, mut refused, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..300 {
        let mut editor = Editor::load(&*direct, &id).await;
        let name = format!("cut {number}");
        let group = editor.apply(&[insert(&name, "", Place::Start)]);
        proxy.cut_next(Cut::AfterSending);
        match group.commit(&*cut).await {
            Ok(_) => accepted.push((name, editor.revision())),
            Err(StoreError::RevisionMismatch { .. }) => refused.push(name),
            Err(StoreError::OutcomeUnknown { .. }) => unknown.push(name),
            Err(error) => panic!("{error:?}"),
        }
    }
    accepted.extend(rival.await.unwrap());
    assert_eq!(proxy.cuts(), 300);

    let stored = load(&*direct, &id).await;
    let there: HashSet<&str> = stored.cells.iter().map(|cell| cell.id.as_str()).collect();
    for (name, revision) in &accepted {
        let cell = stored.cells.find(&cell_id(name)).unwrap_or_else(|| panic!("{name:?} was accepted and is lost"));
        assert_eq!(cell.revision.0, *revision, "{name:?} was given another revision");
    }
    assert!(refused.iter().all(|name| !there.contains(&**name)), "a refused edit is there");
    let happened = unknown.iter().filter(|name| there.contains(&***name)).count();
    assert_eq!(there.len(), accepted.len() + happened);
    assert_eq!(stored.revision.0, i64::try_from(there.len()).unwrap(), "revisions given out and edits accepted");
    println!("{} accepted, {} refused, {} unknown", accepted.len(), refused.len(), unknown.len());
}
