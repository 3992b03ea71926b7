//! Notebooks are loaded exactly as they were stored.

use std::sync::Arc;

use quire_domain::{CellStatus, Edit, NotebookId, Place, Results, Revision, Timestamp, UserId, limits};

use super::check::{Editor, is_stored, load, same, same_notebook};
use super::random::Random;
use super::samples::{cell, empty, extra, full, insert, output, printed, results, sealed, update, with_cells};
use super::{Failure, StoreBuilder, ensure};
use crate::NotebookStoreExt as _;

/// A notebook none of whose fields has its default is loaded as it was stored.
///
/// # Errors
/// When the store does not conform.
pub async fn everything_in_a_notebook_is_kept<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let notebook = full("full")?;
    let version = store.create(&notebook, None).await?.version;
    let loaded = load(&*store, &notebook.id).await?;
    same_notebook(&notebook, &loaded.notebook)?;
    same("the version", &version, &loaded.version)
}

/// Ids are opaque: ids that look like paths or patterns, or that differ in case or Unicode form alone, name notebooks of their own.
///
/// # Errors
/// When the store does not conform.
pub async fn odd_ids_are_kept_apart<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let long = "x".repeat(limits::ID_CHARS);
    let wide = "😀".repeat(limits::ID_CHARS);
    let ids = [
        "demo-user_37U",
        "../x",
        "..",
        ".",
        "a/b",
        "/etc/passwd",
        "CON",
        "nul",
        ".hidden",
        ".quire",
        "A",
        "a",
        "Ä",
        "ä",
        "a\u{308}",
        "ab",
        "a_b",
        "a%b",
        "a%2Fb",
        "a\\b",
        "a b",
        " a",
        "a ",
        "a\nb",
        "=abc",
        "a.json",
        "-rf",
        "~",
        "$HOME",
        "'; DROP TABLE notebooks; --",
        "\u{FDD0}0",
        "\u{202E}x",
        "x.",
        &long,
        &wide,
    ];
    let mut stored = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        let mut notebook = with_cells(id, &[(*id, "x = 1")])?;
        notebook.revision = Revision(i64::try_from(index)?);
        store.create(&notebook, None).await?;
        stored.push(notebook);
    }
    for notebook in &stored {
        is_stored(&*store, notebook).await?;
        let mut editor = Editor::load(&*store, &notebook.id).await?;
        editor.edit(&update(notebook.id.as_str(), "x = 2")?).await?;
    }
    for (index, notebook) in stored.iter().enumerate() {
        ensure!(
            load(&*store, &notebook.id).await?.notebook.revision == notebook.revision.next().unwrap_or_default(),
            "an edit of another notebook came to {:?}",
            notebook.id
        );
        if index % 2 == 0 {
            store.delete_current(&notebook.id, None).await?;
        }
    }
    for (index, notebook) in stored.iter().enumerate() {
        let there = store.load(&notebook.id).await?.is_some();
        ensure!(there == (index % 2 == 1), "deleting others changed whether {:?} is there", notebook.id);
    }
    Ok(())
}

/// Code, names and printed text hold any character.
///
/// # Errors
/// When the store does not conform.
pub async fn odd_text_is_kept<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let texts = [
        "",
        " ",
        "\n",
        "\r\n",
        "\r",
        "\t\u{b}\u{c}",
        "a\0b",
        "\0",
        "\u{FDD0}",
        "\u{FDD0}0",
        "\u{FDD0}1\u{FDD0}\0",
        "\u{FEFF}x = 1",
        "\u{2028}\u{2029}\u{85}",
        "\u{10FFFF}\u{FFFF}\u{FFFE}",
        "e\u{301} \u{e9}",
        "😀 🇨🇭",
        "\\u0000 \\n \\",
        "\"'`${}{{}}%s",
        "\u{7f}\u{1b}[31m",
        "NaN",
        "null",
        "[1, 2",
        "{",
        "trailing\n\n\n",
        "   leading",
    ];
    let mut notebook = empty("texts")?;
    let mut cells = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let mut cell = cell(index, &format!("cell{index}"), text)?;
        let error = Some(format!("error {text}"));
        cell.results =
            Arc::new(Results { status: CellStatus::Error, stdout: (*text).into(), error, ..Results::default() });
        cells.push(cell);
    }
    notebook.cells = cells.into_iter().collect();
    let mut editor = Editor::create(&*store, notebook).await?;
    is_stored(&*store, editor.notebook()).await?;
    for (index, text) in texts.iter().enumerate() {
        editor.edit(&update(&format!("cell{}", (index + 1) % texts.len()), text)?).await?;
        editor.edit(&results(&format!("cell{index}"), printed(&format!("{text}{text}")))?).await?;
        // Names hold no NUL.
        let name = text.replace('\0', "");
        if !name.trim().is_empty() {
            editor.edit(&Edit::Rename { name: format!("{name}{index}") }).await?;
        }
    }
    is_stored(&*store, editor.notebook()).await
}

