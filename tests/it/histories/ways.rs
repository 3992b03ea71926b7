//! Histories of servers that reach the database through a pooler, or whose clocks differ; and the ways in which servers of other
//! histories do both.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use quire_test_postgres::{Database, PgBouncer, Server as Postgres};
use quire_tests::{Server, binary};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::{UNLIMITED, fresh_database, run};

/// Two servers' database, the way to it, and their clocks.
pub(super) struct Way {
    _runtime: Runtime,
    database: Database,
    pooler: Option<PgBouncer>,
    /// The library that sets the second server's clock.
    other_time: Option<PathBuf>,
}

impl Way {
    /// Creates servers that reach a fresh database directly, and have one time.
    pub(super) fn plain() -> Self {
        let (runtime, database) = fresh_database();
        Self { _runtime: runtime, database, pooler: None, other_time: None }
    }

    /// Creates servers that reach a fresh database through a pooler in transaction mode, and whose clocks are an hour apart if the
    /// machine has libfaketime.
    pub(super) fn through_a_pooler_an_hour_apart() -> Self {
        Self { pooler: Some(PgBouncer::start(Postgres::shared())), other_time: libfaketime(), ..Self::plain() }
    }

    /// Returns the pooler, if there is one.
    pub(super) fn pooler(&self) -> Option<&PgBouncer> {
        self.pooler.as_ref()
    }

    /// Starts the first server or the second one, which reaches the database or its pooler at this port, if one is given.
    pub(super) fn start(&self, place: usize, port: Option<u16>) -> Server {
        let url = match (&self.pooler, port) {
            (Some(pooler), port) => pooled(&self.database, port.unwrap_or(pooler.port())),
            (None, Some(port)) => self.database.url_at(port),
            (None, None) => self.database.url().to_owned(),
        };
        match self.other_time.as_ref().filter(|_| place == 1) {
            None => Server::on_database_with(&url, UNLIMITED),
            Some(library) => start_ahead(&url, library),
        }
    }
}

/// Returns the URL of a database through a pooler at this port.
pub(super) fn pooled(database: &Database, port: u16) -> String {
    let url = database.url_at(port);
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}pgbouncer=true")
}

#[test]
fn operations_through_a_pooler_in_transaction_mode_show_no_stale_read() {
    let (_runtime, database) = fresh_database();
    let pooler = PgBouncer::start(Postgres::shared());
    let url = pooled(&database, pooler.port());
    let servers = [(); 2].map(|()| Server::on_database_with(&url, UNLIMITED));
    run(&servers, 1_500);
}

/// Returns the library that gives a program another time. If the machine has none, this prints what is left out.
fn libfaketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let library = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|library| library.is_file());
    if library.is_none() {
        // Not by `println!`, which the test harness captures.
        let said = "left out: clocks that are an hour apart, since libfaketime is missing (Debian package libfaketime)";
        let _ = writeln!(std::io::stderr(), "{said}");
    }
    library
}

/// Starts a server whose clock is an hour ahead.
fn start_ahead(url: &str, library: &Path) -> Server {
    let mut ahead = Command::new(binary("quire-server"));
    ahead.env("DATABASE_URL", url).args(UNLIMITED);
    ahead.env("LD_PRELOAD", library).env("FAKETIME", "+1h").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Server::spawn(ahead)
}

/// Returns the moment of a server's clock at which it creates a notebook, in seconds.
fn now(server: &Server) -> i64 {
    let id = server.ok("POST", "/api/notebooks", None)["notebook_id"].as_str().unwrap().to_owned();
    let notebook: Value = server.ok("GET", &format!("/api/notebooks/{id}"), None);
    notebook["created_at"].as_str().unwrap().parse::<quire_domain::Timestamp>().unwrap().timestamp()
}

#[test]
fn operations_at_servers_whose_clocks_are_an_hour_apart_show_no_stale_read() {
    let Some(library) = libfaketime() else { return };
    let (_runtime, database) = fresh_database();
    let servers = [Server::on_database_with(database.url(), UNLIMITED), start_ahead(database.url(), &library)];
    let apart = now(&servers[1]) - now(&servers[0]);
    assert!((3_590..=3_610).contains(&apart), "the clocks are {apart} s apart");
    run(&servers, 1_500);
}
