//! Tests of Jupyter notebooks imported into the database and exported from it.

use std::fs;
use std::path::Path;

use quire_domain::CellStatus;
use serde_json::{Value, json};

use crate::support::{Ended, Move, snapshot};

const IPYNB: [&str; 2] = ["--format", "ipynb"];

fn jupyter(source: &str) -> Value {
    json!({
        "nbformat": 4, "nbformat_minor": 4, "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": ["# Title"]},
            {"cell_type": "code", "metadata": {"tags": ["a"]}, "execution_count": 1, "source": source, "outputs": [
                {"output_type": "stream", "name": "stderr", "text": "w"},
                {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<b>1</b><script>x</script>", "text/plain": "1"}},
            ]},
        ],
    })
}

fn rows(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(file, result)| ((*file).to_owned(), (*result).to_owned())).collect()
}

fn with<'a>(command: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [command, &IPYNB, more].concat()
}

#[test]
fn a_directory_of_jupyter_notebooks_is_imported_once_and_verified() {
    let this = Move::new();
    this.write("plain.ipynb", jupyter("x = 1").to_string());
    this.write("My analysis.ipynb", jupyter("y = 2").to_string());
    this.write("deep/below.ipynb", jupyter("z = 3").to_string());
    this.write(".ipynb_checkpoints/plain-checkpoint.ipynb", jupyter("old").to_string());
    this.write("broken.ipynb", "{\"nbformat\": 4, \"cells\": [{}]}");
    this.notebook("ours", 1, &["not read"]);
    let before = snapshot(this.dir.path());
    let dry_run = this.expect(1, &with(&["run", "--recursive", "--dry-run"], &["--owner", "user_ann"]));
    let run = this.expect(1, &with(&["run", "--recursive"], &["--owner", "user_ann"]));
    assert_eq!(dry_run.lines(), run.lines());
    let imported = rows(&[
        ("My analysis.ipynb", "imported"),
        ("broken.ipynb", "invalid"),
        ("deep/below.ipynb", "imported"),
        ("plain.ipynb", "imported"),
    ]);
    assert_eq!(run.results(), imported);
    let broken = run.line("broken.ipynb");
    assert!(broken["reason"].as_str().unwrap().ends_with("cell 1: `cell_type` is missing"), "{broken}");
    assert_eq!((&broken["offset"], &broken["id"]), (&json!(26), &json!("broken")));
    let told = "1 output lost what could have run in a page";
    assert!(run.line("plain.ipynb")["reason"].as_str().unwrap().contains(told), "{run:?}");

    let plain = this.load("plain").unwrap();
    assert_eq!((plain.owner.as_str(), plain.name.as_deref()), ("user_ann", Some("plain")));
    let cells: Vec<_> = plain.cells.iter().collect();
    assert_eq!((&*cells[0].code, &*cells[1].code), ("# %% [markdown]\n# # Title", "x = 1"));
    assert_eq!(cells[1].results.status, CellStatus::Success);
    assert_eq!(cells[1].results.outputs[0].data.as_str(), r#""<b>1</b>""#);
    let odd = run.line("My analysis.ipynb")["id"].as_str().unwrap().to_owned();
    assert!(odd.starts_with("ipynb-"), "{odd}");
    assert_eq!(this.load(&odd).unwrap().name.as_deref(), Some("My analysis"));

    let again = this.expect(1, &with(&["run", "--recursive", "--verify"], &["--owner", "user_ann"]));
    let unchanged = ["unchanged", "invalid", "unchanged", "unchanged", "same", "invalid", "same", "same"];
    assert_eq!(again.results().into_iter().map(|(_, result)| result).collect::<Vec<_>>(), unchanged);
    this.write("plain.ipynb", jupyter("x = 2").to_string());
    let verify = this.expect(3, &with(&["verify", "--recursive"], &["--owner", "user_ann"]));
    assert_eq!(verify.line("plain.ipynb")["result"], "different");
    assert_eq!(snapshot(this.dir.path()).len(), before.len());
}

/// Files in different folders share names, and some programs write endings in capitals.
#[test]
fn each_file_of_a_tree_is_a_notebook_of_its_own() {
    let this = Move::new();
    for (file, source) in [
        ("Untitled.ipynb", "x = 1"),
        ("Untitled.IPYNB", "x = 2"),
        ("week 1/Untitled.ipynb", "x = 3"),
        ("week 2/Untitled.ipynb", "x = 4"),
        ("week 2/copy.ipynb", "x = 4"),
    ] {
        this.write(file, jupyter(source).to_string());
    }
    let arguments = with(&["run", "--recursive", "--verify"], &["--owner", "user_ann"]);
    let run = this.expect(0, &arguments);
    let names: Vec<(String, Option<String>)> = run.lines()[..5]
        .iter()
        .map(|line| {
            assert_eq!(line["result"], "imported", "{line}");
            let loaded = this.load(line["id"].as_str().unwrap()).unwrap();
            let code = loaded.cells.iter().map(|cell| cell.code.to_string()).next_back().unwrap();
            (code, loaded.name.map(|name| name.to_string()))
        })
        .collect();
    let expected = [
        ("x = 2", "Untitled"),
        ("x = 1", "Untitled"),
        ("x = 3", "week 1/Untitled"),
        ("x = 4", "week 2/Untitled"),
        ("x = 4", "week 2/copy"),
    ];
    assert_eq!(names, expected.map(|(code, name)| (code.to_owned(), Some(name.to_owned()))));
    let again = this.expect(0, &arguments);
    assert_eq!(again.lines()[..5].iter().filter(|line| line["result"] == "unchanged").count(), 5, "{again:?}");
    // Two exported files of the same notebook cannot be told apart.
    for (folder, source) in [("a", "y = 1"), ("b", "y = 2")] {
        let mut exported = jupyter(source);
        exported["metadata"]["quire"] = json!({"id": "exported"});
        this.write(&format!("{folder}/exported.ipynb"), exported.to_string());
    }
    let twice = this.expect(1, &with(&["run", "--recursive"], &["--owner", "user_ann"]));
    let line = twice.line("b/exported.ipynb");
    let reason =
        "stands for the same notebook as a/exported.ipynb, and has another content: give one of them another name";
    assert_eq!((&line["result"], &line["reason"]), (&json!("failed"), &json!(reason)));
}

/// Only its name makes a file a notebook, and anybody can choose it.
#[test]
fn a_file_never_takes_another_users_notebook() {
    let this = Move::new();
    this.write("plain.ipynb", jupyter("x = 1").to_string());
    this.expect(0, &with(&["run"], &["--owner", "user_ann"]));
    let before = this.state();
    for content in ["x = 1", "x = 2"] {
        this.write("plain.ipynb", jupyter(content).to_string());
        for on_conflict in ["skip", "overwrite", "fail"] {
            let arguments = ["--owner", "user_bob", "--on-conflict", on_conflict];
            let plan = this.expect(1, &with(&["run", "--dry-run"], &arguments));
            let run = this.expect(1, &with(&["run"], &arguments));
            assert_eq!(run.lines(), plan.lines());
            let line = run.line("plain.ipynb");
            assert_eq!(line["result"], "failed");
            assert!(
                line["reason"].as_str().unwrap().contains("belongs to another user in the database, user_ann"),
                "{line}"
            );
        }
    }
    // An id in the file does not help either.
    let mut claims = jupyter("x = 3");
    claims["metadata"]["quire"] = json!({"id": "plain"});
    this.write("plain.ipynb", claims.to_string());
    this.expect(1, &with(&["run"], &["--owner", "user_bob", "--on-conflict", "overwrite"]));
    assert_eq!(this.state(), before);
    let own = this.expect(0, &with(&["run"], &["--owner", "user_ann", "--on-conflict", "overwrite"]));
    assert_eq!(own.line("plain.ipynb")["result"], "updated");
}

/// Tests that notebooks of people and other programs are stored exactly: attachments, metadata, NUL and lone
/// surrogates.
#[test]
fn what_others_wrote_is_in_the_database_as_it_was_read() {
    let this = Move::new();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/files/tests/fixtures/jupyter");
    let mut same = 0;
    for folder in ["nbformat", "nbconvert", "nbclient", "own"] {
        let from = corpus.join(folder);
        let arguments = with(
            &["run", "--verify", "--on-conflict", "overwrite", "--json"],
            &["--notebooks-dir", from.to_str().unwrap()],
        );
        let run = this.run(&arguments);
        let results = run.results();
        same += results.iter().filter(|(_, result)| result == "same").count();
        let odd: Vec<_> = results
            .iter()
            .filter(|(_, result)| !["imported", "updated", "same", "invalid"].contains(&&**result))
            .collect();
        assert_eq!(odd, Vec::<&(String, String)>::new(), "{run:?}");
        let invalid = results.iter().filter(|(_, result)| result == "invalid").count();
        assert_eq!(invalid, if folder == "nbformat" { 2 * 3 } else { 0 }, "{run:?}");
    }
    assert!(same >= 60, "{same}");
}

#[test]
fn what_is_exported_as_jupyter_notebooks_comes_back_under_its_ids() {
    let this = Move::new();
    let mut secret = crate::support::notebook("sql", 4, &["x = 1", "# %% [markdown]\n# Hi"]);
    secret["db_conn_string"] = "postgres://me:hunter2@db/sales".into();
    secret["cells"][0]["type"] = "sql".into();
    secret["cells"][0]["outputs"] = json!([{"mime_type": "text/plain", "data": "1", "metadata": {}}]);
    this.write("sql.json", secret.to_string());
    let mut odd = crate::support::notebook("b/odd id", 1, &["y = 2"]);
    odd["name"] = "Named".into();
    this.write("odd.json", odd.to_string());
    let key = |arguments: &[&str]| -> Ended {
        let mut command = this.command(arguments);
        command.env("QUIRE_SECRET_KEY", crate::support::KEY).output().unwrap().into()
    };
    assert_eq!(key(&["run"]).code, Some(0));
    let out = this.dir.path().join("out");
    let to = out.to_str().unwrap();
    let refused = key(&with(&["export", "--to", to], &["--secrets", "plain"]));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let exported = this.expect(0, &with(&["export", "--to", to], &[]));
    let mut lines = exported.results();
    lines.sort();
    assert_eq!(lines, rows(&[("b/odd id", "exported"), ("sql", "exported")]));
    let files: Vec<String> = names(&out);
    assert_eq!(files.len(), 2);
    assert!(files[0].starts_with('=') && files[1] == "sql.ipynb", "{files:?}");
    let text = fs::read_to_string(out.join("sql.ipynb")).unwrap();
    assert!(!text.contains("hunter2") && !text.contains("q1."), "{text}");
    let written: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&written["metadata"]["quire"]["id"], &written["cells"][1]["cell_type"]),
        (&json!("sql"), &json!("markdown"))
    );
    assert_eq!(
        fs::metadata(out.join("sql.ipynb"))
            .map(|it| std::os::unix::fs::PermissionsExt::mode(&it.permissions()) & 0o777)
            .unwrap(),
        0o600
    );

    let other = Move::new();
    let from = with(&["run", "--verify", "--notebooks-dir", to], &["--owner", "user_ann"]);
    let back = other.expect(0, &from);
    assert_eq!(back.results().len(), 4);
    for (id, name) in [("sql", None), ("b/odd id", Some("Named"))] {
        let (one, two) = (this.load(id).unwrap(), other.load(id).unwrap());
        assert_eq!((two.name.as_deref(), two.connection.is_some()), (name, false));
        let content = |notebook: &quire_domain::Notebook| -> Vec<_> {
            let cells = notebook.cells.iter();
            cells.map(|cell| (cell.id.clone(), cell.cell_type, cell.code.clone(), cell.results.clone())).collect()
        };
        assert_eq!(content(&one), content(&two));
    }
    // A copy under another name is another notebook.
    fs::copy(out.join("sql.ipynb"), out.join("copy.ipynb")).unwrap();
    let copied = other.expect(0, &from);
    assert_eq!(
        (&copied.line("copy.ipynb")["id"], &copied.line("copy.ipynb")["result"]),
        (&json!("copy"), &json!("imported"))
    );
}

