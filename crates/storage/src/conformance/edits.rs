//! Commits of edits.

use quire_domain::{CellId, CellType, Edit, Notebook, OrderKey, Place, Revision};

use super::check::{Editor, is_mismatch, is_stored, load, new_commit, refused, same, same_notebook};
use super::samples::{empty, full, insert, printed, results, sealed, update, with_cells};
use super::{Failure, StoreBuilder, ensure};

/// Each kind of edit is stored, with all that it changes and nothing else.
///
/// # Errors
/// When the store does not conform.
pub async fn every_kind_of_edit_is_stored<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut editor = Editor::create(&*store, full("edited")?).await?;
    let id = |id: &str| CellId::new(id);
    let edits = [
        insert("first", "a = 0", Place::Start)?,
        insert("last", "z = 9", Place::End)?,
        insert("between", "m = 5", Place::After(id("numbers")?))?,
        update("numbers", "x = 10\n")?,
        update("numbers", "")?,
        update("between", "def broken(:")?,
        Edit::SetCellType { id: id("between")?, cell_type: CellType::Sql },
        Edit::SetCellType { id: id("query")?, cell_type: CellType::Python },
        Edit::MoveCell { id: id("last")?, place: Place::Start },
        Edit::MoveCell { id: id("first")?, place: Place::End },
        Edit::MoveCell { id: id("query")?, place: Place::After(id("blocked")?) },
        Edit::DeleteCell { id: id("blocked")? },
        Edit::Rename { name: "  another name ".into() },
        Edit::Rename { name: " ".into() },
        Edit::SetConnection { connection: sealed("k1.ZWxzZXdoZXJl")? },
        Edit::SetConnection { connection: None },
        Edit::SetReactive { reactive: true },
        Edit::SetReactive { reactive: false },
        results("numbers", printed("10"))?,
        results("numbers", std::sync::Arc::default())?,
        Edit::DeleteCell { id: id("numbers")? },
        Edit::DeleteCell { id: id("query")? },
        Edit::DeleteCell { id: id("between")? },
        Edit::DeleteCell { id: id("first")? },
        Edit::DeleteCell { id: id("last")? },
        Edit::DeleteCell { id: id("empty")? },
        insert("afresh", "1", Place::End)?,
    ];
    for edit in &edits {
        let version = editor.edit(edit).await?;
        let loaded = load(&*store, &editor.notebook().id).await?;
        let compared = same_notebook(editor.notebook(), &loaded.notebook);
        compared.map_err(|failure| Failure::new(format!("after {edit:?}: {failure}")))?;
        same("the version", &version, &loaded.version)?;
    }
    Ok(())
}

/// Cells are loaded in the order that inserts and moves have given them.
///
/// # Errors
/// When the store does not conform.
pub async fn cells_stay_in_order<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut editor = Editor::create(&*store, empty("ordered")?).await?;
    for number in 0..40 {
        // Ids whose own order is neither that of insertion nor that of the document.
        let id = format!("{}", (number * 17) % 40);
        let place = match number % 4 {
            0 => Place::Start,
            1 => Place::End,
            _ => Place::After(middle(editor.notebook(), number)?),
        };
        editor.edit(&insert(&id, "", place)?).await?;
    }
    is_stored(&*store, editor.notebook()).await?;
    for number in 0..40 {
        let place = if number % 5 == 0 { Place::Start } else { Place::After(middle(editor.notebook(), number * 7)?) };
        let id = CellId::new(format!("{}", (number * 11) % 40))?;
        if place != Place::After(id.clone()) {
            let base = editor.notebook().base();
            let at = editor.notebook().updated_at;
            // Where the cell already is there, there is nothing to store.
            if let Some(change) = editor.open.apply(&Edit::MoveCell { id, place }, None, at)? {
                editor.commit(base, &[change.into()]).await?;
            }
        }
    }
    is_stored(&*store, editor.notebook()).await
}

fn middle(notebook: &Notebook, number: usize) -> Result<CellId, Failure> {
    let cell = notebook.cells.get(number % notebook.cells.len());
    Ok(cell.ok_or_else(|| Failure::new("no cells"))?.id.clone())
}

/// Cells with one order key are ordered by id, and an insert between them, which changes several, is stored.
///
/// # Errors
/// When the store does not conform.
pub async fn cells_with_equal_keys_can_be_told_apart<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut notebook = with_cells("equal", &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")])?;
    let cells = notebook.cells.iter().map(|cell| quire_domain::Cell { order: OrderKey::at(0), ..(**cell).clone() });
    notebook.cells = cells.collect();
    let mut editor = Editor::create(&*store, notebook).await?;
    is_stored(&*store, editor.notebook()).await?;
    editor.edit(&insert("new", "", Place::After(CellId::new("b")?))?).await?;
    let order: Vec<_> = editor.notebook().cells.iter().map(|cell| cell.id.to_string()).collect();
    same("the order", &order, &["a", "b", "new", "c", "d"].map(str::to_owned).to_vec())?;
    is_stored(&*store, editor.notebook()).await
}

