//! Histories of servers that reach the database through a pooler, or whose clocks differ.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use quire_test_postgres::{PgBouncer, Server as Postgres};
use quire_tests::{Server, binary};
use serde_json::Value;

use super::{UNLIMITED, fresh_database, run};

#[test]
fn operations_through_a_pooler_in_transaction_mode_show_no_stale_read() {
    let (_runtime, database) = fresh_database();
    let pooler = PgBouncer::start(Postgres::shared());
    let url = database.url_at(pooler.port());
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}pgbouncer=true");
    let servers = [(); 2].map(|()| Server::on_database_with(&url, UNLIMITED));
    run(&servers, 1_500);
}

/// Returns the library that gives a program another time, if the machine has it.
fn libfaketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok).map(|entry| entry.path());
    folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|library| library.is_file())
}

/// Returns the moment of a server's clock at which it creates a notebook, in seconds.
fn now(server: &Server) -> i64 {
    let id = server.ok("POST", "/api/notebooks", None)["notebook_id"].as_str().unwrap().to_owned();
    let notebook: Value = server.ok("GET", &format!("/api/notebooks/{id}"), None);
    notebook["created_at"].as_str().unwrap().parse::<quire_domain::Timestamp>().unwrap().timestamp()
}

#[test]
fn operations_at_servers_whose_clocks_are_an_hour_apart_show_no_stale_read() {
    let Some(library) = libfaketime() else {
        // Not by `println!`, which the test harness captures.
        let said = "left out: clocks that are an hour apart, since libfaketime is missing (Debian package libfaketime)";
        let _ = writeln!(std::io::stderr(), "{said}");
        return;
    };
    let (_runtime, database) = fresh_database();
    let mut ahead = Command::new(binary("quire-server"));
    ahead.env("DATABASE_URL", database.url()).args(UNLIMITED);
    ahead.env("LD_PRELOAD", library).env("FAKETIME", "+1h").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let servers = [Server::on_database_with(database.url(), UNLIMITED), Server::spawn(ahead)];
    let apart = now(&servers[1]) - now(&servers[0]);
    assert!((3_590..=3_610).contains(&apart), "the clocks are {apart} s apart");
    run(&servers, 1_500);
}
