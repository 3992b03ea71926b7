//! Tests of connection strings: sealed by the import, compared opened, and never printed.

use serde_json::json;

use crate::support::{Ended, KEY, Move, OTHER_KEY, notebook};

const STRING: &str = "postgres://me:hunter2@db/sales";

fn with_string(id: &str, revision: i64, string: &str) -> String {
    let mut notebook = notebook(id, revision, &["x = 1"]);
    notebook["db_conn_string"] = json!(string);
    notebook.to_string()
}

fn with_key(this: &Move, key: &[(&str, &str)], code: i32, arguments: &[&str]) -> Ended {
    let mut command = this.command(&[arguments, &["--json"]].concat());
    let ended: Ended = command.envs(key.to_vec()).output().unwrap().into();
    assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
    assert!(!format!("{ended:?}").contains("hunter"), "{ended:?}");
    ended
}

#[test]
fn a_string_is_sealed_or_its_notebook_fails() {
    let this = Move::new();
    this.write("n.json", with_string("n", 1, STRING));
    this.notebook("without", 1, &[]);
    let keys = [("QUIRE_SECRET_KEY", KEY)];
    let without = with_key(&this, &[], 1, &["run", "--dry-run"]);
    assert_eq!(with_key(&this, &[], 1, &["run"]).lines(), without.lines());
    assert!(without.line("n.json")["reason"].as_str().unwrap().contains("set QUIRE_SECRET_KEY"), "{without:?}");
    assert!(this.load("n").is_none(), "nor is it imported in half");
    with_key(&this, &keys, 0, &["run", "--verify"]);
    let stored = this.load("n").unwrap().connection.unwrap();
    assert!(stored.is_sealed());
    let again = with_key(&this, &keys, 0, &["run", "--on-conflict", "overwrite"]);
    assert_eq!(again.line("n.json")["result"], "unchanged", "though it is sealed anew each time");
    let unopened = with_key(&this, &[], 3, &["verify"]);
    assert!(unopened.line("n.json")["reason"].as_str().unwrap().contains("without QUIRE_SECRET_KEY"), "{unopened:?}");

    // The file was edited by hand, without a new revision.
    this.write("n.json", with_string("n", 1, "postgres://me:hunter3@db/sales"));
    let verify = with_key(&this, &keys, 3, &["verify"]);
    assert_eq!(verify.line("n.json")["reason"], "different: connection string");
    assert_eq!(with_key(&this, &keys, 0, &["run"]).line("n.json")["result"], "skipped");
    let updated = with_key(&this, &keys, 0, &["run", "--on-conflict", "overwrite", "--verify"]);
    assert_eq!(updated.lines()[0]["result"], "updated");
}

/// In the earlier back end, a change of the connection string did not change the revision.
#[test]
fn a_string_that_was_taken_out_of_a_file_does_not_stay() {
    let this = Move::new();
    let keys = [("QUIRE_SECRET_KEY", KEY)];
    this.write("n.json", with_string("n", 1, STRING));
    with_key(&this, &keys, 0, &["run"]);
    this.write("n.json", with_string("n", 1, ""));
    assert_eq!(with_key(&this, &keys, 3, &["verify"]).line("n.json")["reason"], "different: connection string");
    assert_eq!(with_key(&this, &keys, 0, &["run"]).line("n.json")["result"], "skipped");
    with_key(&this, &keys, 0, &["run", "--on-conflict", "overwrite", "--verify"]);
    assert!(this.load("n").unwrap().connection.is_none());
}

/// If a file that differs only in its string counted as a copy, its string would be lost.
#[test]
fn a_copy_with_another_string_is_no_copy() {
    let this = Move::new();
    this.write("a.json", with_string("n", 1, ""));
    this.write("b.json", with_string("n", 1, STRING));
    let run = with_key(&this, &[("QUIRE_SECRET_KEY", KEY)], 1, &["run"]);
    assert_eq!((&run.line("a.json")["result"], &run.line("b.json")["result"]), (&json!("imported"), &json!("failed")));
}

