//! Tests of servers on one database that know each other.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use quire_test_postgres::{Database, Server as Postgres, Settings};
use rustix::process::Signal;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::database::{health_becomes, registered};
use crate::support::{Server, quire_server};

const CONNECTED: &str = "Database connected";
const LOST: &str = "the registration was not renewed in time, and another server has taken the database over; this server \
                    goes on without a registration and tries to register again";
const WAITING: &str = "waiting until another server has ended, or shows that it lives, at most half a minute";
/// Number of pairs of servers that start at the same time at once.
const AT_ONCE: usize = 10;

fn start(database: &Database, mode: &str) -> Server {
    let mut command = quire_server();
    command.env("DATABASE_URL", database.url()).env("QUIRE_INSTANCES", mode).args(["--port", "0"]);
    Server::spawn(command.stderr(Stdio::piped()))
}

fn address(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port)
}

/// Starts a pair of servers in these modes at the same time, and returns for each whether it serves. Checks what a refused one
/// says, and that one that serves is registered until it ends.
fn pair(database: &Database, modes: [&str; 2]) -> [bool; 2] {
    let mut servers = thread::scope(|scope| {
        modes.map(|mode| scope.spawn(move || start(database, mode))).map(|started| started.join().unwrap())
    });
    let outcome = servers.each_mut().map(|server| server.says(CONNECTED));
    for number in 0..2 {
        if outcome[number] {
            let list = servers[number].get("/api/notebooks");
            assert_eq!(list["notebooks"][0]["id"], "blank-local");
            assert!(registered(database).contains(&address(&servers[number])));
            continue;
        }
        let other = 1 - number;
        let (status, error) = servers[number].wait_with_error();
        assert_eq!(status.code(), Some(1));
        let named = format!("{} (version ", address(&servers[other]));
        let mode = format!("--instances {}, since 2", modes[other]);
        for said in [&*named, &mode, "stop that server, or start", "with --instances many"] {
            assert!(error.contains(said), "{error}");
        }
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    for server in servers.iter_mut().zip(outcome).filter_map(|(server, is_serving)| is_serving.then_some(server)) {
        server.signal(Signal::TERM);
        assert_eq!(server.wait().code(), Some(0));
    }
    assert!(registered(database).is_empty());
    outcome
}

/// Starts 20 pairs, each on a database of its own, and returns which servers serve.
fn pairs(modes: [&str; 2]) -> Vec<[bool; 2]> {
    // A server of its own, because the tests that run beside this one need connections too.
    let postgres = Postgres::start(&Settings::default());
    let runtime = Runtime::new().unwrap();
    let databases: Vec<_> = (0..20).map(|_| runtime.block_on(Database::on(&postgres))).collect();
    let mut serving = Vec::new();
    for databases in databases.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let pairs: Vec<_> = databases.iter().map(|database| scope.spawn(move || pair(database, modes))).collect();
            serving.extend(pairs.into_iter().map(|pair| pair.join().unwrap()));
        });
    }
    assert_eq!(serving.len(), 20);
    serving
}

#[test]
fn of_two_servers_that_claim_the_database_at_the_same_time_one_serves() {
    for serving in pairs(["one", "one"]) {
        assert!(serving == [true, false] || serving == [false, true], "{serving:?}");
    }
}

#[test]
fn a_server_that_claims_the_database_and_one_that_shares_it_exclude_each_other() {
    for serving in pairs(["one", "many"]) {
        assert!(serving == [true, false] || serving == [false, true], "{serving:?}");
    }
}

#[test]
fn servers_that_share_the_database_all_serve() {
    for serving in pairs(["many", "many"]) {
        assert_eq!(serving, [true, true]);
    }
}

/// Tests the claims of a server that is killed and of one that is only stopped, in real time.
#[test]
fn a_dead_servers_claim_is_taken_over_and_a_stopped_one_learns_of_it() {
    let runtime = Runtime::new().unwrap();
    let [of_killed, of_stopped] = [(); 2].map(|()| runtime.block_on(Database::fresh()));
    let [mut killed, mut stopped] = [&of_killed, &of_stopped].map(|database| start(database, "one"));
    assert!(killed.says(CONNECTED) && stopped.says(CONNECTED));
    let edited = stopped.get("/api/notebooks/blank");
    killed.signal(Signal::KILL);
    stopped.signal(Signal::STOP);
    killed.wait();
    let since = Instant::now();
    let mut after_killed = start(&of_killed, "one");
    let mut after_stopped = start(&of_stopped, "one");
    // A newcomer waits: it listens, says so, serves no notebook, and can be told to end.
    let mut ended = start(&of_stopped, "many");
    for server in [&mut after_killed, &mut after_stopped, &mut ended] {
        assert!(server.says(WAITING));
        health_becomes(server, &json!({"status": "unhealthy", "database": "disconnected"}), 503);
    }
    ended.signal(Signal::TERM);
    assert_eq!(ended.wait().code(), Some(0));
    for server in [&mut after_killed, &mut after_stopped] {
        assert!(server.says(CONNECTED));
        assert!(since.elapsed() >= Duration::from_secs(30));
        assert_eq!(server.get("/api/notebooks")["notebooks"][0]["id"], "blank-local");
    }
    assert_eq!(registered(&of_killed), [address(&after_killed)]);
    assert_eq!(registered(&of_stopped), [address(&after_stopped)]);
    // The claim was no licence to serve: the server that lost it goes on.
    stopped.signal(Signal::CONT);
    assert!(stopped.says(LOST));
    assert_eq!(stopped.get("/api/notebooks/blank")["cells"], edited["cells"]);
    assert_eq!(registered(&of_stopped), [address(&after_stopped)]);
    after_stopped.signal(Signal::TERM);
    assert_eq!(after_stopped.wait().code(), Some(0));
    assert!(stopped.says("registered again"));
    assert_eq!(registered(&of_stopped), [address(&stopped)]);
}