/// The changes of one commit are stored together, each on top of the one before.
///
/// # Errors
/// When the store does not conform.
pub async fn a_group_is_stored_as_a_whole<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut editor = Editor::create(&*store, with_cells("group", &[("a", "x = 1"), ("b", "x")])?).await?;
    let base = editor.notebook().base();
    let group = [
        editor.apply(&update("a", "x = 2")?)?,
        editor.apply(&insert("c", "x + 1", Place::After(CellId::new("a")?))?)?,
        editor.apply(&update("c", "x + 2")?)?,
        editor.apply(&Edit::MoveCell { id: CellId::new("a")?, place: Place::End })?,
        editor.apply(&Edit::Rename { name: "grouped".into() })?,
        editor.apply(&Edit::DeleteCell { id: CellId::new("b")? })?,
        editor.apply(&insert("b", "again", Place::Start)?)?,
        editor.apply(&update("a", "x = 3")?)?,
    ];
    editor.commit(base, &group).await?;
    is_stored(&*store, editor.notebook()).await?;
    same("the revision", &Revision(8), &load(&*store, &editor.notebook().id).await?.notebook.revision)
}

/// A commit on a revision that is not the stored one, older or newer, is refused and changes nothing.
///
/// # Errors
/// When the store does not conform.
pub async fn a_stale_base_is_refused<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut first = Editor::create(&*store, with_cells("stale", &[("a", "x = 1"), ("b", "x")])?).await?;
    let mut second = Editor::load(&*store, &first.notebook().id).await?;
    let base = first.notebook().base();
    let version = first.edit(&update("a", "x = 2")?).await?;

    let change = second.apply(&update("b", "x + 1")?)?;
    let group = [change, second.apply(&Edit::Rename { name: "late".into() })?];
    refused("committing on an old revision", second.commit(base, &group).await, is_mismatch)?;
    let late = second.apply(&results("b", printed("late"))?)?;
    refused("committing results on an old revision", second.commit(base, &[late]).await, is_mismatch)?;
    let mut third = Editor::load(&*store, &first.notebook().id).await?;
    third.apply(&update("b", "skipped")?)?;
    let ahead = third.notebook().base();
    let change = third.apply(&update("b", "ahead")?)?;
    refused("committing on a revision that is not there yet", third.commit(ahead, &[change]).await, is_mismatch)?;

    is_stored(&*store, first.notebook()).await?;
    same("the version", &version, &load(&*store, &first.notebook().id).await?.version)
}

/// Repeating a commit with the same id, right after it, succeeds with the same version and changes nothing.
///
/// # Errors
/// When the store does not conform.
pub async fn a_repeated_commit_changes_nothing<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut editor = Editor::create(&*store, with_cells("repeated", &[("a", "x = 1")])?).await?;
    for edit in [update("a", "x = 2")?, insert("b", "x", Place::End)?, results("a", printed("2"))?] {
        let (id, base) = (new_commit(), editor.notebook().base());
        let change = editor.apply(&edit)?;
        let version = editor.commit_as(id, base, std::slice::from_ref(&change)).await?.version;
        let again = editor.commit_as(id, base, &[change]).await?.version;
        same("the version of a repeated commit", &version, &again)?;
        same("the version", &version, &load(&*store, &editor.notebook().id).await?.version)?;
        is_stored(&*store, editor.notebook()).await?;
    }
    Ok(())
}

/// Every commit, of edits or of results, of any notebook, takes a version above all earlier ones.
///
/// # Errors
/// When the store does not conform.
pub async fn versions_rise_with_every_commit<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let (one, two) = (with_cells("v1", &[("a", "")])?, with_cells("v2", &[("a", "")])?);
    let mut versions = vec![store.create(&one, None).await?.version, store.create(&two, None).await?.version];
    let mut one = Editor::load(&*store, &one.id).await?;
    let mut two = Editor::load(&*store, &two.id).await?;
    for number in 0..3 {
        versions.push(one.edit(&update("a", &format!("{number}"))?).await?);
        versions.push(two.edit(&results("a", printed(&format!("{number}")))?).await?);
        versions.push(one.edit(&Edit::Rename { name: format!("name {number}") }).await?);
        versions.push(two.edit(&update("a", &format!("{number}"))?).await?);
    }
    ensure!(versions.is_sorted_by(|a, b| a < b), "versions do not rise: {versions:?}");
    let last = load(&*store, &two.notebook().id).await?.version;
    same("the version that is loaded", &versions.last().copied(), &Some(last))
}
