//! The old server can read what we write, and we what it writes.

use std::process::Command;

use quire_domain::Edit;
use quire_storage::prelude::*;

use crate::support::{Served, commit, edit, insert, load, notebook, update};

/// What the old server needs of a file, as the contract tells it: it opens with the locale's encoding, here ASCII; needs
/// `id`, `cells` and of each cell `id`, `type` and `code`; takes another `type` for damage; makes sets of `reads` and
/// `writes` and adds to `revision`, all of which fail on null. It saves what it knows and nothing else.
const OLD_SERVER: &str = r#"
import json, sys
path = sys.argv[1]
with open(path, encoding="ascii") as f:
    data = json.load(f)
assert isinstance(data["id"], str)
cells = []
for cell in data["cells"]:
    assert cell["type"] in ("python", "sql"), cell["type"]
    cells.append({
        "id": cell["id"], "type": cell["type"], "code": cell["code"],
        "reads": list(set(cell.get("reads", []))), "writes": list(set(cell.get("writes", []))),
    })
for cell in cells:
    cell["code"].encode("utf-8")
if len(sys.argv) > 2:
    cells[0]["code"] = sys.argv[2]
    with open(path, "w", encoding="ascii") as f:
        json.dump({
            "id": data["id"], "user_id": data.get("user_id"), "name": data.get("name"),
            "db_conn_string": data.get("db_conn_string"), "revision": data.get("revision", 0) + 1, "cells": cells,
        }, f, indent=2)
print("|".join(cell["code"] for cell in cells), end="")
"#;

fn old_server(args: &[&std::ffi::OsStr]) -> String {
    let mut python = Command::new("python3");
    python
        .env("PYTHONIOENCODING", "utf-8")
        .env("PYTHONUTF8", "0")
        .env("LC_ALL", "C")
        .arg("-c")
        .arg(OLD_SERVER)
        .args(args);
    let output = python.output().expect("these tests need python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_old_server_reads_what_we_write() {
    let served = Served::new();
    let mut first = notebook("x", "s = 'é 😀 \u{2028} \u{7f}'\n\ty = \"\\\\\"");
    first.name = Some("Ünïcode".into());
    served.create(&first, None).await.unwrap();
    edit(&served, "x", &[insert("b", ""), insert("c", "\u{1}\u{0}\u{FDD0}")]).await.unwrap();
    let path = served.path("x.json");
    let read = old_server(&[path.as_os_str()]);
    assert_eq!(read, "s = 'é 😀 \u{2028} \u{7f}'\n\ty = \"\\\\\"||\u{1}\u{0}\u{FDD0}");
    edit(&served, "x", &[Edit::DeleteCell { id: quire_domain::CellId::new("a").unwrap() }]).await.unwrap();
    assert_eq!(old_server(&[path.as_os_str()]), "|\u{1}\u{0}\u{FDD0}");
}

#[tokio::test]
async fn what_the_old_server_writes_is_an_edit_from_outside() {
    let served = Served::new();
    served.create(&notebook("x", "ours"), None).await.unwrap();
    let mut view = load(&served, "x").await;
    old_server(&[served.path("x.json").as_os_str(), "theirs".as_ref()]);
    assert!(commit(&served, &mut view, &[update("a", "late")]).await.is_err());
    let view = load(&served, "x").await;
    assert_eq!((view.code("a"), view.revision()), ("theirs", 3));
    assert_eq!(view.0.notebook().created_at, crate::support::at(0), "which the old server does not keep");
}
