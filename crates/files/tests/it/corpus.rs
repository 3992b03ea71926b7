//! Notebooks that people and programs wrote: what is read and written again is what was there, but for the list in
//! `docs/jupyter.md`, whose numbers are here.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use quire_files::jupyter;
use serde_json::{Map, Value, json};

use crate::support::{import, written};

/// These have kinds of cells that no version has which can be read.
const REFUSED: [&str; 2] = ["nbformat/invalid.ipynb", "nbformat/test4plus.ipynb"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/jupyter").join(name)
}

/// Names and texts of all notebooks in these folders.
fn notebooks(folders: &[&str]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for name in folders {
        for entry in fs::read_dir(folder(name)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "ipynb") {
                let file = format!("{name}/{}", path.file_name().unwrap().to_string_lossy());
                all.push((file, fs::read_to_string(path).unwrap()));
            }
        }
    }
    all.sort();
    all
}

fn parsed(text: &str) -> Value {
    // 5: words that are not JSON. None of the fixtures has them in a string.
    serde_json::from_str(&text.replace("NaN", "null").replace("Infinity", "null")).unwrap()
}

fn object(value: &mut Value) -> &mut Map<String, Value> {
    value.as_object_mut().unwrap()
}

fn join(value: &mut Value) {
    let Some(lines) = value.as_array() else { return };
    if let Some(lines) = lines.iter().map(Value::as_str).collect::<Option<Vec<_>>>() {
        *value = lines.concat().into();
    }
}

fn join_bundle(bundle: &mut Value) {
    for (name, value) in object(bundle).iter_mut().filter(|(name, _)| !name.ends_with("json")) {
        let _ = name;
        join(value);
    }
}

/// 4: texts in one piece, on both sides.
fn joined(mut notebook: Value) -> Value {
    for cell in notebook["cells"].as_array_mut().unwrap() {
        join(&mut cell["source"]);
        for output in cell.get_mut("outputs").and_then(Value::as_array_mut).into_iter().flatten() {
            if output["output_type"] == "stream" {
                join(&mut output["text"]);
            } else if output["data"].is_object() {
                join_bundle(&mut output["data"]);
            }
        }
    }
    notebook
}

/// 8: fields that the format does not allow, among the metadata or beside them, are noted in the metadata.
fn move_noted(read: &mut Value, written: &Value) {
    let noted = &written["metadata"]["quire"];
    for name in noted["other"].as_object().into_iter().flat_map(Map::keys) {
        assert_eq!(object(read).remove(name).as_ref(), Some(&noted["other"][name]), "{name}");
    }
    for name in noted["metadata"].as_object().into_iter().flat_map(Map::keys) {
        assert_eq!(object(&mut read["metadata"]).remove(name).as_ref(), Some(&noted["metadata"][name]), "{name}");
    }
    if !noted.is_null() {
        object(&mut read["metadata"]).insert("quire".into(), noted.clone());
    }
}

/// 9: outputs that the format knows, with the fields that it knows.
fn known(outputs: &mut Vec<Value>) {
    outputs.retain_mut(|output| {
        let known: &[&str] = match output["output_type"].as_str().unwrap() {
            "stream" => &["name", "text"],
            "display_data" => &["data", "metadata"],
            "execute_result" => &["data", "metadata", "execution_count"],
            "error" => &["ename", "evalue", "traceback"],
            _ => return false,
        };
        object(output).retain(|name, _| name == "output_type" || known.contains(&&**name));
        true
    });
}

