use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use quire_test_postgres::{Database, Server, Settings, URL_VARIABLE};
use sqlx::{ConnectOptions, Connection};

/// Variable that is set in the process which [`a_killed_process_leaves_no_server`] starts and kills.
const CHILD: &str = "QUIRE_TEST_POSTGRES_CHILD";

#[tokio::test]
async fn a_commit_survives_a_kill() {
    let server = Server::start(&Settings { fsync: true, ..Settings::default() });
    let database = Database::on(&server).await;
    let mut connection = database.connect().await;
    for round in 0..3 {
        let insert = sqlx::query("INSERT INTO users (id) VALUES ($1)").bind(round.to_string());
        insert.execute(&mut connection).await.unwrap();
        let port = server.port();
        server.kill();
        connection.ping().await.unwrap_err();
        database.options().connect().await.unwrap_err();
        server.restart();
        assert_eq!(server.port(), port);
        connection = database.connect().await;
    }
    let users = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM users").fetch_one(&mut connection).await.unwrap();
    assert_eq!(users, 3);
}

#[tokio::test]
async fn settings_reach_the_server() {
    let server = Server::start(&Settings { conf: vec!["max_connections = 7".to_owned()], ..Settings::default() });
    let mut connection = server.options().connect().await.unwrap();
    let mut shown = Vec::new();
    for setting in ["SHOW max_connections", "SHOW fsync", "SHOW server_encoding", "SHOW lc_collate"] {
        shown.push(sqlx::query_scalar::<_, String>(setting).fetch_one(&mut connection).await.unwrap());
    }
    assert_eq!(shown, ["7", "off", "UTF8", "C.UTF-8"]);
    server.stop();
    server.options().connect().await.unwrap_err();
}

#[tokio::test]
async fn the_log_has_what_was_logged_before_an_answer() {
    let settings = Settings { conf: vec!["log_statement = 'all'".to_owned()], ..Settings::default() };
    let server = Server::start(&settings);
    let mut connection = server.options().connect().await.unwrap();
    sqlx::raw_sql("SELECT 'this is logged'").execute(&mut connection).await.unwrap();
    assert!(server.log().contains("SELECT 'this is logged'"));
}

/// Tests that a standby shows what the primary has, refuses writes with `read_only_sql_transaction`, and takes them once it
/// is promoted, also after the death of the primary.
#[tokio::test]
async fn a_standby_follows_until_it_is_promoted() {
    let primary = Server::start(&Settings::default());
    let standby = primary.standby();
    let database = Database::on(&primary).await;
    let mut connection = database.connect().await;
    sqlx::raw_sql("INSERT INTO users (id) VALUES ('ann')").execute(&mut connection).await.unwrap();
    let written: String =
        sqlx::query_scalar("SELECT pg_current_wal_lsn()::text").fetch_one(&mut connection).await.unwrap();
    let mut administrator = standby.options().connect().await.unwrap();
    let started = Instant::now();
    loop {
        let replayed = sqlx::query_scalar("SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn").bind(&written);
        if replayed.fetch_one(&mut administrator).await.unwrap() {
            break;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "the standby does not follow");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut follower = database.options_at(standby.port()).connect().await.unwrap();
    let insert = "INSERT INTO users (id) SELECT 'no ' || id FROM users";
    let refused = sqlx::raw_sql(insert).execute(&mut follower).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("25006"));
    primary.kill();
    sqlx::raw_sql("SELECT pg_promote()").execute(&mut administrator).await.unwrap();
    assert_eq!(sqlx::raw_sql(insert).execute(&mut follower).await.unwrap().rows_affected(), 1);
}

#[tokio::test]
async fn a_dropped_server_leaves_nothing() {
    let server = Server::start(&Settings::default());
    let (process, folder) = whereabouts(&server).await;
    drop(server);
    assert!(!runs(process));
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_killed_process_leaves_no_server() {
    if std::env::var_os(CHILD).is_some() {
        return be_killed().await;
    }
    let mut this = Command::new(std::env::current_exe().unwrap());
    this.args(["--exact", "life::a_killed_process_leaves_no_server", "--nocapture"]);
    // A server that the process did not start would rightly continue.
    this.env(CHILD, "1").env_remove(URL_VARIABLE);
    let mut child = this.stdout(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let said = output.lines().map(Result::unwrap).find_map(|line| Some(line.split_once(CHILD)?.1.to_owned()));
    let said = said.expect("the child says where its server is");
    let (process, folder) = said.trim().split_once(' ').unwrap();
    let process = process.parse().unwrap();
    assert!(runs(process));
    child.kill().unwrap();
    child.wait().unwrap();
    let started = Instant::now();
    while runs(process) || Path::new(folder).exists() {
        assert!(started.elapsed() < Duration::from_mins(1), "the server outlives its tests");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Starts a server, prints its location, and waits to be killed.
async fn be_killed() {
    let (process, folder) = whereabouts(Server::shared()).await;
    println!("{CHILD} {process} {}", folder.display());
    std::future::pending::<()>().await;
}

/// Returns the server's process and the folder that contains all its files.
async fn whereabouts(server: &Server) -> (u32, PathBuf) {
    let mut connection = server.options().connect().await.unwrap();
    let data: String = sqlx::query_scalar("SHOW data_directory").fetch_one(&mut connection).await.unwrap();
    let lock = std::fs::read_to_string(Path::new(&data).join("postmaster.pid")).unwrap();
    (lock.lines().next().unwrap().parse().unwrap(), Path::new(&data).parent().unwrap().to_owned())
}

/// Returns `true` if a process runs; a zombie does not.
fn runs(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}
