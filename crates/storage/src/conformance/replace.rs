//! Replacing notebooks.

use quire_domain::{Base, NotebookId, Place, Revision, UserId};

use super::check::{Editor, is_mismatch, is_not_found, is_stored, load, refused, same};
use super::random::Random;
use super::samples::{empty, full, insert, printed, results, sealed, update, with_cells};
use super::{Failure, StoreBuilder, ensure};
use crate::{ListFilter, PageRequest};

/// Replacing puts every field of the new notebook in the place of the old ones and leaves nothing of those; editing goes
/// on from there.
///
/// # Errors
/// When the store does not conform.
pub async fn a_notebook_is_replaced_as_a_whole<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let first = full("whole")?;
    let mut version = store.create(&first, None).await?.version;
    let mut others = vec![empty("whole")?, full("whole")?, with_cells("whole", &[("query", "x = 1"), ("new", "x")])?];
    for seed in 100..110 {
        others.push(Random::new(seed).notebook("whole")?);
    }
    let mut base = first.base();
    for (index, mut other) in others.into_iter().enumerate() {
        other.revision = Revision(base.revision.0 + 1);
        other.connection = if index % 2 == 0 { None } else { sealed(&format!("k.{index}"))? };
        other.owner = UserId::new(format!("owner{}", index % 3))?;
        let now = store.replace(base, &other).await?.version;
        is_stored(&*store, &other).await?;
        same("the version", &now, &load(&*store, &other.id).await?.version)?;
        ensure!(now > version, "a replacement took no later version");
        (version, base) = (now, other.base());
        let page = store.list(&ListFilter::of(other.owner.clone()), &PageRequest::default()).await?;
        ensure!(page.notebooks.len() == 1, "its owner does not find a replaced notebook");
        let before = store.list(&ListFilter::of(UserId::new("user_37é/\\\"x")?), &PageRequest::default()).await?;
        ensure!(before.notebooks.is_empty(), "the owner before finds a notebook that is not his any more");
    }
    let mut editor = Editor::load(&*store, &NotebookId::new("whole")?).await?;
    editor.edit(&insert("edited", "after = 1", Place::Start)?).await?;
    editor.edit(&results("edited", printed("1"))?).await?;
    let loaded = Editor::load(&*store, &editor.notebook().id).await?;
    same("the code", &editor.cell("edited")?.code, &loaded.cell("edited")?.code)
}

/// A notebook is replaced only at the base that the caller names, and a missing one not at all; what is refused
/// changes nothing.
///
/// # Errors
/// When the store does not conform.
pub async fn replacing_compares_the_revision<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut editor = Editor::create(&*store, with_cells("guarded", &[("a", "x = 1")])?).await?;
    let base = editor.notebook().base();
    let version = editor.edit(&update("a", "x = 2")?).await?;
    let mut other = with_cells("guarded", &[("b", "y = 1")])?;
    other.revision = Revision(9);
    refused("replacing an older revision", store.replace(base, &other).await, is_mismatch)?;
    let later = Base { revision: Revision(5), ..editor.notebook().base() };
    refused("replacing a later revision", store.replace(later, &other).await, is_mismatch)?;
    let other_life = Base { life: other.life, ..editor.notebook().base() };
    refused("replacing another life", store.replace(other_life, &other).await, is_mismatch)?;
    is_stored(&*store, editor.notebook()).await?;
    same("the version", &version, &load(&*store, &other.id).await?.version)?;
    let mut missing = empty("missing")?;
    missing.revision = Revision(1);
    refused("replacing a missing notebook", store.replace(empty("missing")?.base(), &missing).await, is_not_found)?;
    ensure!(store.load(&missing.id).await?.is_none(), "a refused replacement made a notebook");
    Ok(())
}
