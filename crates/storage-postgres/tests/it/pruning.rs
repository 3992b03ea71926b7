//! Which partitions a statement touches when the tables are partitioned by the notebook's id, according to the plans that
//! `PostgreSQL` itself logs of everything that it executes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use futures_util::{StreamExt as _, stream};
use quire_domain::{ConnectionString, SecretKey, SecretKeys};
use quire_storage::conformance::{BEHAVIOURS, run};
use quire_storage::prelude::*;
use quire_storage::{StoreError, UserDirectory as _};
use quire_test_postgres::{Server, Settings};
use serde_json::Value;

use crate::partitioned::{Builder, PARTITIONS, partitioned};
use crate::support::{ann, notebook, open};

/// Number of behaviours that are tested at once.
const AT_ONCE: usize = 2;

/// A server that logs the plan of each statement after its execution, those within triggers of foreign keys included.
static EXPLAINING: LazyLock<Server> = LazyLock::new(|| {
    let conf = [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_analyze = on",
        "auto_explain.log_timing = off",
        "auto_explain.log_nested_statements = on",
        "auto_explain.log_format = json",
    ];
    Server::start(&Settings { conf: conf.map(str::to_owned).to_vec(), ..Settings::default() })
});

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
    ("versions and digests of many notebooks", "FROM \"notebooks\" WHERE \"notebooks\".\"id\" = ANY($1)"),
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
    let partition = node["Relation Name"].as_str().and_then(|name| {
        let (table, number) = name.rsplit_once('_')?;
        if ["notebooks", "cells", "cell_outputs"].contains(&table) { number.parse::<usize>().ok() } else { None }
    });
    if node["Actual Loops"].as_f64().unwrap() > 0.0 {
        touched.extend(partition);
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

/// What the conformance suite does not call: the operators' commands, and the directory of users.
async fn others() -> Result<(), StoreError> {
    let database = partitioned(&EXPLAINING).await;
    let store = open(&database);
    let mut sealed = notebook("sealed", &[("a", "")]);
    let key = |byte: char| SecretKey::parse(&byte.to_string().repeat(43)).unwrap();
    let plain = ConnectionString::new("postgres://db").unwrap().unwrap();
    let keys = SecretKeys { current: key('A'), old: None };
    sealed.connection = Some(keys.seal(&plain, &sealed.id, &sealed.owner, [0; 24]).unwrap());
    store.create(&sealed, None).await?;
    let newer = SecretKeys { current: key('Q'), old: Some(key('A')) };
    assert_eq!(store.reseal(&newer).await?.resealed, 1);
    assert_eq!(store.renew_lives().await?, 1);
    store.set_email(&ann(), "ann@example.com").await?;
    assert!(store.find(&ann()).await?.is_some());
    assert!(store.health().await.writes);
    Ok(())
}

/// Tests every statement that the store sends in the whole conformance suite and in the operators' commands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_statement_touches_one_partition() {
    let begun = EXPLAINING.log().len();
    let mut behaviours = stream::iter(BEHAVIOURS)
        .map(|behaviour| tokio::spawn(run(behaviour, &Builder(|| &EXPLAINING))))
        .buffered(AT_ONCE)
        .zip(stream::iter(BEHAVIOURS));
    while let Some((passed, behaviour)) = behaviours.next().await {
        passed.unwrap().unwrap().unwrap_or_else(|failure| panic!("{behaviour}: {failure}"));
    }
    others().await.unwrap();
    let all = touched(&EXPLAINING.log()[begun..]);

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
