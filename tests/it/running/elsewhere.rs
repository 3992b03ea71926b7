//! One notebook at two servers on one database: its kernel is at one of them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use quire_test_postgres::Database;
use quire_tests::neighbour::Wire;
use quire_tests::{Server, binary};
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tokio::runtime::Runtime;

use super::notebook::python;

/// Time after which a lease of a server that was killed can be taken over, with a reserve for a busy machine.
const PROMISED: Duration = Duration::from_secs(40);

/// Two servers on one database that run cells, and a notebook of one cell.
struct Pair {
    a: Server,
    b: Server,
    id: String,
    path: String,
    cell: String,
    database: Database,
    runtime: Runtime,
}

impl Pair {
    fn with(code: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let database = runtime.block_on(Database::fresh());
        let [a, b] = [(); 2].map(|()| {
            let mut command = Command::new(binary("quire-server"));
            command.env("DATABASE_URL", database.url()).arg("--python").arg(python()).args(["--warm-kernels", "0"]);
            Server::spawn(command)
        });
        let id = a.ok("POST", "/api/notebooks", None)["notebook_id"].as_str().unwrap().to_owned();
        let path = format!("/api/notebooks/{id}");
        let cell = a.ok("GET", &path, None)["cells"][0]["id"].as_str().unwrap().to_owned();
        a.ok("PUT", &format!("{path}/cells/{cell}"), Some(&json!({ "code": code })));
        Self { a, b, id, path, cell, database, runtime }
    }

    /// Asks a server to run the cell and to wait for the end.
    fn run(&self, server: &Server) -> (u16, Value) {
        server.send("POST", &format!("{}/run?wait=50", self.path), Some(&json!({"cells": [self.cell]})))
    }

    /// Asserts that this server refuses to run the cell, because the other one has the kernel.
    fn refuses(&self, server: &Server, holder: &str) {
        for (method, body) in [("run", Some(json!({"scope": "all"}))), ("interrupt", None), ("kernel/restart", None)] {
            let (status, problem) = server.send("POST", &format!("{}/{method}", self.path), body.as_ref());
            assert_eq!((status, &problem["code"]), (409, &json!("kernel_elsewhere")), "{method}: {problem}");
            assert!(problem["detail"].as_str().unwrap().contains(holder), "{method}: {problem}");
        }
    }

    fn shown(&self, server: &Server) -> Value {
        server.ok("GET", &self.path, None)["cells"][0].clone()
    }
}

/// Looks again and again until something is there.
fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < limit, "in vain waited until {what}");
        sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_run_asked_elsewhere_names_the_server_that_has_the_kernel() {
    let pair = Pair::with("print('here')");
    let (status, run) = pair.run(&pair.a);
    assert_eq!((status, &run["cells"][0]["end"]), (200, &json!("success")), "{run}");
    pair.refuses(&pair.b, pair.a.address());
    let mut wire = Wire::connect(pair.b.address(), "any");
    wire.upgrade(&pair.id);
    wire.authenticate();
    wire.text(&json!({"type": "run_cell", "cellId": pair.cell}));
    let told = wire.message();
    assert_eq!(told["type"], "error", "{told}");
    assert!(told.to_string().contains(pair.a.address()), "{told}");
    // What was refused left no trace: nothing is queued, and the holder goes on.
    assert_eq!(pair.run(&pair.a).0, 200);

    let address = pair.a.address().to_owned();
    let Pair { a, b, path, cell, database: _database, runtime: _runtime, .. } = pair;
    a.kill();
    let body = json!({"cells": [cell]});
    until("the lease of the server that was killed can be taken over", PROMISED, || {
        let (status, answer) = b.send("POST", &format!("{path}/run"), Some(&body));
        match status {
            409 => assert!(answer["detail"].as_str().unwrap().contains(&address), "{answer}"),
            other => assert!([200, 202].contains(&other), "{answer}"),
        }
        (status != 409).then_some(())
    });
    let run = b.ok("POST", &format!("{path}/run?wait=50"), Some(&body));
    assert_eq!(run["cells"][0]["end"], "success", "{run}");
}

#[test]
fn an_orderly_end_makes_room_for_another_server_at_once() {
    let pair = Pair::with("print('here')");
    assert_eq!(pair.run(&pair.a).0, 200);
    pair.refuses(&pair.b, pair.a.address());
    let Pair { a, b, path, cell, database: _database, runtime: _runtime, .. } = pair;
    assert!(a.terminate());
    let run = b.ok("POST", &format!("{path}/run?wait=50"), Some(&json!({"cells": [cell]})));
    assert_eq!(run["cells"][0]["end"], "success", "{run}");
}

/// A server that was only stopped ends its kernel, and does not replace what the other one has made meanwhile.
#[test]
fn a_server_whose_lease_was_taken_over_ends_its_kernel() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap(); // the kernel may be another user's
    let mark = directory.path().join("began");
    let code = format!(
        "import os, time\nif not os.path.exists({mark:?}):\n    open({mark:?}, 'w').close()\n    time.sleep(600)\nprint('there')"
    );
    let pair = Pair::with(&code);
    let (status, begun) = pair.a.send("POST", &format!("{}/run", pair.path), Some(&json!({"cells": [pair.cell]})));
    assert_eq!(status, 202, "{begun}");
    until("the cell runs", Duration::from_mins(1), || mark.exists().then_some(()));
    pair.refuses(&pair.b, pair.a.address());

    pair.a.signal(Signal::STOP);
    let sql = format!("UPDATE servers SET seen_at = now() - interval '31 s' WHERE address = '{}'", pair.a.address());
    pair.runtime.block_on(async {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut pair.database.connect().await).await.unwrap();
    });
    let (status, run) = pair.run(&pair.b);
    assert_eq!((status, &run["cells"][0]["end"]), (200, &json!("success")), "{run}");
    pair.a.signal(Signal::CONT);

    let kernel = until("the first server has ended its kernel", Duration::from_mins(1), || {
        let kernel = pair.a.ok("GET", &format!("{}/kernel", pair.path), None);
        (kernel["status"] == "none").then_some(kernel)
    });
    assert!(kernel["last_end"].as_str().unwrap().contains("another one may have"), "{kernel}");
    pair.refuses(&pair.a, pair.b.address());
    for server in [&pair.a, &pair.b] {
        let cell = pair.shown(server);
        assert_eq!((&cell["status"], &cell["stdout"]), (&json!("success"), &json!("there\n")), "{cell}");
    }
}
