//! Creation and deletion.

use std::sync::Arc;

use quire_domain::{Edit, NotebookId, Revision, UserId};

use super::check::{Editor, exists, is_not_found, is_stored, load, refused, same};
use super::samples::{full, insert, printed, results, update, with_cells};
use super::{Failure, StoreBuilder, ensure};
use crate::{Delete, ListFilter, NotebookStoreExt as _, PageRequest};

/// A missing notebook loads as `None`; changing or deleting it is refused.
///
/// # Errors
/// When the store does not conform.
pub async fn missing_notebooks_are_reported<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let id = NotebookId::new("nowhere")?;
    ensure!(store.load(&id).await?.is_none(), "a notebook that was never stored was loaded");
    let nothing = with_cells("nowhere", &[])?.base();
    refused(
        "deleting a missing notebook",
        store.delete(Delete { id: &id, base: nothing, record: None }).await,
        is_not_found,
    )?;
    let mut editor = Editor::create(&*store, with_cells("nowhere", &[("a", "")])?).await?;
    store.delete_current(&id, None).await?;
    let base = editor.notebook().base();
    let change = editor.apply(&update("a", "x")?)?;
    refused("committing to a missing notebook", editor.commit(base, &[change]).await, is_not_found)?;
    let change = editor.apply(&results("a", printed("x"))?)?;
    refused("committing results to a missing notebook", editor.commit(base, &[change]).await, is_not_found)?;
    ensure!(store.load(&id).await?.is_none(), "a refused commit made a notebook");
    refused("deleting a deleted notebook", store.delete(Delete { id: &id, base, record: None }).await, is_not_found)
}

/// A notebook's owner is returned, also after a replacement by another owner's, and none for a missing notebook.
///
/// # Errors
/// When the store does not conform.
pub async fn the_owner_of_a_notebook_is_told<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, mut guard) = builder.build().await?;
    let notebook = full("owned")?;
    same("the owner of what is not there", &None, &store.owner(&notebook.id).await?)?;
    store.create(&notebook, None).await?;
    same("the owner", &Some(notebook.owner.clone()), &store.owner(&notebook.id).await?)?;
    let mut next = full("owned")?;
    (next.owner, next.revision) = (UserId::new("somebody else")?, Revision(1_000));
    store.replace(notebook.base(), &next).await?;
    let store = builder.reopen(store, &mut guard).await?;
    same("the owner after another notebook took its place", &Some(next.owner), &store.owner(&notebook.id).await?)?;
    store.delete_current(&notebook.id, None).await?;
    same("the owner of what was deleted", &None, &store.owner(&notebook.id).await?)
}

/// Creating a notebook whose id is taken is refused, whatever its owner, and changes nothing.
///
/// # Errors
/// When the store does not conform.
pub async fn an_existing_notebook_is_not_created_again<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let first = full("taken")?;
    let version = store.create(&first, None).await?.version;
    refused("creating the same notebook again", store.create(&first, None).await, exists)?;
    let mut other = with_cells("taken", &[("other", "y = 2")])?;
    other.owner = UserId::new("somebody else")?;
    refused("creating somebody else's notebook with a taken id", store.create(&other, None).await, exists)?;
    is_stored(&*store, &first).await?;
    same("the version", &version, &load(&*store, &first.id).await?.version)?;
    let listed = store.list(&ListFilter::of(other.owner), &PageRequest::default()).await?;
    ensure!(listed.notebooks.is_empty(), "a refused creation is listed");
    Ok(())
}

/// Of concurrent creations with one id, exactly one succeeds, and its notebook is the one that is stored.
///
/// # Errors
/// When the store does not conform.
pub async fn of_concurrent_creations_one_succeeds<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    for round in 0..8 {
        let mut calls = Vec::new();
        for author in 0..8 {
            let mut notebook = with_cells(&format!("contested{round}"), &[(&format!("by{author}"), "x = 1")])?;
            notebook.owner = UserId::new(format!("author{author}"))?;
            let store = Arc::clone(&store);
            calls.push(tokio::spawn(async move { store.create(&notebook, None).await.map(|_| notebook) }));
        }
        let mut winners = Vec::new();
        for call in calls {
            match call.await? {
                Ok(notebook) => winners.push(notebook),
                Err(error) => ensure!(exists(&error), "a creation at once with others failed: {error}"),
            }
        }
        ensure!(winners.len() == 1, "{} creations of one notebook succeeded", winners.len());
        for winner in &winners {
            is_stored(&*store, winner).await?;
        }
    }
    Ok(())
}

/// A deletion leaves no cells and no results to a later notebook with the same id.
///
/// # Errors
/// When the store does not conform.
pub async fn deleting_leaves_nothing<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let notebook = full("again")?;
    store.create(&notebook, None).await?;
    store.delete_current(&notebook.id, None).await?;
    ensure!(store.load(&notebook.id).await?.is_none(), "a deleted notebook was loaded");
    let listed = store.list(&ListFilter::of(notebook.owner.clone()), &PageRequest::default()).await?;
    ensure!(listed.notebooks.is_empty(), "a deleted notebook is listed");

    // Nor do the old cells' results or fields come back with their ids.
    let mut editor = Editor::create(&*store, with_cells("again", &[("numbers", "x = 1")])?).await?;
    is_stored(&*store, editor.notebook()).await?;
    editor.edit(&insert("query", "y", quire_domain::Place::End)?).await?;
    is_stored(&*store, editor.notebook()).await?;
    same("the revision of the new notebook", &Revision(1), &editor.notebook().revision)
}

/// One cell id in two notebooks names two cells.
///
/// # Errors
/// When the store does not conform.
pub async fn cells_belong_to_their_notebook<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut one = Editor::create(&*store, with_cells("one", &[("cell1", "a = 1"), ("cell2", "b = 1")])?).await?;
    let mut two = Editor::create(&*store, with_cells("two", &[("cell1", "a = 2"), ("cell2", "b = 2")])?).await?;
    one.edit(&update("cell1", "a = 11")?).await?;
    one.edit(&results("cell1", printed("11"))?).await?;
    two.edit(&results("cell2", printed("2"))?).await?;
    one.edit(&Edit::DeleteCell { id: quire_domain::CellId::new("cell2")? }).await?;
    is_stored(&*store, one.notebook()).await?;
    is_stored(&*store, two.notebook()).await?;
    store.delete_current(&one.notebook().id, None).await?;
    is_stored(&*store, two.notebook()).await
}
