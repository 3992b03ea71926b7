//! Tests of a server on a directory of notebooks of the earlier back end.

use std::fs;
use std::path::Path;

use quire_tests::Server;
use serde_json::{Value, json};
use tempfile::TempDir;

const USER: &str = "user_2x7QmPanOwner";

/// Returns files as the earlier back end wrote them: with and without the owner, with results in cells, and an
/// incomplete temporary file.
fn directory() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    let file = |id: &str, owner: &str, cells: Value| {
        let name = if id.starts_with("blank") { json!("Blank Notebook") } else { Value::Null };
        serde_json::to_string_pretty(&json!({
            "id": id, "user_id": owner, "name": name, "db_conn_string": "", "revision": 23, "cells": cells,
        }))
        .unwrap()
    };
    let cell =
        |id: &str, code: &str| json!({"id": id, "type": "python", "code": code, "reads": ["print"], "writes": []});
    let demo = format!("demo-{USER}");
    write(&format!("{demo}.json"), &file(&demo, USER, json!([cell("a", "x = 10"), cell("b", "y = x + 5\nprint(y)")])));
    let blank = format!("blank-{USER}");
    write(&format!("{blank}.json"), &file(&blank, USER, json!([cell("only", "")])));
    let mut with_results = cell("cell1", "1 + 1");
    with_results["stdout"] = json!("printed\n");
    with_results["outputs"] = json!([{"mime_type": "text/plain", "data": "2", "metadata": {}}]);
    with_results["error"] = Value::Null;
    write("7f0f1c1e.json", &file("7f0f1c1e", USER, json!([with_results])));
    write("test-other.json", &file("test-other", "user_somebody_else", json!([cell("cell1", "secret = 1")])));
    write("broken.json", "{\"id\": \"broken\", \"cells\": [");
    write("7f0f1c1e_ab12cd34.tmp", "{\"id\": \"7f0f1c1e\"");
    fs::create_dir(dir.path().join("test")).unwrap();
    dir
}

fn serve(dir: &Path) -> Server {
    Server::start(["--notebooks-dir".as_ref(), dir.as_os_str(), "--dev-user".as_ref(), USER.as_ref()])
}

#[test]
fn its_notebooks_are_listed_opened_edited_and_the_edit_survives_a_kill() {
    let dir = directory();
    let server = serve(dir.path());
    let list = server.ok("GET", "/api/notebooks", None);
    let ids: Vec<&str> = list["notebooks"].as_array().unwrap().iter().map(|n| n["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3, "{list}");
    for id in [format!("demo-{USER}"), format!("blank-{USER}"), "7f0f1c1e".to_owned()] {
        assert!(ids.contains(&id.as_str()), "{id} in {list}");
    }
    assert_eq!(list["damaged"][0]["file"], "broken.json");

    let demo = server.ok("GET", "/api/notebooks/demo", None);
    assert_eq!((&demo["revision"], &demo["cells"][1]["reads"]), (&json!(23), &json!(["x"])));
    let results = server.ok("GET", "/api/notebooks/7f0f1c1e", None);
    assert_eq!(results["cells"][0]["stdout"], "printed\n");
    assert_eq!(results["cells"][0]["outputs"][0], json!({"mime_type": "text/plain", "data": "2", "metadata": {}}));
    assert_eq!(server.send("GET", "/api/notebooks/test-other", None).0, 403);

    let edit = json!({"code": "y = x + 6  # ä\u{1F600}", "expected_revision": 23});
    let edited = server.ok("PUT", "/api/notebooks/demo/cells/b", Some(&edit));
    assert_eq!(edited["revision"], 24);
    assert_eq!(server.send("PUT", "/api/notebooks/demo/cells/b", Some(&edit)).0, 409);
    server.kill();

    let server = serve(dir.path());
    let demo = server.ok("GET", "/api/notebooks/demo", None);
    assert_eq!((&demo["revision"], &demo["cells"][1]["code"]), (&json!(24), &edit["code"]));
    assert!(server.terminate());
    assert_eq!(fs::read_to_string(dir.path().join("broken.json")).unwrap(), "{\"id\": \"broken\", \"cells\": [");
}

#[test]
fn a_second_server_on_the_directory_is_refused() {
    let dir = directory();
    let first = serve(dir.path());
    let second = std::process::Command::new(quire_tests::binary("quire-server"))
        .args(["--port", "0", "--notebooks-dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("in use by another Quire server"), "{said}");
    assert!(said.contains(&first.process().to_string()), "{said}");
}
