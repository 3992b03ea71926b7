//! Which partitions a statement touches when the tables are partitioned by the notebook's id, according to the plans that
//! `PostgreSQL` itself logs of everything that it executes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quire_domain::{ConnectionString, SecretKey, SecretKeys};
use quire_storage::conformance::{BEHAVIOURS, Failure, StoreBuilder, run};
use quire_storage::prelude::*;
use quire_storage::{Held, KernelLeases as _, NotebookStore, StoreError, UserDirectory as _};
use quire_storage_postgres::{InstanceMode, PostgresNotebookStore, ServerRegistration};
use quire_test_postgres::{Database, Server, Settings};
use serde_json::Value;

use crate::partitioned::{PARTITIONS, partitioned};
use crate::support::{ann, notebook, open};

/// Settings of a server that logs the plan of each statement after its execution, those within triggers of foreign keys
/// included.
const EXPLAINING: [&str; 6] = [
    "session_preload_libraries = 'auto_explain'",
    "auto_explain.log_min_duration = 0",
    "auto_explain.log_analyze = on",
    "auto_explain.log_timing = off",
    "auto_explain.log_nested_statements = on",
    "auto_explain.log_format = json",
];

/// Operations on one notebook, and a part of their statement. Each reads the notebook's own partition.
const OF_ONE_NOTEBOOK: &[(&str, &str)] = &[
    ("an edit of one cell", "\n), cell AS (\n    UPDATE cells"),
    ("a group of edits and results", "\n), deleted AS (\n    DELETE FROM cells USING bump"),
    (
        "an edit with an idempotency key",
        ", recorded AS (INSERT INTO idempotency_keys (user_id, key, request, outcome, created_at) SELECT r.* FROM bump",
    ),
    ("a replacement", "    SET user_id = $"),
    ("a load", "FROM cell_outputs\nWHERE notebook_id = $1"),
    ("a deletion", "DELETE FROM \"notebooks\" WHERE \"notebooks\".\"id\" = $1"),
    ("a deletion with an idempotency key", "WITH gone AS (DELETE FROM notebooks WHERE id = $1"),
    ("the owner of a notebook", "SELECT \"notebooks\".\"user_id\" FROM \"notebooks\" WHERE \"notebooks\".\"id\" = $1"),
    ("what became of a commit", "\"notebooks\".\"commit_versions\" FROM \"notebooks\" WHERE \"notebooks\".\"id\" = $1"),
    ("a resealed connection string", "UPDATE \"notebooks\" SET \"db_conn_sealed\" = $1"),
    ("a deletion's cells", "DELETE FROM \"public\".\"cells\" WHERE"),
    ("a deletion's outputs", "DELETE FROM \"public\".\"cell_outputs\" WHERE"),
    ("a deletion's lease of a kernel", "DELETE FROM \"public\".\"kernels\" WHERE"),
    ("a lease of a kernel", "    INSERT INTO kernels ("),
    ("the holder of a kernel", "SELECT servers.address, kernels.started_at"),
    ("a look at a lease", "SELECT \"kernels\".\"epoch\" FROM \"kernels\""),
    ("the end of a lease", "DELETE FROM \"kernels\" WHERE"),
    ("the notebook of a new cell", "FROM \"public\".\"notebooks\" x WHERE"),
    ("the cell of a new output", "FROM \"public\".\"cells\" x WHERE"),
];

/// A creation only inserts: each row goes to the partition of its notebook's id, and no partition is read.
const CREATION: &str = "    INSERT INTO notebooks (";

/// Operations that ask all partitions by their nature, and a part of their statement; `docs/scaling.md` names them too.
const OVER_ALL: &[(&str, &str)] = &[
    // An owner's notebooks have different ids.
    ("a list", "\"notebooks\".\"user_id\", \"notebooks\".\"name\", "),
    ("a search", " LEFT JOIN LATERAL ("),
    ("an owner's usage", "pg_column_size("),
    // One statement for many ids. PostgreSQL does not prune by an array in a parameter, and asks each partition for all.
    ("fresh versions of many notebooks", "LEFT JOIN \"notebooks\" ON \"notebooks\".\"id\" = ANY($1)"),
    ("versions and digests of many notebooks", "FROM \"notebooks\" WHERE \"notebooks\".\"id\" = ANY($1)"),
    ("look-ups of many notebooks", " LEFT JOIN \"notebooks\" ON \"notebooks\".\"id\" = ANY($1)"),
    // An operator's commands go through all notebooks, in batches.
    ("new lives", "WITH batch AS ("),
    ("connection strings to reseal", "\"notebooks\".\"db_conn_sealed\" IS NOT NULL"),
];

/// Statement by statement, the largest set of partitions that one execution touched.
type Touched = BTreeMap<String, BTreeSet<usize>>;

/// Returns the plans in a server's log. Each follows a line that ends with `plan:`, on lines that begin with a tab.
fn plans(log: &str) -> Vec<Value> {
    let mut plans = Vec::new();
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.ends_with("  plan:") {
            continue;
        }
        let mut plan = String::new();
        while let Some(line) = lines.next_if(|line| line.starts_with('\t')) {
            plan.push_str(line);
        }
        plans.push(serde_json::from_str(&plan).unwrap());
    }
    plans
}

