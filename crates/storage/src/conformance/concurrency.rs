//! Concurrent calls.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use quire_domain::{NotebookId, Place, Revision};

use super::check::{Editor, is_mismatch, is_stored, load, new_commit, same, same_notebook};
use super::samples::{empty, insert, printed, results, update, with_cells};
use super::{Failure, StoreBuilder, ensure};
use crate::{Commit, NotebookStore, NotebookStoreExt as _};

/// Of concurrent commits on one base, exactly one succeeds, and its change is the one that is stored.
///
/// # Errors
/// When the store does not conform.
pub async fn of_two_commits_on_one_base_one_succeeds<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let id = NotebookId::new("raced")?;
    store.create(&with_cells("raced", &[("a", "")])?, None).await?;
    for _ in 0..10 {
        let base = load(&*store, &id).await?.notebook.base();
        let mut calls = Vec::new();
        for author in 0..4 {
            let (store, id) = (Arc::clone(&store), id.clone());
            calls.push(tokio::spawn(async move {
                let mut editor = Editor::load(&*store, &id).await?;
                if editor.notebook().base() != base {
                    return Ok(None); // the race is over
                }
                let change = editor.apply(&update("a", &format!("author {author}"))?)?;
                match editor.commit(base, &[change]).await {
                    Ok(_) => Ok(Some(editor.notebook().clone())),
                    Err(error) if is_mismatch(&error) => Ok(None),
                    Err(error) => Err(Failure::from(error)),
                }
            }));
        }
        let mut winners = Vec::new();
        for call in calls {
            winners.extend(call.await??);
        }
        ensure!(winners.len() == 1, "{} commits on one base succeeded", winners.len());
        for winner in &winners {
            is_stored(&*store, winner).await?;
        }
    }
    Ok(())
}

/// Thirty-two concurrent writers, each of which adds a cell and retries after a mismatch, add thirty-two cells.
///
/// # Errors
/// When the store does not conform.
pub async fn many_writers_lose_nothing<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    const WRITERS: i64 = 32;
    let (store, _guard) = builder.build().await?;
    store.create(&empty("shared")?, None).await?;
    let mut calls = Vec::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        calls.push(tokio::spawn(async move {
            // One writer succeeds in every round, so none can fail more often than there are writers.
            for _ in 0..=WRITERS {
                let mut editor = Editor::load(&*store, &NotebookId::new("shared")?).await?;
                let base = editor.notebook().base();
                let change = editor.apply(&insert(&format!("by{writer}"), "x", Place::End)?)?;
                match editor.commit(base, &[change]).await {
                    Ok(_) => return Ok(()),
                    Err(error) if is_mismatch(&error) => {}
                    Err(error) => return Err(Failure::from(error)),
                }
            }
            Err(Failure::new("a commit was refused more often than others can have succeeded"))
        }));
    }
    for call in calls {
        call.await??;
    }
    let notebook = load(&*store, &NotebookId::new("shared")?).await?.notebook;
    same("the number of cells", &usize::try_from(WRITERS)?, &notebook.cells.len())?;
    same("the revision", &Revision(WRITERS), &notebook.revision)
}

/// A load during commits shows each commit wholly or not at all, results included, and never an older state than the load before.
///
/// # Errors
/// When the store does not conform.
pub async fn a_load_never_shows_half_a_group<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let id = NotebookId::new("whole")?;
    store.create(&with_cells("whole", &[("a", "0"), ("b", "0")])?, None).await?;
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for _ in 0..2 {
        let (store, id, done) = (Arc::clone(&store), id.clone(), Arc::clone(&done));
        readers.push(tokio::spawn(async move {
            let mut last = (Revision(0), None);
            while !done.load(Ordering::Acquire) {
                let loaded = load(&*store, &id).await?;
                let seen = (loaded.notebook.revision, Some(loaded.version));
                ensure!(seen >= last, "a load went back from {last:?} to {seen:?}");
                last = seen;
                let editor = Editor::load(&*store, &id).await?;
                let (a, b) = (editor.cell("a")?, editor.cell("b")?);
                ensure!(a.code == b.code, "one cell of a group is at {:?}, the other at {:?}", a.code, b.code);
                let printed = if &*a.code == "0" { "" } else { &*a.code };
                ensure!(a.results.stdout == printed, "{:?} is shown with results {:?}", a.code, a.results.stdout);
                ensure!(b.results.stdout == printed, "{:?} is shown with results {:?}", b.code, b.results.stdout);
            }
            Ok::<_, Failure>(())
        }));
    }
    let written = write_groups(&*store, &id).await;
    done.store(true, Ordering::Release);
    for reader in readers {
        reader.await??;
    }
    written
}

