//! Files of every past shape are read as what they mean, and kept when they are written again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use quire_domain::{Extra, Notebook, Timestamp};
use quire_storage::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{commit, edit, id, load, open, update};

fn fixtures() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let is_input = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "json")
            && Path::new(path.file_stem().unwrap()).extension().is_none_or(|extension| extension != "expected")
    };
    let mut inputs: Vec<_> = files.filter(is_input).collect();
    inputs.sort();
    assert!(inputs.len() >= 10, "fixtures are missing");
    inputs
}

fn extra(extra: &Extra) -> BTreeMap<String, Value> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, json) in extra.iter() {
        fields.entry(name.to_owned()).or_default().push(json.as_str().to_owned());
    }
    let one_or_many = |texts: Vec<String>| if texts.len() == 1 { json!(texts[0]) } else { json!(texts) };
    fields.into_iter().map(|(name, texts)| (name, one_or_many(texts))).collect()
}

/// A notebook as the `.expected.json` files put it; times that were filled in are left out.
fn described(notebook: &Notebook, filled_in: Timestamp) -> Value {
    let cells = notebook.cells.iter().map(|cell| {
        let mut value = json!({
            "id": cell.id.as_str(),
            "type": cell.cell_type.as_str(),
            "code": &*cell.code,
            "reads": cell.reads().collect::<Vec<_>>(),
            "writes": cell.writes().collect::<Vec<_>>(),
            "revision": cell.revision.0,
        });
        let results = &cell.results;
        if **results != quire_domain::Results::default() {
            let outputs = results.outputs.iter().map(|output| {
                json!({"mime_type": output.mime_type, "data": output.data.as_str(), "metadata": output.metadata.as_str()})
            });
            let outputs: Vec<_> = outputs.collect();
            let (stdout, error) = (&results.stdout, &results.error);
            value["results"] = json!({"status": results.status, "stdout": stdout, "error": error, "outputs": outputs});
        }
        if !cell.extra.is_empty() {
            value["extra"] = json!(extra(&cell.extra));
        }
        value
    });
    let cells: Vec<_> = cells.collect();
    let mut value = json!({
        "id": notebook.id.as_str(),
        "owner": notebook.owner.as_str(),
        "name": notebook.name.as_deref(),
        "connection": notebook.connection.as_ref().map(quire_domain::StoredConnection::expose),
        "revision": notebook.revision.0,
        "cells": cells,
    });
    if !notebook.extra.is_empty() {
        value["extra"] = json!(extra(&notebook.extra));
    }
    if notebook.created_at != filled_in {
        let text = |time: Timestamp| time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        value["created_at"] = json!(text(notebook.created_at));
        value["updated_at"] = json!(text(notebook.updated_at));
    }
    value
}

#[tokio::test]
async fn every_fixture_is_read_as_expected_and_survives_being_written() {
    for fixture in fixtures() {
        let stem = fixture.file_stem().unwrap().to_str().unwrap();
        let dir = TempDir::new().unwrap();
        let file = dir.path().join(format!("{stem}.json"));
        let original = fs::read(&fixture).unwrap();
        fs::write(&file, &original).unwrap();
        let modified: Timestamp = fs::metadata(&file).unwrap().modified().unwrap().into();
        let filled_in = Timestamp::from_timestamp_micros(modified.timestamp_micros()).unwrap();
        let expected: Value =
            serde_json::from_slice(&fs::read(fixture.with_extension("expected.json")).unwrap()).unwrap();

        let store = open(dir.path());
        let read = store.load(&id(stem)).await.unwrap().expect(stem).notebook;
        pretty_assert(stem, &described(&read, filled_in), &expected);
        assert_eq!(fs::read(&file).unwrap(), original, "{stem} was changed by reading it");

        // An edit of one cell, or where there is none of the name, writes the file in the present shape.
        let mut view = load(&store, stem).await;
        let first = view.0.notebook().cells.get(0).map(|cell| cell.id.to_string());
        let edit = match &first {
            Some(cell) => update(cell, "edited = True"),
            None => quire_domain::Edit::Rename { name: "Edited".into() },
        };
        commit(&store, &mut view, &[edit]).await.unwrap();
        let written = fs::read_to_string(&file).unwrap();
        assert!(written.is_ascii(), "{stem} is written with characters beyond ASCII");
        let again = store.load(&id(stem)).await.unwrap().unwrap().notebook;
        assert_eq!(again.created_at, read.created_at, "{stem}: the time of creation was not made permanent");
        let mut wanted = expected.clone();
        wanted["revision"] = json!(expected["revision"].as_i64().unwrap() + 1);
        let mut found = described(&again, filled_in);
        for described in [&mut wanted, &mut found] {
            described.as_object_mut().unwrap().remove("updated_at");
            if first.is_some() {
                for field in ["code", "reads", "writes", "revision"] {
                    described["cells"][0][field].take();
                }
            } else {
                described["name"].take();
            }
            // How unknown fields spell characters beyond ASCII may change.
            *described = serde_json::from_str(&described.to_string().replace(r"\\u00e9", "é")).unwrap();
        }
        pretty_assert(stem, &found, &wanted);
    }
}

