//! Tests of several servers on one database by what their clients were told: no read misses what was acknowledged before it
//! began, and nothing acknowledged is lost or done twice.

mod faults;
mod late;
mod load;
mod recorded;
mod rolling;
mod ways;
mod writers;

use quire_test_postgres::Database;
use quire_tests::Server;
use tokio::runtime::Runtime;

use self::load::Load;

/// Lifts the limit on a user's requests, because one user makes all of them.
const UNLIMITED: &[&str] = &["--requests-per-second", "0"];

fn fresh_database() -> (Runtime, Database) {
    let runtime = Runtime::new().unwrap();
    let database = runtime.block_on(Database::fresh());
    (runtime, database)
}

fn run(servers: &[Server], operations: usize) {
    let clients = servers.iter().map(|server| server.client().clone()).collect();
    Load::new(clients, operations).run(|_load| {});
}

#[test]
fn ten_thousand_operations_at_two_servers_show_no_stale_read() {
    let (_runtime, database) = fresh_database();
    let servers = [(); 2].map(|()| Server::on_database_with(database.url(), UNLIMITED));
    run(&servers, 10_000);
}

#[test]
fn operations_at_three_servers_show_no_stale_read() {
    let (_runtime, database) = fresh_database();
    let servers = [(); 3].map(|()| Server::on_database_with(database.url(), UNLIMITED));
    run(&servers, 1_500);
}
