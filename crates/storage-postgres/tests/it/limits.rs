//! Refusals of the database: statements that take too long, a full disk, failures of our own.

use std::time::Duration;

use quire_domain::Place;
use quire_storage::StoreError;
use quire_storage::prelude::*;
use quire_storage_postgres::Options;
use quire_test_postgres::Database;

use crate::support::{Editor, insert, kept, load, notebook, notebook_id, open, open_with, printed, update};

/// The server ends a statement that waits too long, so that it is known that nothing was stored.
#[tokio::test]
async fn a_commit_that_waits_too_long_is_refused() {
    let database = Database::fresh().await;
    let options = Options { statement_timeout: Duration::from_millis(200), ..Options::default() };
    let store = open_with(database.url(), options);
    let mut editor = Editor::create(&*store, notebook("x", &[("a", "")])).await;
    let mut holder = database.connect().await;
    sqlx::raw_sql("BEGIN; SELECT FROM notebooks FOR UPDATE").execute(&mut holder).await.unwrap();
    for edits in [vec![update("a", "refused")], vec![printed("a", "refused", 1)], vec![insert("b", "", Place::End)]] {
        let answer = editor.commit(&*store, &edits).await;
        assert!(matches!(answer, Err(StoreError::Overloaded { .. })), "{answer:?}");
    }
    let answer = store.delete_current(&notebook_id("x"), None).await;
    assert!(matches!(answer, Err(StoreError::Overloaded { .. })), "{answer:?}");
    sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    assert_eq!(kept(&load(&*store, &notebook_id("x")).await), kept(editor.notebook()));
    editor.commit(&*store, &[update("a", "stored")]).await.unwrap();
    assert_eq!(kept(&load(&*store, &notebook_id("x")).await), kept(editor.notebook()));
}

/// A disk that is full is made by a trigger that says so, with the code that the server itself has for it: a real one
/// would need a file system of its own, which only an administrator can mount.
#[tokio::test]
async fn a_full_disk_is_told_and_changes_nothing() {
    let database = Database::fresh().await;
    let store = open(&database);
    let mut editor = Editor::create(&*store, notebook("x", &[("a", "")])).await;
    editor.commit(&*store, &[printed("a", "small", 1)]).await.unwrap();
    let full = "
        CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER full_cells BEFORE INSERT OR UPDATE ON cells FOR EACH ROW EXECUTE FUNCTION full_disk();
        CREATE TRIGGER full_outputs BEFORE INSERT OR UPDATE ON cell_outputs FOR EACH ROW EXECUTE FUNCTION full_disk();";
    let mut administrator = database.connect().await;
    sqlx::raw_sql(full).execute(&mut administrator).await.unwrap();

    let before = kept(editor.notebook());
    for edits in [vec![update("a", "large")], vec![printed("a", "large", 3)], vec![insert("b", "", Place::End)]] {
        let answer = editor.commit(&*store, &edits).await;
        assert!(matches!(answer, Err(StoreError::Full { .. })), "{answer:?}");
    }
    let mut next = editor.notebook().clone();
    next.revision = next.revision.next().unwrap();
    let answer = store.replace(editor.notebook().base(), &next).await;
    assert!(matches!(answer, Err(StoreError::Full { .. })), "{answer:?}");
    let answer = store.create(&notebook("y", &[("a", "")]), None).await;
    assert!(matches!(answer, Err(StoreError::Full { .. })), "{answer:?}");
    assert_eq!(kept(&load(&*store, &notebook_id("x")).await), before);
    assert!(store.load(&notebook_id("y")).await.unwrap().is_none());

    sqlx::raw_sql("DROP FUNCTION full_disk CASCADE").execute(&mut administrator).await.unwrap();
    editor.commit(&*store, &[update("a", "large"), printed("a", "large", 3)]).await.unwrap();
    assert_eq!(kept(&load(&*store, &notebook_id("x")).await), kept(editor.notebook()));
}

/// A violation of a rule of the schema is an internal error: the group is refused as a whole.
#[tokio::test]
async fn a_value_that_the_schema_refuses_takes_nothing_along() {
    let database = Database::fresh().await;
    let store = open(&database);
    let mut editor = Editor::create(&*store, notebook("x", &[("a", ""), ("b", "")])).await;
    let rule = "ALTER TABLE cells ADD CONSTRAINT test_rule CHECK (code <> 'unlucky')";
    sqlx::raw_sql(rule).execute(&mut database.connect().await).await.unwrap();
    let answer = editor.commit(&*store, &[update("a", "fine"), update("b", "unlucky"), printed("a", "1", 1)]).await;
    assert!(matches!(answer, Err(StoreError::Backend { .. })), "{answer:?}");
    assert_eq!(kept(&load(&*store, &notebook_id("x")).await), kept(editor.notebook()));
    editor.commit(&*store, &[update("a", "fine")]).await.unwrap();
}
