//! Notebooks that are made again under their id, and deletions of what was changed meanwhile.

use super::check::{Editor, is_mismatch, is_stored, refused};
use super::samples::{printed, results, update, with_cells};
use super::{Failure, StoreBuilder};
use crate::{Delete, NotebookStoreExt as _};

/// Whoever knows a deleted notebook can neither change nor replace nor delete the one that was made again under its id,
/// although the revision is the same.
///
/// # Errors
/// When the store does not conform.
pub async fn a_notebook_made_again_is_another_one<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, mut guard) = builder.build().await?;
    let mut first = Editor::create(&*store, with_cells("again", &[("a", "x = 1")])?).await?;
    first.edit(&update("a", "x = 2")?).await?;
    store.delete_current(&first.notebook().id, None).await?;
    let mut second = Editor::create(&*store, with_cells("again", &[("a", "y = 1")])?).await?;
    second.edit(&update("a", "y = 2")?).await?;
    let (id, gone) = (first.notebook().id.clone(), first.notebook().base());
    let (first, second) = (first.notebook().clone(), second.notebook().clone());
    let store = builder.reopen(store, &mut guard).await?;
    let mut first = Editor::of(&*store, first);
    let change = first.apply(&update("a", "x = 3")?)?;
    refused("committing to the first life", first.commit(gone, &[change]).await, is_mismatch)?;
    let change = first.apply(&results("a", printed("3"))?)?;
    refused("committing results to the first life", first.commit(gone, &[change]).await, is_mismatch)?;
    refused("replacing the first life", store.replace(gone, first.notebook()).await, is_mismatch)?;
    refused("deleting the first life", store.delete(Delete { id: &id, base: gone, record: None }).await, is_mismatch)?;
    is_stored(&*store, &second).await?;
    Ok(store.delete(Delete { id: &id, base: second.base(), record: None }).await?)
}

/// An edit between the look and the deletion saves the notebook; results do not, for they are no edit.
///
/// # Errors
/// When the store does not conform.
pub async fn deleting_compares_the_base<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut editor = Editor::create(&*store, with_cells("kept", &[("a", "x = 1")])?).await?;
    let (id, seen) = (editor.notebook().id.clone(), editor.notebook().base());
    editor.edit(&update("a", "x = 2")?).await?;
    refused(
        "deleting what was edited since",
        store.delete(Delete { id: &id, base: seen, record: None }).await,
        is_mismatch,
    )?;
    is_stored(&*store, editor.notebook()).await?;
    let seen = editor.notebook().base();
    editor.edit(&results("a", printed("2"))?).await?;
    Ok(store.delete(Delete { id: &id, base: seen, record: None }).await?)
}