fn pretty_assert(stem: &str, found: &Value, expected: &Value) {
    assert!(found == expected, "{stem}: found {found:#}\nexpected {expected:#}");
}

/// The file of an old server, but for the fields that we add, byte for byte.
#[tokio::test]
async fn a_file_is_written_as_python_writes_it() {
    let dir = TempDir::new().unwrap();
    let name = "demo-user_9Xk2";
    let fixture = fixtures().into_iter().find(|path| path.file_stem().unwrap() == name).unwrap();
    let original = fs::read_to_string(fixture).unwrap();
    let file = dir.path().join(format!("{name}.json"));
    fs::write(&file, &original).unwrap();
    let store = open(dir.path());
    edit(&store, name, &[update("c", "x = 'ü'")]).await.unwrap();
    let notebook = store.load(&id(name)).await.unwrap().unwrap().notebook;
    let time = |time: Timestamp| time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let expected = format!(
        r#"{{
  "id": "demo-user_9Xk2",
  "user_id": "user_9Xk2",
  "name": null,
  "db_conn_string": null,
  "revision": 4,
  "cells": [
    {{
      "id": "c",
      "type": "python",
      "code": "x = '\u00fc'",
      "reads": [],
      "writes": [
        "x"
      ],
      "revision": 4
    }}
  ],
  "created_at": "{}",
  "updated_at": "{}"
}}"#,
        time(notebook.created_at),
        time(notebook.updated_at)
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), expected);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

/// A list is in the order of creation also when files do not say when they were made, and stays so.
#[tokio::test]
async fn undated_files_keep_their_place_in_the_list() {
    let mut served = crate::support::Served::with_files([
        ("b.json", r#"{"id":"b","user_id":"ann","cells":[{"id":"a","type":"python","code":""}]}"#),
        ("a.json", r#"{"id":"a","user_id":"ann","cells":[{"id":"a","type":"python","code":""}]}"#),
    ]);
    let hour = std::time::Duration::from_hours(1);
    let now = fs::metadata(served.path("a.json")).unwrap().modified().unwrap();
    served.restart_after(|dir| {
        fs::remove_dir_all(dir.join(".quire")).unwrap();
        fs::File::options().write(true).open(dir.join("b.json")).unwrap().set_modified(now - hour).unwrap();
    });
    assert_eq!(crate::support::listed(&served, "ann").await, ["b", "a"]);
    edit(&served, "b", &[update("a", "1")]).await.unwrap();
    served.write("a.json", r#"{"id":"a","user_id":"ann","cells":[]}"#);
    served.scan_now().await.unwrap();
    assert_eq!(crate::support::listed(&served, "ann").await, ["b", "a"]);
    served.restart_after(|_| {});
    assert_eq!(crate::support::listed(&served, "ann").await, ["b", "a"]);
}
