//! Commits of results.

use std::sync::Arc;

use quire_domain::{CellId, CellStatus, Edit, Place, Results, Timestamp};

use super::check::{Editor, is_stored, load, new_commit, same, same_results};
use super::samples::{insert, output, printed, results, update, with_cells};
use super::{Failure, StoreBuilder, ensure};

/// Results are stored, replaced and removed without a new revision, but with a new version.
///
/// # Errors
/// When the store does not conform.
pub async fn results_are_stored_without_a_revision<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut editor = Editor::create(&*store, with_cells("results", &[("a", "1"), ("b", "2")])?).await?;
    let base = editor.notebook().base();
    let mut version = load(&*store, &editor.notebook().id).await?.version;
    let many = (0..20).map(|number| output("text/plain", &format!("\"{number}\""), "{}")).collect::<Result<_, _>>()?;
    let all = [
        Results { status: CellStatus::Success, outputs: many, ..Results::default() },
        Results { status: CellStatus::Error, error: Some("ValueError: no".into()), ..Results::default() },
        Results { status: CellStatus::Blocked, ..Results::default() },
        Results { status: CellStatus::Success, code_digest: Some("ab".repeat(32)), ..Results::default() },
        Results {
            status: CellStatus::Running,
            run_digest: Some("0f".repeat(16).parse()?),
            started_at: Some(Timestamp::UNIX_EPOCH),
            ..Results::default()
        },
        Results { finished_at: Some(Timestamp::UNIX_EPOCH), ..Results::default() },
        Results { stdout: "printed, then interrupted".into(), ..Results::default() },
        Results::default(),
        Results { status: CellStatus::Success, outputs: vec![output("text/plain", "1", "{}")?], ..Results::default() },
    ];
    for one in all {
        let now = editor.edit(&results("a", Arc::new(one))?).await?;
        is_stored(&*store, editor.notebook()).await?;
        ensure!(now > version, "results took no new version");
        version = now;
    }
    same("the base", &base, &load(&*store, &editor.notebook().id).await?.notebook.base())
}

/// A commit of results does not make the base of an edit stale, and the edit does not undo the results.
///
/// # Errors
/// When the store does not conform.
pub async fn results_and_edits_on_one_base_both_succeed<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut author = Editor::create(&*store, with_cells("both", &[("a", "x = 1"), ("b", "x")])?).await?;
    let mut kernel = Editor::load(&*store, &author.notebook().id).await?;
    kernel.edit(&results("a", printed("from the kernel"))?).await?;
    let last = kernel.edit(&results("b", printed("too"))?).await?;
    // The author does not know of the results, which the version that it changes tells.
    let (base, change) = (author.notebook().base(), author.apply(&update("a", "x = 2")?)?);
    let (commit, changes) = (new_commit(), [change]);
    let committed = author.commit_as(commit, base, &changes).await?;
    same("the version that was changed", &Some(last), &committed.previous)?;
    same("the same commit again", &committed, &author.commit_as(commit, base, &changes).await?)?;
    author.edit(&insert("c", "y", Place::Start)?).await?;
    let loaded = Editor::load(&*store, &author.notebook().id).await?;
    same("the code", &Arc::from("x = 2"), &loaded.cell("a")?.code)?;
    same_results("results of the edited cell", &printed("from the kernel"), &loaded.cell("a")?.results)?;
    same_results("results of the other cell", &printed("too"), &loaded.cell("b")?.results)?;
    // Nor when deleting a cell and making it anew.
    author.edit(&Edit::DeleteCell { id: CellId::new("b")? }).await?;
    author.edit(&insert("b", "new", Place::End)?).await?;
    let loaded = Editor::load(&*store, &author.notebook().id).await?;
    same_results("results of a cell made anew", &Results::default(), &loaded.cell("b")?.results)
}

/// One commit holds edits and results, of one cell or of several.
///
/// # Errors
/// When the store does not conform.
pub async fn results_and_edits_in_one_group_are_stored<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut editor = Editor::create(&*store, with_cells("mixed", &[("a", "x = 1"), ("b", "x")])?).await?;
    let base = editor.notebook().base();
    let group = [
        editor.apply(&results("a", printed("old"))?)?,
        editor.apply(&update("a", "x = 2")?)?,
        editor.apply(&insert("c", "x", Place::End)?)?,
        editor.apply(&results("c", printed("c"))?)?,
        editor.apply(&results("a", printed("new"))?)?,
        editor.apply(&results("b", printed("b"))?)?,
        editor.apply(&Edit::DeleteCell { id: CellId::new("b")? })?,
    ];
    editor.commit(base, &group).await?;
    is_stored(&*store, editor.notebook()).await?;

    let base = editor.notebook().base();
    let group = [editor.apply(&results("a", printed("1"))?)?, editor.apply(&results("c", printed("2"))?)?];
    editor.commit(base, &group).await?;
    is_stored(&*store, editor.notebook()).await
}

/// A cell keeps its results when its code or place changes, and loses them with its type.
///
/// # Errors
/// When the store does not conform.
pub async fn edits_keep_results<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut editor = Editor::create(&*store, with_cells("kept", &[("a", "1"), ("b", "2"), ("c", "3")])?).await?;
    for id in ["a", "b", "c"] {
        editor.edit(&results(id, printed(id))?).await?;
    }
    editor.edit(&update("a", "1 + 1")?).await?;
    editor.edit(&Edit::MoveCell { id: CellId::new("b")?, place: Place::Start }).await?;
    is_stored(&*store, editor.notebook()).await?;
    same_results("results of an edited cell", &printed("a"), &editor.cell("a")?.results)?;
    editor.edit(&Edit::SetCellType { id: CellId::new("c")?, cell_type: quire_domain::CellType::Sql }).await?;
    is_stored(&*store, editor.notebook()).await?;
    same_results("results of a cell of another type", &Results::default(), &editor.cell("c")?.results)
}

/// A new cell with a deleted cell's id has none of its results.
///
/// # Errors
/// When the store does not conform.
pub async fn a_deleted_cell_takes_its_results_along<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut editor = Editor::create(&*store, with_cells("deleted", &[("a", "1"), ("b", "2")])?).await?;
    editor.edit(&results("a", printed("a"))?).await?;
    editor.edit(&results("b", printed("b"))?).await?;
    editor.edit(&Edit::DeleteCell { id: CellId::new("a")? }).await?;
    is_stored(&*store, editor.notebook()).await?;
    editor.edit(&insert("a", "1", Place::End)?).await?;
    is_stored(&*store, editor.notebook()).await
}