async fn write_groups(store: &dyn NotebookStore, id: &NotebookId) -> Result<(), Failure> {
    let mut editor = Editor::load(store, id).await?;
    for number in 1..=40 {
        let base = editor.notebook().base();
        let code = number.to_string();
        let group = [
            editor.apply(&update("a", &code)?)?,
            editor.apply(&results("a", printed(&code))?)?,
            editor.apply(&update("b", &code)?)?,
            editor.apply(&results("b", printed(&code))?)?,
        ];
        editor.commit(base, &group).await?;
    }
    Ok(())
}

/// A call whose future is dropped makes its change wholly or not at all, and the store goes on working.
///
/// # Errors
/// When the store does not conform.
pub async fn a_dropped_call_is_done_wholly_or_not_at_all<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let id = NotebookId::new("dropped")?;
    store.create(&with_cells("dropped", &[("a", "0"), ("b", "0")])?, None).await?;
    for round in 1..=20 {
        let mut editor = Editor::load(&*store, &id).await?;
        let before = editor.notebook().clone();
        let code = format!("dropped in round {round}");
        let group = [
            editor.apply(&update("a", &code)?)?,
            editor.apply(&update("b", &code)?)?,
            editor.apply(&results("a", printed(&code))?)?,
        ];
        let commit =
            Commit { id: new_commit(), base: before.base(), changes: &group, after: editor.notebook(), records: &[] };
        drop_after(round % 5, store.commit(commit)).await;

        // The change may still come, but only wholly; a commit on top of what is there then succeeds.
        let after = editor.notebook().clone();
        let mut done = false;
        for _ in 0..10 {
            let now = load(&*store, &id).await?.notebook;
            same_notebook(if now.revision == before.revision { &before } else { &after }, &now)?;
            let mut editor = Editor::of(&*store, now);
            let base = editor.notebook().base();
            let change = editor.apply(&update("b", &format!("kept in round {round}"))?)?;
            let code = editor.cell("a")?.code.clone();
            match editor.commit(base, &[change]).await {
                Ok(_) => {
                    let loaded = Editor::load(&*store, &id).await?;
                    same("the other cell's code", &code, &loaded.cell("a")?.code)?;
                    done = true;
                    break;
                }
                Err(error) if is_mismatch(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        ensure!(done, "after a dropped call no commit succeeds");
    }
    Ok(())
}

/// Lets a future run for so many of its steps, then drops it.
async fn drop_after<T>(steps: usize, future: impl Future<Output = T>) {
    let mut future = pin!(future);
    for _ in 0..steps {
        let done = poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await;
        if done {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Concurrent work on many notebooks has the result of the same work on each alone.
///
/// # Errors
/// When the store does not conform.
pub async fn notebooks_do_not_disturb_each_other<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut calls = Vec::new();
    for number in 0..16 {
        let store = Arc::clone(&store);
        calls.push(tokio::spawn(async move {
            let mut editor = Editor::create(&*store, with_cells(&format!("n{number}"), &[("a", "0")])?).await?;
            for step in 0..8 {
                editor.edit(&update("a", &format!("{number}.{step}"))?).await?;
                editor.edit(&results("a", printed(&format!("{number}.{step}")))?).await?;
                editor.edit(&insert(&format!("c{step}"), "", Place::Start)?).await?;
            }
            if number % 4 == 3 {
                store.delete_current(&editor.notebook().id, None).await?;
                return Ok(None);
            }
            Ok::<_, Failure>(Some(editor.notebook().clone()))
        }));
    }
    for call in calls {
        if let Some(expected) = call.await?? {
            is_stored(&*store, &expected).await?;
        }
    }
    Ok(())
}

/// A store that works reports itself as healthy.
///
/// # Errors
/// When the store does not conform.
pub async fn a_healthy_store_says_so<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let before = store.health().await;
    ensure!(before.reads && before.writes, "a fresh store is not healthy: {before:?}");
    store.create(&empty("healthy")?, None).await?;
    let _events = store.subscribe();
    same("the health", &before, &store.health().await)
}
