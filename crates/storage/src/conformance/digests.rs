//! Digests and versions of stored notebooks.

use quire_domain::{Life, Notebook, NotebookId, Place, Revision};
use uuid::Uuid;

use super::check::{Editor, load, same};
use super::samples::{full, insert, printed, results, update, with_cells};
use super::{Failure, StoreBuilder, ensure};
use crate::{NotebookStore, StoredDigest, StoredVersion, Version};

async fn digested(store: &dyn NotebookStore, expected: &Notebook) -> Result<StoredDigest, Failure> {
    let mut found = store.digests(std::slice::from_ref(&expected.id)).await?;
    let found = found.pop().ok_or_else(|| Failure::new(format!("there is no digest of {:?}", expected.id)))?;
    same("the id", &expected.id, &found.id)?;
    same("the life", &expected.life, &found.life)?;
    same("the owner", &expected.owner, &found.owner)?;
    same("the revision", &expected.revision, &found.revision)?;
    same("the version", &load(store, &expected.id).await?.version, &found.version)?;
    same("whether it has a connection string", &expected.connection.is_some(), &found.has_connection)?;
    same("the digest", &expected.content_digest(), &found.digest)?;
    Ok(found)
}

/// A notebook's version is the one it is loaded with, after edits, results and a new life.
///
/// # Errors
/// When the store does not conform.
pub async fn versions_tell_what_is_stored<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, mut guard) = builder.build().await?;
    let mut editor = Editor::create(&*store, full("versioned")?).await?;
    let mut versions = vec![versioned(&*store, editor.notebook()).await?];
    for edit in [update("numbers", "x = 5")?, results("numbers", printed("5"))?] {
        editor.edit(&edit).await?;
        versions.push(versioned(&*store, editor.notebook()).await?);
    }
    let mut again = full("versioned")?;
    again.life = Life::new(Uuid::from_u128(2));
    store.replace(editor.notebook().base(), &again).await?;
    versions.push(versioned(&*store, &again).await?);
    ensure!(versions.is_sorted_by(|earlier, later| earlier < later), "versions do not grow: {versions:?}");
    let other = with_cells("other", &[("a", "x = 1")])?;
    store.create(&other, None).await?;
    let store = builder.reopen(store, &mut guard).await?;
    versioned(&*store, &again).await?;
    let ids = [again.id.clone(), NotebookId::new("nowhere")?, other.id.clone()];
    let mut found: Vec<_> = store.versions(&ids).await?.into_iter().map(|one| one.id).collect();
    found.sort();
    let mut fresh: Vec<_> = store.fresh_versions(&ids).await?.into_iter().map(|one| one.id).collect();
    fresh.sort();
    same("the notebooks that have fresh versions", &found, &fresh)?;
    same("the notebooks that have versions", &vec![other.id.clone(), again.id.clone()], &found)
}

async fn versioned(store: &dyn NotebookStore, expected: &Notebook) -> Result<Version, Failure> {
    let found = store.versions(std::slice::from_ref(&expected.id)).await?;
    let version = load(store, &expected.id).await?.version;
    let expected = StoredVersion { id: expected.id.clone(), life: expected.life, revision: expected.revision, version };
    same("the fresh versions", &found, &store.fresh_versions(std::slice::from_ref(&expected.id)).await?)?;
    same("the versions", &vec![expected], &found)?;
    Ok(version)
}

/// A notebook's digest is that of its content, after edits, results and a replacement.
///
/// # Errors
/// When the store does not conform.
pub async fn digests_tell_what_is_stored<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, mut guard) = builder.build().await?;
    ensure!(store.digests(&[NotebookId::new("nowhere")?]).await?.is_empty(), "a missing notebook has a digest");
    let other = with_cells("other", &[("a", "x = 1")])?;
    store.create(&other, None).await?;
    let mut editor = Editor::create(&*store, full("digested")?).await?;
    digested(&*store, editor.notebook()).await?;
    for edit in [update("numbers", "x = 5")?, results("numbers", printed("5"))?, insert("last", "", Place::End)?] {
        editor.edit(&edit).await?;
        digested(&*store, editor.notebook()).await?;
    }
    let mut replaced = full("digested")?;
    replaced.revision = Revision(1_000);
    store.replace(editor.notebook().base(), &replaced).await?;
    digested(&*store, &replaced).await?;
    let ids = [replaced.id.clone(), NotebookId::new("nowhere")?, other.id.clone()];
    let mut found: Vec<_> = store.digests(&ids).await?.into_iter().map(|one| one.id).collect();
    found.sort();
    same("the notebooks that have digests", &vec![replaced.id.clone(), other.id.clone()], &found)?;
    let store = builder.reopen(store, &mut guard).await?;
    digested(&*store, &replaced).await?;
    digested(&*store, &other).await?;
    Ok(())
}