/// The longest values that the limits allow are stored whole.
///
/// # Errors
/// When the store does not conform.
pub async fn values_at_the_limits_are_kept<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut notebook = empty(&"ä".repeat(limits::ID_CHARS))?;
    notebook.owner = UserId::new("€".repeat(limits::USER_ID_CHARS))?;
    notebook.name = Some(Arc::from("😀".repeat(limits::NAME_CHARS)));
    notebook.connection = sealed(&"x".repeat(limits::SEALED_CONNECTION_CHARS - 3))?;
    notebook.revision = Revision::MAX;
    let mut large = cell(0, &"ö".repeat(limits::ID_CHARS), &"\0".repeat(limits::CELL_SOURCE_BYTES))?;
    let deep = format!("{}{}", "[".repeat(limits::JSON_DEPTH), "]".repeat(limits::JSON_DEPTH));
    let long = format!("\"{}\"", "x".repeat(limits::OUTPUTS_BYTES - 2 * limits::JSON_DEPTH - 6));
    large.results = Arc::new(Results {
        status: CellStatus::Success,
        stdout: "é".repeat(limits::STDOUT_BYTES / 2),
        outputs: vec![output(&"m".repeat(limits::MIME_TYPE_CHARS), &deep, "{}")?, output("text/plain", &long, "{}")?],
        ..Results::default()
    });
    large.results.check()?;
    notebook.cells = [large].into_iter().collect();
    store.create(&notebook, None).await?;
    is_stored(&*store, &notebook).await
}

/// Output data and metadata are JSON texts, and are loaded as the same text.
///
/// # Errors
/// When the store does not conform.
pub async fn output_data_is_kept_as_text<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let data = [
        "null",
        "true",
        "0",
        "-0",
        "-0.0",
        "1e2",
        "1E+2",
        "1.0",
        "1.10",
        "0.1e-7",
        "123456789012345678901234567890",
        "3.141592653589793238462643383279",
        "1e999",
        r#""""#,
        r#""\u0000""#,
        r#""a\u0000b""#,
        r#""\ud800""#,
        r#""\u00e9 é""#,
        "\"\u{FDD0}\u{FDD0}0\"",
        r#""\/ \" \\ \b""#,
        "[]",
        "{}",
        r#"{"b":1,"a":2,"b":3}"#,
        r#"{"": {"": []}}"#,
        "{\"spaced\" :\t[ 1 ,\n 2 ] }",
        r#"[1, "starts with a bracket"]"#,
        r#""[not a list]""#,
        r#""{\"a\": 1}""#,
        r#"{"type":"table","columns":["a","A"],"rows":[[null,1.50]],"truncated":"1,000 of 2,000"}"#,
    ];
    let mut cells = Vec::new();
    for (index, json) in data.iter().enumerate() {
        let mut cell = cell(index, &format!("cell{index}"), "1")?;
        let outputs = vec![
            output("application/json", json, r#"{"z":1e0,"a":{"k":"\u0000"},"a":-0}"#)?,
            output("application/json", json, "{}")?,
        ];
        cell.results = Arc::new(Results { status: CellStatus::Success, outputs, ..Results::default() });
        cells.push(cell);
    }
    let mut notebook = empty("outputs")?;
    notebook.cells = cells.into_iter().collect();
    store.create(&notebook, None).await?;
    is_stored(&*store, &notebook).await
}