/// What was read, with the list applied; what was written says which ids are new and what is left of HTML.
fn expected(read: &Value, written: &Value) -> Value {
    let mut notebook = joined(read.clone());
    // 1
    let minor = notebook["nbformat_minor"].as_i64().unwrap_or_default();
    object(&mut notebook).insert("nbformat_minor".into(), minor.max(5).into());
    move_noted(&mut notebook, written);
    let mut ids = HashSet::new();
    for (cell, other) in notebook["cells"].as_array_mut().unwrap().iter_mut().zip(written["cells"].as_array().unwrap())
    {
        // 2
        let new = other["id"].as_str().unwrap().to_owned();
        let is_valid = |id: &str| {
            (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        assert!(is_valid(&new), "{new}");
        let keeps = cell["id"].as_str().is_some_and(|id| is_valid(id) && !ids.contains(id));
        if keeps {
            assert_eq!(cell["id"], new);
        }
        assert!(ids.insert(new.clone()), "{new} is there twice");
        // 3
        object(cell).entry("metadata").or_insert(json!({}));
        move_noted(cell, other);
        let cell = object(cell);
        cell.insert("id".into(), new.into());
        if cell.get("source").is_none_or(|source| source.is_null() || *source == json!([])) {
            cell.insert("source".into(), "".into());
        }
        if cell["cell_type"] == "code" {
            cell.entry("outputs").or_insert(json!([]));
            cell.entry("execution_count").or_insert(Value::Null);
            let outputs = cell["outputs"].as_array_mut().unwrap();
            known(outputs);
            for (output, other) in outputs.iter_mut().zip(other["outputs"].as_array().unwrap()) {
                match output["output_type"].as_str().unwrap() {
                    "stream" => drop(object(output).entry("name").or_insert("stdout".into())),
                    "display_data" | "execute_result" => {
                        object(output).entry("metadata").or_insert(json!({}));
                        // 6
                        let html = &other["data"]["text/html"];
                        if output["data"]["text/html"] != *html {
                            let text = html.as_str().unwrap();
                            assert!(!text.contains("<script") && !text.contains("onload"), "{text}");
                            output["data"]["text/html"] = html.clone();
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    notebook
}

#[test]
fn notebooks_of_version_4_come_back_as_they_were() {
    let mut count = 0;
    for (name, text) in notebooks(&["nbformat", "nbconvert", "nbclient", "own"]) {
        let read = parsed(&text);
        if read["nbformat"] != 4 || REFUSED.contains(&&*name) {
            continue;
        }
        let imported = import(&text).unwrap_or_else(|damage| panic!("{name}: {damage}"));
        let back = joined(written(&imported.notebook));
        assert_eq!(back, expected(&read, &back), "{name}");
        // Once more, and nothing changes any more.
        let again = jupyter::write(&imported.notebook, jupyter::Identity::LeftOut);
        let second = import(&again).unwrap();
        assert_eq!(jupyter::write(&second.notebook, jupyter::Identity::LeftOut), again, "{name}");
        count += 1;
    }
    assert!(count >= 50, "{count}");
}

#[test]
fn notebooks_of_version_3_become_what_jupyter_makes_of_them() {
    let mut count = 0;
    for (name, text) in notebooks(&["nbformat", "nbconvert", "nbclient", "own"]) {
        if parsed(&text)["nbformat"] != 3 {
            continue;
        }
        let imported = import(&text).unwrap_or_else(|damage| panic!("{name}: {damage}"));
        // Without metadata, which Jupyter itself does not read.
        let wanted = folder("expected").join(name.rsplit('/').next().unwrap());
        let Ok(wanted) = fs::read_to_string(wanted) else { continue };
        let mut wanted = parsed(&wanted);
        // Where Jupyter drops the name, we keep it where later versions have it.
        if let Some(name) = &imported.notebook.name {
            wanted["metadata"]["title"] = (&**name).into();
        }
        let back = joined(written(&imported.notebook));
        assert_eq!(back, expected(&wanted, &back), "{name}");
        count += 1;
    }
    assert_eq!(count, 3);
}

#[test]
fn what_we_write_is_valid_for_another_reader() {
    for (name, text) in notebooks(&["nbformat", "nbconvert", "nbclient", "own"]) {
        if ["test2", "test4plus", "invalid"].iter().any(|odd| name.contains(odd)) {
            continue;
        }
        let notebook = import(&text).unwrap_or_else(|damage| panic!("{name}: {damage}")).notebook;
        let back = jupyter::write(&notebook, jupyter::Identity::Noted);
        let read = nbformat::parse_notebook(&back).unwrap_or_else(|error| panic!("{name}: {error}"));
        let nbformat::Notebook::V4(read) = read else { panic!("{name}: not of version 4.5") };
        assert_eq!(read.cells.len(), notebook.cells.len(), "{name}");
    }
}

#[test]
fn versions_that_cannot_be_read_are_refused() {
    let text = fs::read_to_string(folder("nbformat").join("test2.ipynb")).unwrap();
    let damage = import(&text).unwrap_err();
    for name in REFUSED {
        let refused = import(&fs::read_to_string(folder(name)).unwrap()).unwrap_err();
        assert!(refused.reason.contains("`cell_type` is none of code, markdown and raw"), "{refused}");
    }
    assert!(damage.reason.contains("`nbformat` is another version than 3 and 4"), "{damage}");
}

#[test]
fn a_rich_notebook_is_shown_as_far_as_it_can_be() {
    use quire_domain::{CellStatus, CellType};
    let text = fs::read_to_string(folder("own").join("rich.ipynb")).unwrap();
    let imported = import(&text).unwrap();
    let notebook = &imported.notebook;
    assert_eq!(notebook.name.as_deref(), Some("Sales"));
    let cells: Vec<_> = notebook.cells.iter().collect();
    assert_eq!(&*cells[0].code, "# %% [markdown]\n# # Title\n#\n# text\r\n# end");
    assert_eq!(&*cells[1].code, "# %% [raw]\n# \\LaTeX");
    let results = &cells[2].results;
    assert_eq!(results.stdout, "a\nbc\n");
    let shown: Vec<_> = results.outputs.iter().map(|it| (it.mime_type.as_str(), it.data.as_str())).collect();
    assert_eq!(shown[0], ("image/png", r#""iVBORw0KGgo=\n""#));
    assert_eq!(results.outputs[0].metadata.as_str(), r#"{"image/png":{"width":10}}"#);
    assert_eq!(shown[1].0, "text/html");
    assert!(shown[1].1.contains("<td>1</td>") && !shown[1].1.contains("script"), "{shown:?}");
    assert!(shown[2].1.contains("[1,null,null]"), "{shown:?}");
    let rest: Vec<_> = shown[2..].iter().map(|it| it.0).collect();
    assert_eq!(rest, ["application/vnd.plotly.v1+json", "application/vnd.vegalite.v5+json", "application/json"]);
    assert_eq!(cells[3].results.error.as_deref(), Some("---\nZeroDivisionError: division by zero"));
    assert_eq!(cells[3].results.status, CellStatus::Error);
    assert_eq!(cells[5].cell_type, CellType::Sql);
    assert_eq!(cells[6].cell_type, CellType::Python);
    assert_eq!(cells[6].results.status, CellStatus::Success);
    assert_eq!(cells[7].results.status, CellStatus::Idle);
    assert_eq!(
        imported.notices,
        [
            "`NaN` and `Infinity`, which JSON has not, were read as null",
            "1 output lost what could have run in a page",
            "1 output had no type that is shown, and will be in an export only"
        ]
    );
    // Nothing that is large is kept twice.
    let kept =
        notebook.cells.iter().flat_map(|cell| cell.extra.iter()).map(|(_, json)| json.as_str()).collect::<String>();
    assert_eq!(kept.matches("iVBORw0KGgo=").count(), 1, "{kept}");
}

#[test]
fn another_run_or_other_code_ends_what_was_kept_of_outputs() {
    use quire_domain::{Cell, Results};
    use std::sync::Arc;
    let text = fs::read_to_string(folder("own").join("rich.ipynb")).unwrap();
    let notebook = import(&text).unwrap().notebook;
    let change = |changed: fn(Cell) -> Cell| {
        let mut notebook = notebook.clone();
        notebook.cells = notebook.cells.iter().map(|cell| changed(Cell::clone(cell))).collect();
        written(&notebook)["cells"][2].clone()
    };
    let same = change(|cell| cell);
    assert_eq!((&same["execution_count"], same["outputs"].as_array().unwrap().len()), (&json!(3), 10));
    let rerun = change(|cell| {
        let results = Results { stdout: "new\n".into(), ..Results::default() };
        Cell { results: Arc::new(results), ..cell }
    });
    let only = json!([{"name": "stdout", "output_type": "stream", "text": ["new\n"]}]);
    assert_eq!((&rerun["execution_count"], &rerun["outputs"]), (&json!(null), &only));
    let edited = change(|cell| Cell { code: "other".into(), ..cell });
    assert_eq!(edited["execution_count"], json!(null));
    // What the results hold is still there: it is what Quire shows.
    assert_eq!(edited["outputs"].as_array().unwrap().len(), 6);
    assert_eq!(edited["metadata"], json!({"collapsed": true}));
}
