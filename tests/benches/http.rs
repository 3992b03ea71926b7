//! Benchmark of the HTTP API: reads relative to a bare handler that sends the same bytes, writes relative to the disk's
//! own rate.
//!
//! Run with `cargo bench -p quire-tests --bench http`. The figures are of one run on one machine; only the ratios are
//! comparable.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on panics")]
#![expect(clippy::cast_precision_loss, reason = "figures are rounded anyway")]

mod common;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use quire_test_postgres::{Database, Pgbench, Server as Postgres, Settings};
use quire_tests::{Server, binary};

use self::common::{CELL_BYTES, CELLS, Connection, UNLIMITED, bare, get, notebook, put, start_bare};

const CONNECTIONS: usize = 16;
const RUN: Duration = Duration::from_secs(4);

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--bare") {
        bare(&arguments.next().unwrap());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(binary("quire-server"));
    command.arg("--notebooks-dir").arg(dir.path()).args(UNLIMITED);
    let server = Server::spawn(command);
    let notebooks: Vec<(String, String)> = (0..CONNECTIONS).map(|_| notebook(&server)).collect();
    let gets: Vec<Vec<u8>> = notebooks.iter().map(|(id, _)| get(&format!("/api/notebooks/{id}"))).collect();
    let (_, body) = Connection::to(server.address()).exchange(&gets[0]);
    let bytes = body.len();
    println!("{CONNECTIONS} connections, notebooks of {CELLS} cells of {CELL_BYTES} bytes ({bytes} bytes of JSON)");

    let file = dir.path().join("body");
    std::fs::write(&file, &body).unwrap();
    let bare = start_bare(&file);
    // The two alternate, so that other load on the machine affects both.
    let (mut read, mut ceiling) = (0.0, 0.0);
    for _ in 0..3 {
        ceiling += rate(bare.address(), |_| get("/")) / 3.0;
        read += rate(server.address(), |n| gets[n].clone()) / 3.0;
    }
    println!("reads:  {read:.0}/s; bare handler {ceiling:.0}/s; ratio {:.2}", read / ceiling);

    let syncs = raw_syncs(dir.path(), bytes);
    let spread = rate(server.address(), |n| put(&notebooks[n]));
    let hot = rate(server.address(), |_| put(&notebooks[0]));
    println!("raw:    {syncs:.0}/s write and sync of {bytes} bytes, one after the other, on this disk");
    println!("writes: {spread:.0}/s on {CONNECTIONS} notebooks; ratio to raw {:.2}", spread / syncs);
    println!("writes: {hot:.0}/s on one hot notebook; ratio to raw {:.2}", hot / syncs);
    drop(server);
    database();
}

/// Measures the same writes with the notebooks in a database, relative to `pgbench` there.
fn database() {
    let postgres = Postgres::start(&Settings { fsync: true, ..Settings::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(Database::on(&postgres));
    let yardstick = runtime.block_on(Pgbench::prepare(&database, CELL_BYTES));
    let mut command = std::process::Command::new(binary("quire-server"));
    command.env("DATABASE_URL", database.url()).args(["--database-connections", "16"]).args(UNLIMITED);
    let server = Server::spawn(command);
    let notebooks: Vec<(String, String)> = (0..CONNECTIONS).map(|_| notebook(&server)).collect();
    let (mut pgbench, mut spread, mut hot) = (0.0, 0.0, 0.0);
    for _ in 0..3 {
        pgbench += yardstick.rate(CONNECTIONS, RUN) / 3.0;
        spread += rate(server.address(), |n| put(&notebooks[n])) / 3.0;
        hot += rate(server.address(), |_| put(&notebooks[0])) / 3.0;
    }
    println!("pgbench: {pgbench:.0}/s prepared UPDATEs of an equal row, {CONNECTIONS} clients");
    println!("database: {spread:.0}/s writes on {CONNECTIONS} notebooks; ratio to pgbench {:.2}", spread / pgbench);
    println!("database: {hot:.0}/s writes on one hot notebook; ratio to pgbench {:.2}", hot / pgbench);
}

/// Returns the requests answered per second, by as many threads as there are connections.
fn rate(address: &str, request: impl Fn(usize) -> Vec<u8>) -> f64 {
    common::rate(RUN, &(0..CONNECTIONS).map(|n| (address, request(n))).collect::<Vec<_>>())
}

/// Returns the number of writes with sync of so many bytes to a file per second.
fn raw_syncs(dir: &Path, bytes: usize) -> f64 {
    let data = vec![b'x'; bytes];
    let start = Instant::now();
    let mut count = 0_u32;
    while start.elapsed() < RUN {
        let mut file = File::create(dir.join("raw")).unwrap();
        file.write_all(&data).unwrap();
        file.sync_all().unwrap();
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}
