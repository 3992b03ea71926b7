//! Histories while servers are killed and stopped, or statements arrive late: of plain servers, and of servers that reach the
//! database through a pooler and whose clocks are an hour apart.

use std::time::{Duration, Instant};

use quire_test_postgres::{Proxy, Server as Postgres};
use quire_tests::Server;
use rustix::process::Signal;

use super::load::{Load, until};
use super::ways::Way;

/// Operations between two faults.
const BETWEEN: usize = 150;
/// Time for which a server is stopped.
const STOPPED: Duration = Duration::from_secs(2);

fn load(servers: &[Server], operations: usize) -> Load {
    Load::new(servers.iter().map(|server| server.client().clone()).collect(), operations)
}

/// Kills each of two servers in turn, so many times in all, and starts another one.
fn kill(way: &Way, times: usize) {
    let mut servers = vec![way.start(0, None), way.start(1, None)];
    load(&servers, times * 250).run(|load| {
        for round in 0..times {
            load.wait_for(BETWEEN);
            servers.remove(0).kill();
            load.wait_for(BETWEEN);
            // The servers take turns at being the first one.
            servers.push(way.start(round % 2, None));
            load.replace(round % 2, servers[1].client());
        }
        load.wait_for(BETWEEN);
    });
}

#[test]
fn killed_servers_lose_nothing_and_do_nothing_twice() {
    kill(&Way::plain(), 6);
}

#[test]
fn killed_servers_lose_nothing_through_a_pooler_and_with_clocks_an_hour_apart() {
    kill(&Way::through_a_pooler_an_hour_apart(), 2);
}

/// Stops each of two servers in turn, so many times in all, and lets it go on.
fn stop(way: &Way, times: usize) {
    let servers = [0, 1].map(|place| way.start(place, None));
    load(&servers, times * 375).run(|load| {
        for server in servers.iter().cycle().take(times) {
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

#[test]
fn a_server_that_was_stopped_shows_nothing_stale_when_it_goes_on() {
    stop(&Way::plain(), 4);
}

#[test]
fn a_server_that_was_stopped_shows_nothing_stale_through_a_pooler_and_with_clocks_an_hour_apart() {
    stop(&Way::through_a_pooler_an_hour_apart(), 2);
}

/// Holds the statements of the first server on their way until it has given them up, so that they arrive after what the
/// second one has done meanwhile; then strands and cuts its connections.
fn delay(way: &Way) {
    let proxy = way.pooler().map_or_else(|| Proxy::start(Postgres::shared()), Proxy::before_pooler);
    let servers = [way.start(0, Some(proxy.port())), way.start(1, None)];
    let load = load(&servers, 1_500);
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

#[test]
fn statements_that_arrive_late_do_nothing_twice_and_reads_meanwhile_are_marked_stale() {
    delay(&Way::plain());
}

#[test]
fn statements_that_arrive_late_do_nothing_twice_through_a_pooler_and_with_clocks_an_hour_apart() {
    delay(&Way::through_a_pooler_an_hour_apart());
}