#[test]
fn an_unfinished_export_goes_on_and_a_finished_one_is_left_alone() {
    let this = Move::new();
    for id in ["a1", "a2", "gone"] {
        this.notebook(id, 1, &["x = 1"]);
    }
    this.expect(0, &["run"]);
    this.sql("UPDATE cells SET order_key = 'broken!' WHERE notebook_id = 'a2'");
    let out = this.dir.path().join("out");
    let to = out.to_str().unwrap();
    let first = this.expect(1, &with(&["export", "--to", to], &[]));
    assert_eq!(first.line("a2")["result"], "failed");
    assert_eq!(names(&out), ["a1.ipynb", "gone.ipynb"]);
    // Files of the other format must not be added.
    this.expect(2, &["export", "--to", to]);
    this.sql("UPDATE cells SET order_key = 'a0' WHERE notebook_id = 'a2'; DELETE FROM notebooks WHERE id = 'gone'");
    let second = this.expect(0, &with(&["export", "--to", to], &[]));
    let result = |id: &str| second.line(id)["result"].as_str().unwrap().to_owned();
    assert_eq!(["a1", "a2", "gone"].map(result), ["unchanged", "exported", "removed"]);
    assert_eq!(names(&out), ["a1.ipynb", "a2.ipynb"]);
    this.expect(2, &with(&["export", "--to", to], &[]));
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

#[test]
fn a_stored_connection_string_outlives_what_files_without_one_bring() {
    let this = Move::new();
    this.write("n.ipynb", jupyter("x = 1").to_string());
    this.expect(0, &with(&["run"], &["--owner", "user_ann"]));
    this.sql("UPDATE notebooks SET db_conn_sealed = 'q1.k.c29tZXRoaW5n'");
    let again = this.expect(0, &with(&["run", "--on-conflict", "overwrite"], &["--owner", "user_ann"]));
    assert_eq!(again.results(), rows(&[("n.ipynb", "unchanged")]));
    this.expect(0, &with(&["verify"], &["--owner", "user_ann"]));
    this.write("n.ipynb", jupyter("x = 2").to_string());
    let other = this.expect(0, &with(&["run", "--on-conflict", "overwrite"], &["--owner", "user_ann"]));
    assert_eq!(other.results(), rows(&[("n.ipynb", "updated")]));
    let stored = this.load("n").unwrap();
    assert_eq!(stored.connection.unwrap().expose(), "q1.k.c29tZXRoaW5n");
    assert!(stored.cells.iter().any(|cell| &*cell.code == "x = 2"));
    this.expect(0, &with(&["verify"], &["--owner", "user_ann"]));
}
