//! Tests of exports from the database to files.

use std::fs;

use serde_json::Value;

use crate::support::{Move, runtime, snapshot};

fn two_users() -> Move {
    let this = Move::new();
    for (id, owner) in [("a1", "user_ann"), ("a2", "user_ann"), ("b/odd", "user_bob")] {
        let mut notebook = crate::support::notebook(id, 3, &["x = 1"]);
        notebook["user_id"] = owner.into();
        this.write(&format!("{}.json", id.replace('/', "-")), notebook.to_string());
    }
    this.expect(0, &["run"]);
    this
}

fn export(this: &Move, code: i32, to: &str, more: &[&str]) -> crate::support::Ended {
    let dir = this.dir.path().join(to);
    this.expect(code, &[&["export", "--to", dir.to_str().unwrap()], more].concat())
}

#[test]
fn an_export_has_everything_says_its_moment_and_can_be_served() {
    use quire_storage::prelude::*;
    use quire_storage::{ListFilter, PageRequest};
    use quire_storage_json::{JsonNotebookStore, Options};

    let this = two_users();
    let ended = export(&this, 0, "out", &[]);
    let exported = |id: &str| (id.to_owned(), "exported".to_owned());
    assert_eq!(ended.results(), ["a1", "a2", "b/odd"].map(exported));
    let summary: Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
    let (began, reflects) = (&summary["summary"]["began"], &summary["summary"]["reflects"]);
    assert!(began.as_str().unwrap() <= reflects.as_str().unwrap(), "{summary}");
    let _context = runtime().enter();
    let served = JsonNotebookStore::open(&this.dir.path().join("out"), Options::default()).unwrap();
    let page = runtime().block_on(served.list(&ListFilter::default(), &PageRequest::default())).unwrap();
    assert_eq!((page.notebooks.len(), page.damaged.len()), (3, 0));
    for notebook in this.state() {
        let loaded = runtime().block_on(served.load(&notebook.id)).unwrap().unwrap();
        assert_eq!(loaded.notebook, notebook);
    }
}

#[test]
fn one_users_notebooks_can_be_exported_alone() {
    let this = two_users();
    let ended = export(&this, 0, "out", &["--user", "user_bob"]);
    assert_eq!(ended.results(), [("b/odd".to_owned(), "exported".to_owned())]);
}

#[test]
fn only_an_empty_directory_or_an_unfinished_export_is_written_to() {
    let this = two_users();
    export(&this, 0, "out", &[]);
    let before = snapshot(this.dir.path());
    for dir in ["out", ""] {
        let ended = export(&this, 2, dir, &[]);
        assert!(ended.err.contains("name an empty directory"), "{ended:?}");
    }
    assert_eq!(snapshot(this.dir.path()), before);
}

#[test]
fn an_unfinished_export_goes_on_with_what_there_is_now() {
    let this = two_users();
    // A notebook that cannot be read makes the export incomplete.
    this.sql("UPDATE cells SET order_key = 'broken!' WHERE notebook_id = 'a2'");
    let first = export(&this, 1, "out", &[]);
    assert_eq!(first.line("a2")["result"], "failed");
    this.sql(
        "UPDATE cells SET order_key = 'a0' WHERE notebook_id = 'a2'; DELETE FROM notebooks WHERE id = 'b/odd'; \
              UPDATE notebooks SET revision = 2, name = 'Earlier', content_digest = NULL WHERE id = 'a1'",
    );
    let second = export(&this, 0, "out", &[]);
    let result = |id: &str| second.line(id)["result"].as_str().unwrap().to_owned();
    assert_eq!(["a1", "a2", "b/odd"].map(result), ["exported", "exported", "removed"]);
    let text = fs::read_to_string(this.dir.path().join("out/a1.json")).unwrap();
    assert!(text.contains("\"name\": \"Earlier\"") && text.contains("\"revision\": 2,"), "{text}");
}

#[test]
fn an_unfinished_export_of_one_user_is_not_mixed_with_anothers() {
    let this = two_users();
    this.sql("UPDATE cells SET order_key = 'broken!' WHERE notebook_id = 'a2'");
    export(&this, 1, "out", &["--user", "user_ann"]);
    for other in [["--user", "user_bob"].as_slice(), &[]] {
        let ended = export(&this, 2, "out", other);
        assert!(ended.err.contains("name an empty directory"), "{ended:?}");
    }
    this.sql("UPDATE cells SET order_key = 'a0' WHERE notebook_id = 'a2'");
    export(&this, 0, "out", &["--user", "user_ann"]);
    let exported = ["out/a1.json", "out/a2.json"].map(|file| this.dir.path().join(file).exists());
    assert_eq!(exported, [true, true]);
}

#[test]
fn strings_written_in_one_way_do_not_stay_when_another_is_wanted() {
    use crate::support::KEY;
    let this = Move::new();
    let mut notebook = crate::support::notebook("n", 1, &[]);
    notebook["db_conn_string"] = "postgres://me:hunter2@db/sales".into();
    this.write("n.json", notebook.to_string());
    this.notebook("broken", 1, &["x"]);
    let with_key = |arguments: &[&str]| this.command(arguments).env("QUIRE_SECRET_KEY", KEY).output().unwrap();
    with_key(&["run"]);
    this.sql("UPDATE cells SET order_key = 'broken!'");
    let out = this.dir.path().join("out");
    let to = out.to_str().unwrap();
    with_key(&["export", "--to", to, "--secrets", "plain"]);
    assert!(fs::read_to_string(out.join("n.json")).unwrap().contains("hunter2"));
    with_key(&["export", "--to", to, "--secrets", "omit"]);
    assert!(!fs::read_to_string(out.join("n.json")).unwrap().contains("hunter2"));
}
