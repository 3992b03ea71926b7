//! Histories while servers are killed and stopped, or statements arrive late.

use std::time::{Duration, Instant};

use quire_test_postgres::{Proxy, Server as Postgres};
use quire_tests::Server;
use rustix::process::Signal;

use super::load::{Load, until};
use super::{UNLIMITED, fresh_database};

/// Operations between two faults.
const BETWEEN: usize = 150;
/// Time for which a server is stopped.
const STOPPED: Duration = Duration::from_secs(2);

fn load(servers: &[Server]) -> Load {
    Load::new(servers.iter().map(|server| server.client().clone()).collect(), 1_500)
}

#[test]
fn killed_servers_lose_nothing_and_do_nothing_twice() {
    let (_runtime, database) = fresh_database();
    let start = || Server::on_database_with(database.url(), UNLIMITED);
    let mut servers = vec![start(), start()];
    load(&servers).run(|load| {
        for round in 0..6 {
            load.wait_for(BETWEEN);
            servers.remove(0).kill();
            load.wait_for(BETWEEN);
            servers.push(start());
            // The servers take turns at being the first one.
            load.replace(round % 2, servers[1].client());
        }
        load.wait_for(BETWEEN);
    });
}

#[test]
fn a_server_that_was_stopped_shows_nothing_stale_when_it_goes_on() {
    let (_runtime, database) = fresh_database();
    let servers = [(); 2].map(|()| Server::on_database_with(database.url(), UNLIMITED));
    load(&servers).run(|load| {
        for server in servers.iter().cycle().take(4) {
            load.wait_for(BETWEEN);
            server.signal(Signal::STOP);
            let stopped = Instant::now();
            load.wait_for(BETWEEN);
            until("the server was stopped for some time", || stopped.elapsed() > STOPPED);
            server.signal(Signal::CONT);
        }
        load.wait_for(BETWEEN);
    });
}

/// The statements of one server are held on their way until it has given them up, and arrive then, after what the other
/// server has done meanwhile.
#[test]
fn statements_that_arrive_late_do_nothing_twice_and_reads_meanwhile_are_marked_stale() {
    let (_runtime, database) = fresh_database();
    let proxy = Proxy::start(Postgres::shared());
    let servers = [database.url_at(proxy.port()), database.url().to_owned()];
    let servers = servers.map(|url| Server::on_database_with(&url, UNLIMITED));
    let load = load(&servers);
    load.run(|load| {
        load.wait_for(BETWEEN);
        assert_eq!(load.marked_stale(), 0, "the database answers");
        proxy.freeze();
        until("a read is marked stale", || load.marked_stale() > 0);
        proxy.thaw();
        until("the server has found the database again", || {
            servers[0].ok("GET", load.lasting(), None).get("stale").is_none()
        });
        load.wait_for(BETWEEN);
        // Other connections than those on which the statements were.
        proxy.strand();
        load.wait_for(BETWEEN);
        proxy.cut_all();
        load.wait_for(BETWEEN);
    });
}