/// Adds the partitions that a node of a plan and those below it have read. A pruned partition is absent, or was never
/// executed.
fn add_touched(node: &Value, touched: &mut BTreeSet<usize>) {
    let number = node["Relation Name"].as_str().and_then(|name| name.rsplit_once('_')?.1.parse::<usize>().ok());
    if node["Actual Loops"].as_f64().unwrap() > 0.0 {
        touched.extend(number);
    }
    for below in node["Plans"].as_array().into_iter().flatten() {
        add_touched(below, touched);
    }
}

fn touched(log: &str) -> Touched {
    let mut all = Touched::new();
    for plan in plans(log) {
        let mut touched = BTreeSet::new();
        add_touched(&plan["Plan"], &mut touched);
        let most = all.entry(plan["Query Text"].as_str().unwrap().to_owned()).or_default();
        if touched.len() > most.len() {
            *most = touched;
        }
    }
    all
}

/// Builds stores one after the other on one database, which takes a fraction of the time of a new one for each.
struct OneByOne<'a>(&'a Database);

impl StoreBuilder for OneByOne<'_> {
    type Guard = ();

    async fn build(&self) -> Result<(Arc<dyn NotebookStore>, ()), Failure> {
        sqlx::raw_sql("TRUNCATE users CASCADE").execute(&mut self.0.connect().await).await?;
        Ok((open(self.0), ()))
    }

    async fn reopen(&self, store: Arc<dyn NotebookStore>, (): &mut ()) -> Result<Arc<dyn NotebookStore>, Failure> {
        drop(store);
        Ok(open(self.0))
    }
}

/// Calls what the conformance suite does not: the operators' commands, and the directory of users.
async fn call_others(store: &Arc<PostgresNotebookStore>) -> Result<(), StoreError> {
    let mut sealed = notebook("sealed", &[("a", "")]);
    let key = |digit: char| SecretKey::parse(&digit.to_string().repeat(43)).unwrap();
    let plain = ConnectionString::new("postgres://db").unwrap().unwrap();
    let keys = SecretKeys { current: key('A'), old: None };
    sealed.connection = Some(keys.seal(&plain, &sealed.id, &sealed.owner, [0; 24]).unwrap());
    store.create(&sealed, None).await?;
    let newer = SecretKeys { current: key('Q'), old: Some(key('A')) };
    assert_eq!(store.reseal(&newer).await?.resealed, 1);
    assert!(store.renew_lives().await? > 0);
    store.set_email(&ann(), "ann@example.com").await?;
    assert!(store.find(&ann()).await?.is_some());
    assert!(store.health().await.writes);
    let mut registration = ServerRegistration::new(InstanceMode::Many, "here".to_owned(), "0.1.0".to_owned());
    registration.attempt(store).await?;
    let leases = registration.kernel_leases(store);
    let Held::Lease { epoch } = leases.hold(&sealed.id).await? else { panic!("there is no other server") };
    assert_eq!((leases.holder(&sealed.id).await?, leases.is_held(&sealed.id, epoch).await?), (None, true));
    let mut other = ServerRegistration::new(InstanceMode::Many, "there".to_owned(), "0.1.0".to_owned());
    other.attempt(store).await?;
    assert!(matches!(other.kernel_leases(store).hold(&sealed.id).await?, Held::Elsewhere { .. }));
    leases.release(&sealed.id, epoch).await?;
    Ok(())
}

/// Tests every statement that the store sends in the whole conformance suite and in the operators' commands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_statement_touches_one_partition() {
    let conf = EXPLAINING.map(str::to_owned).to_vec();
    let server = Server::start(&Settings { conf, ..Settings::default() });
    let database = partitioned(&server).await;
    let begun = server.log().len();
    for behaviour in BEHAVIOURS {
        let passed = run(behaviour, &OneByOne(&database)).await.unwrap();
        passed.unwrap_or_else(|failure| panic!("{behaviour}: {failure}"));
    }
    call_others(&open(&database)).await.unwrap();
    let all = touched(&server.log()[begun..]);

    let over_all = |text: &str| OVER_ALL.iter().find(|(_, part)| text.contains(part));
    for (text, touched) in &all {
        assert!(touched.len() <= 1 || over_all(text).is_some(), "this statement touches {touched:?}:\n{text}");
    }
    // Nothing is listed that is not so, and the plans do show what was touched.
    let most = |part: &str| all.iter().filter(|(text, _)| text.contains(part)).map(|(_, touched)| touched.len()).max();
    assert_eq!(most(CREATION), Some(0));
    for (name, part) in OF_ONE_NOTEBOOK {
        assert_eq!(most(part), Some(1), "{name}");
    }
    for (name, part) in OVER_ALL {
        assert_eq!(most(part), Some(PARTITIONS), "{name}");
    }
}