#[test]
fn sealed_strings_move_with_their_key_and_without_it() {
    let this = Move::new();
    this.write("n.json", with_string("n", 1, STRING));
    let (new, old) = (("QUIRE_SECRET_KEY", KEY), ("QUIRE_SECRET_KEY", OTHER_KEY));
    with_key(&this, &[old], 0, &["run"]);
    let files = this.dir.path().join("files");
    with_key(&this, &[], 0, &["export", "--to", files.to_str().unwrap()]);
    let exported = std::fs::read_to_string(files.join("n.json")).unwrap();
    assert!(exported.contains("\"q1.") && !exported.contains("hunter"), "{exported}");

    let other = Move::new();
    other.write("n.json", exported);
    // Without its key, or with another one, the string is kept unchanged, and the line says so.
    for keys in [&[][..], &[new]] {
        other.sql("DELETE FROM notebooks");
        let run = with_key(&other, keys, 0, &["run"]);
        assert!(run.line("n.json")["reason"].as_str().unwrap().contains("connection string"), "{run:?}");
        with_key(&other, keys, 0, &["verify"]);
        assert_eq!(other.load("n").unwrap().connection, this.load("n").unwrap().connection);
    }
    // With both keys the string is resealed.
    let both = [new, ("QUIRE_SECRET_KEY_OLD", OTHER_KEY)];
    other.sql("DELETE FROM notebooks");
    with_key(&other, &both, 0, &["run", "--verify"]);
    with_key(&other, &[new], 3, &["verify"]);
    assert_eq!(other.state()[0].connection.as_ref().unwrap().expose(), STRING);
}

#[test]
fn an_export_says_how_strings_are_written() {
    let this = Move::new();
    this.write("n.json", with_string("n", 1, STRING));
    let keys = [("QUIRE_SECRET_KEY", KEY)];
    with_key(&this, &keys, 0, &["run"]);
    let read = |how: &str, keys: &[(&str, &str)], code: i32| {
        let files = this.dir.path().join(format!("{how}-{code}"));
        with_key(&this, keys, code, &["export", "--secrets", how, "--to", files.to_str().unwrap()]);
        std::fs::read_to_string(files.join("n.json")).unwrap_or_default()
    };
    assert!(read("sealed", &[], 0).contains("\"q1."));
    assert!(read("omit", &[], 0).contains("\"db_conn_string\": null"));
    assert!(read("plain", &keys, 0).contains("hunter2"));
    assert_eq!(read("plain", &[], 2), "", "without a key there is nothing to write");
    let wrong = [("QUIRE_SECRET_KEY", OTHER_KEY)];
    assert_eq!(read("plain", &wrong, 1), "");
}

#[test]
fn no_output_holds_the_databases_password() {
    let this = Move::new();
    this.notebook("n", 1, &[]);
    let url = this.database.url();
    let user_info = url.split_once("://").unwrap().1.split_once('@').unwrap().0;
    let password = user_info.split_once(':').expect("the server that tests run on asks for a password").1;
    for arguments in [
        &["run"][..],
        &["verify"],
        &["run", "--database-url", url],
        &["run", url],
        &["--database-url", url],
        &["export", "--to", "/proc/nowhere"],
        &["run", "--database-url-file", url],
    ] {
        let ended = this.run(arguments);
        assert!(!format!("{ended:?}").contains(password), "{arguments:?}");
    }
    let none: Ended = crate::support::importer(&["run"]).output().unwrap().into();
    assert_eq!(none.code, Some(1), "the directory is looked for first: {none:?}");
    let none: Ended = crate::support::importer(&["export", "--to", "x"]).output().unwrap().into();
    assert_eq!((none.code, none.err.contains("set DATABASE_URL")), (Some(2), true), "{none:?}");
}
