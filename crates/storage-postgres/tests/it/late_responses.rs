//! Calls whose connection is lost, and whose outcome is looked up only after many other changes.

use std::sync::Arc;
use std::time::Duration;

use quire_domain::{Edit, Place};
use quire_storage::prelude::*;
use quire_storage::{StoreError, Version};
use quire_storage_postgres::{Options, PostgresNotebookStore};
use quire_test_postgres::{Cut, Database, Proxy, Server};
use sqlx::PgConnection;

use crate::support::{
    Editor, Group, insert, kept, load, notebook, notebook_id, open, open_with, printed, until, update,
};

/// Of each kind of statement, one whose client is gone waits on the server, and so does its repetition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_statement_that_still_waits_and_its_repetition_are_one() {
    let database = Database::fresh().await;
    let proxy = Proxy::start(Server::shared());
    let (cut, direct) = (open_with(&database.url_at(proxy.port()), Options::default()), open(&database));
    let mut editor = Editor::create(&*direct, notebook("held", &[("a", ""), ("b", "")])).await;
    let group = vec![update("a", "2"), insert("c", "", Place::End), printed("b", "2", 2)];
    // Within a transaction the view of activity does not change, so that another connection looks at it.
    let (mut holder, mut watcher) = (database.connect().await, database.connect().await);
    for edits in [vec![update("a", "1")], vec![printed("a", "1", 1)], group] {
        sqlx::raw_sql("BEGIN; SELECT FROM notebooks FOR UPDATE").execute(&mut holder).await.unwrap();
        let before = proxy.cuts();
        proxy.cut_next(Cut::AfterSending);
        let group = editor.apply(&edits);
        let call = {
            let cut = cut.clone();
            tokio::spawn(async move { group.commit(&*cut).await })
        };
        until("the statement and its repetition wait for the row", async || {
            backends(&mut watcher, "wait_event_type = 'Lock'").await == 2
        })
        .await;
        assert_eq!(proxy.cuts(), before + 1);
        sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
        let version = call.await.unwrap().unwrap();
        until("nothing runs any more", async || backends(&mut watcher, "state = 'active'").await == 0).await;
        let stored = direct.load(&notebook_id("held")).await.unwrap().unwrap();
        assert_eq!((kept(&stored.notebook), stored.version), (kept(editor.notebook()), version));
    }
}

/// Returns the number of other sessions in this connection's database that are in such a state.
async fn backends(connection: &mut PgConnection, state: &str) -> i64 {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND {state}"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(connection).await.unwrap()
}

/// A notebook, and a caller's edit of it whose connection will be cut, after which the caller cannot connect again.
struct Cutoff {
    _database: Database,
    proxy: Proxy,
    store: Arc<PostgresNotebookStore>,
    direct: Arc<PostgresNotebookStore>,
    group: Group,
}

impl Cutoff {
    async fn prepare(cut: Cut, connect_timeout: Duration, edit: Edit) -> Self {
        let database = Database::fresh().await;
        let proxy = Proxy::start(Server::shared());
        let options = Options { connect_timeout, max_connections: 1, ..Options::default() };
        let (store, direct) = (open_with(&database.url_at(proxy.port()), options), open(&database));
        let mut editor = Editor::create(&*store, notebook("busy", &[("mine", ""), ("others", "")])).await;
        let group = editor.apply(&[edit]);
        // The connection that made the notebook goes on.
        proxy.refuse();
        proxy.cut_next(cut);
        Self { _database: database, proxy, store, direct, group }
    }

    /// So many edits by others.
    async fn others(&self, times: usize, edit: impl Fn(usize) -> Edit) {
        let mut editor = Editor::load(&*self.direct, &notebook_id("busy")).await;
        for number in 0..times {
            editor.commit(&*self.direct, &[edit(number)]).await.unwrap();
        }
    }

    /// Returns the number of stored edits, and `true` if the caller's is among them.
    async fn stored(&self) -> (i64, bool) {
        let stored = load(&*self.direct, &notebook_id("busy")).await;
        (stored.revision.0, &*stored.cells.get(0).unwrap().code == "mine")
    }
}

fn edit_of_others(number: usize) -> Edit {
    update("others", &number.to_string())
}

#[track_caller]
fn assert_outcome(answer: &Result<Version, StoreError>, others: usize, happened: bool) {
    // A notebook remembers sixteen commits: the last one and fifteen before it.
    let is_true = match answer {
        Ok(_) => others <= 15 && happened,
        Err(StoreError::RevisionMismatch { .. }) => others <= 15 && !happened,
        Err(error) => others > 15 && matches!(error, StoreError::OutcomeUnknown { .. }),
    };
    assert!(is_true, "with {others} others, happened: {happened}: {answer:?}");
}

/// While the caller tries to connect again, others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_others_pushed_out_of_memory_is_unknown() {
    for others in [15, 16, 40] {
        let world = Arc::new(Cutoff::prepare(Cut::AfterAnswer, Duration::from_mins(1), update("mine", "mine")).await);
        let call = {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.group.commit(&*world.store).await })
        };
        until("the connection is cut", async || world.proxy.cuts() == 1).await;
        world.others(others, edit_of_others).await;
        world.proxy.accept();
        assert_outcome(&call.await.unwrap(), others, true);
        assert_eq!(world.stored().await, (i64::try_from(others).unwrap() + 1, true));
    }
}

/// The caller gave up, and tries the same commit again later: a refusal then must not say that nothing was stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repetition_after_many_others_is_answered_truly() {
    for (cut, happened) in [(Cut::AfterAnswer, true), (Cut::BeforeSending, false)] {
        for others in [14, 16] {
            let world = Cutoff::prepare(cut, Duration::from_secs(1), update("mine", "mine")).await;
            let answer = world.group.commit(&*world.store).await;
            assert!(matches!(answer, Err(StoreError::OutcomeUnknown { .. })), "{answer:?}");
            world.others(others, edit_of_others).await;
            world.proxy.accept();
            assert_outcome(&world.group.commit(&*world.store).await, others, happened);
            let edits = i64::try_from(others).unwrap() + i64::from(happened);
            assert_eq!(world.stored().await, (edits, happened));
        }
    }
}

/// Results leave the revision as it is, so that only the commit's id tells them from those that came since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_results_do_not_replace_later_ones() {
    for others in [14, 16] {
        let world = Cutoff::prepare(Cut::AfterAnswer, Duration::from_secs(1), printed("mine", "mine", 1)).await;
        let answer = world.group.commit(&*world.store).await;
        assert!(matches!(answer, Err(StoreError::OutcomeUnknown { .. })), "{answer:?}");
        world.others(others, |number| printed("mine", &number.to_string(), 2)).await;
        world.proxy.accept();
        let answer = world.group.commit(&*world.store).await;
        match answer {
            Ok(_) if others <= 15 => {}
            Err(StoreError::OutcomeUnknown { .. }) if others > 15 => {}
            answer => panic!("with {others} others: {answer:?}"),
        }
        let stored = load(&*world.direct, &notebook_id("busy")).await;
        assert_eq!(stored.cells.get(0).unwrap().results.stdout, (others - 1).to_string());
    }
}