/// Unknown fields survive creation and every edit, in their order, as the same text.
///
/// # Errors
/// When the store does not conform.
pub async fn unknown_fields_are_kept<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let fields = extra(&[
        ("zebra", r#"{"b":1,"a":[1e2,-0,1.0]}"#),
        ("apple", "123456789012345678901234567890"),
        ("übung", r#""é \u00e9 😀 \ud83d\ude00""#),
        ("a\"b\\c", "null"),
        ("metadata", r#"{"kernel":"python3"}"#),
    ])?;
    let mut notebook = with_cells("extra", &[("a", "x = 1"), ("b", "x")])?;
    notebook.extra = fields.clone();
    let cells = notebook.cells.iter().map(|cell| quire_domain::Cell { extra: fields.clone(), ..(**cell).clone() });
    notebook.cells = cells.collect();
    let mut editor = Editor::create(&*store, notebook).await?;
    is_stored(&*store, editor.notebook()).await?;
    editor.edit(&update("a", "x = 2")?).await?;
    editor.edit(&insert("c", "", Place::Start)?).await?;
    editor.edit(&Edit::Rename { name: "renamed".into() }).await?;
    editor.edit(&results("a", printed("2"))?).await?;
    is_stored(&*store, editor.notebook()).await?;
    let mut again = Editor::load(&*store, &editor.notebook().id).await?;
    again.edit(&update("b", "x + 1")?).await?;
    same_notebook(again.notebook(), &load(&*store, &again.notebook().id).await?.notebook)?;
    ensure!(again.cell("b")?.extra.iter().count() == 5, "unknown fields of a cell were lost on the way");
    Ok(())
}

/// Times are kept to the microsecond, long ago and far ahead.
///
/// # Errors
/// When the store does not conform.
pub async fn times_are_kept<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    for micros in [-2_208_988_800_000_001, -1, 0, 1, 1_709_209_845_999_999, 253_402_300_799_999_999] {
        let at = Timestamp::from_timestamp_micros(micros).ok_or_else(|| Failure::new("no such time"))?;
        let mut notebook = empty(&format!("t{micros}"))?;
        (notebook.created_at, notebook.updated_at) = (at, at);
        store.create(&notebook, None).await?;
        is_stored(&*store, &notebook).await?;
    }
    Ok(())
}

/// Random notebooks and edits, of text and JSON that stores easily damage, are loaded as they were stored.
///
/// # Errors
/// When the store does not conform.
pub async fn random_notebooks_are_kept<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    for seed in 1..=20 {
        let in_seed = |failure: Failure| Failure::new(format!("seed {seed}: {failure}"));
        let mut random = Random::new(seed);
        let notebook = random.notebook(&format!("random{seed}"))?;
        store.create(&notebook, None).await?;
        is_stored(&*store, &notebook).await.map_err(in_seed)?;
        // Anew, so that the names that cells read and write are those that opening finds.
        store.delete_current(&notebook.id, None).await?;
        let mut editor = Editor::create(&*store, notebook).await?;
        for _ in 0..10 {
            let base = editor.notebook().base();
            let mut group = Vec::new();
            for _ in 0..=random.below(3) {
                let edit = random.edit(editor.notebook())?;
                let at = editor.notebook().updated_at;
                group.extend(editor.open.apply(&edit, None, at)?.map(Arc::new));
            }
            editor.commit(base, &group).await?;
            is_stored(&*store, editor.notebook()).await.map_err(in_seed)?;
        }
    }
    Ok(())
}

/// Acknowledged changes are there when the store is opened again.
///
/// # Errors
/// When the store does not conform.
pub async fn what_was_acknowledged_survives_reopening<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, mut guard) = builder.build().await?;
    store.create(&empty("gone")?, None).await?;
    let mut editor = Editor::create(&*store, full("kept")?).await?;
    editor.edit(&update("numbers", "x = 2")?).await?;
    editor.edit(&results("query", printed("rows"))?).await?;
    store.delete_current(&NotebookId::new("gone")?, None).await?;
    let expected = editor.notebook().clone();
    drop(editor);

    let store = builder.reopen(store, &mut guard).await?;
    is_stored(&*store, &expected).await?;
    ensure!(store.load(&NotebookId::new("gone")?).await?.is_none(), "a deleted notebook came back");
    let mut editor = Editor::load(&*store, &expected.id).await?;
    editor.edit(&update("numbers", "x = 3")?).await?;
    is_stored(&*store, editor.notebook()).await
}
