//! Usage of an owner.

use quire_domain::UserId;

use super::check::{Editor, same};
use super::samples::{empty, extra, insert, output, results, with_cells};
use super::{Failure, StoreBuilder, ensure};
use crate::{NotebookStore, NotebookStoreExt as _, Usage};

/// Makes a text that compression of repetitions does not shorten.
fn incompressible(chars: usize) -> String {
    let mut state: u32 = 1;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'!' + u8::try_from((state >> 24) % 90).unwrap_or_default())
    };
    (0..chars).map(next).filter(|c| *c != '"' && *c != '\\').collect()
}

/// Usage counts the owner's notebooks, code and results, as they come and go, and those of no other owner.
///
/// # Errors
/// When the store does not conform.
pub async fn usage_tells_what_an_owner_keeps<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    const LONG: usize = 100_000;
    let (store, mut guard) = builder.build().await?;
    let of = async |store: &dyn NotebookStore, owner: &str| Ok::<_, Failure>(store.usage(&UserId::new(owner)?).await?);
    same("what nobody keeps", &Usage::default(), &of(&*store, "ann").await?)?;
    let mut other = empty("other")?;
    other.owner = UserId::new("bob")?;
    store.create(&other, None).await?;
    let bobs = of(&*store, "bob").await?;
    same("what a user with nothing keeps", &Usage::default(), &of(&*store, "ann").await?)?;

    let mut editor = Editor::create(&*store, with_cells("own", &[("a", "1")])?).await?;
    let small = of(&*store, "ann").await?;
    same("the number of notebooks", &1, &small.notebooks)?;
    let text = incompressible(LONG);
    let is_long = |more: u64| more >= LONG as u64 / 2 && more <= 3 * LONG as u64;
    editor.edit(&insert("b", &format!("# {text}"), quire_domain::Place::End)?).await?;
    let with_code = of(&*store, "ann").await?;
    let more = with_code.bytes.saturating_sub(small.bytes);
    ensure!(is_long(more), "{LONG} characters of code count as {more} bytes");
    let found = quire_domain::Results {
        outputs: vec![output("text/plain", &format!("\"{text}\""), "{}")?],
        ..quire_domain::Results::default()
    };
    editor.edit(&results("b", std::sync::Arc::new(found))?).await?;
    let with_results = of(&*store, "ann").await?;
    let more = with_results.bytes.saturating_sub(with_code.bytes);
    ensure!(is_long(more), "{LONG} characters of output count as {more} bytes");

    let mut imported = with_cells("imported", &[("a", "1")])?;
    imported.extra = extra(&[("unknown", &format!("\"{text}\""))])?;
    store.create(&imported, None).await?;
    let with_extra = of(&*store, "ann").await?;
    let more = with_extra.bytes.saturating_sub(with_results.bytes);
    ensure!(is_long(more), "{LONG} characters of unknown fields count as {more} bytes");
    store.delete_current(&imported.id, None).await?;

    let store = builder.reopen(store, &mut guard).await?;
    same("what is kept after reopening", &with_results, &of(&*store, "ann").await?)?;
    store.delete_current(&quire_domain::NotebookId::new("own")?, None).await?;
    same("what is kept after deleting", &Usage::default(), &of(&*store, "ann").await?)?;
    same("what another user keeps", &bobs, &of(&*store, "bob").await?)
}
