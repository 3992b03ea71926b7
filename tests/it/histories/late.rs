//! Statements of one server that reach the database only after its client was told that their outcome is unknown, and after
//! the other server has stored what others wrote.

use quire_test_postgres::{PgBouncer, Proxy, Server as Postgres};
use quire_tests::{Client, Server};
use serde_json::{Value, json};

use super::load::until;
use super::recorded::Recorded;
use super::ways::pooled;
use super::{UNLIMITED, fresh_database};

/// What the statement of each edit contains.
const COMMIT: &str = "UPDATE notebooks";
const LATE: &str = "value = 'late'";
/// Edits of others, between the answer and the arrival.
const OTHERS: usize = 3;

/// What happens to a late edit.
struct Late {
    /// The revision that it expects, unless it is null.
    expected: Value,
    /// Number of edits of others between the answer and the arrival.
    others: usize,
    /// `true` if it is stored when it arrives.
    is_stored: bool,
}

/// Makes an edit at the distant server, whose statements are delayed, and edits of others at the near one; then delivers the
/// statements, and repeats the request.
fn edit_late(proxy: &Proxy, [distant, near]: [&Client; 2], notebook: &Recorded, late: &Late) {
    let Late { expected, others, is_stored } = late;
    let read_everywhere = |revision: usize| {
        for client in [distant, near] {
            assert_eq!(notebook.read(client), revision, "edits of others: {others}");
        }
    };
    let headers = [("Idempotency-Key", "late")];
    read_everywhere(0);
    proxy.delay_with(COMMIT);
    let (begun, before) = (notebook.tick(), proxy.delayed());
    let reply = notebook.write(distant, &headers, (LATE, expected), Some(begun));
    assert_eq!((reply.status, &reply.body["code"]), (503, &json!("outcome_unknown")), "{reply:?}");
    assert!(proxy.delayed() > before, "the statement is on its way");
    for other in 1..=*others {
        let reply = notebook.write(near, &[], (&format!("value = {other}"), &Value::Null), None);
        assert_eq!(reply.status, 200, "{reply:?}");
        read_everywhere(other);
    }
    proxy.deliver();
    until("all late statements have been executed", || proxy.cuts() == proxy.delayed());
    read_everywhere(others + usize::from(*is_stored));
    let reply = notebook.write(distant, &headers, (LATE, expected), Some(begun));
    let is_accepted = expected.is_null();
    assert_eq!(reply.status, if is_accepted { 200 } else { 409 }, "{reply:?}");
    read_everywhere(others + usize::from(is_accepted));
    notebook.check();
}

/// Tests late statements of an edit of any revision, of an edit of one revision, and of an edit that no other follows, which is
/// stored if its statement `is_whole`: a transaction of its own.
fn late_statements_do_nothing_twice(proxy: &Proxy, servers: &[Server; 2], is_whole: bool) {
    let clients = servers.each_ref().map(Server::client);
    for (expected, others) in [(Value::Null, OTHERS), (json!(0), OTHERS), (Value::Null, 0)] {
        let late = Late { expected, others, is_stored: others == 0 && is_whole };
        edit_late(proxy, clients, &Recorded::create(&servers[1]), &late);
    }
}

#[test]
fn statements_that_arrive_after_the_answer_and_after_other_edits_do_nothing_twice() {
    let (_runtime, database) = fresh_database();
    let proxy = Proxy::start(Postgres::shared());
    let urls = [database.url_at(proxy.port()), database.url().to_owned()];
    late_statements_do_nothing_twice(&proxy, &urls.map(|url| Server::on_database_with(&url, UNLIMITED)), true);
}

#[test]
fn statements_that_arrive_after_the_answer_through_a_pooler_do_nothing_twice() {
    let (_runtime, database) = fresh_database();
    let pooler = PgBouncer::start(Postgres::shared());
    let proxy = Proxy::before_pooler(&pooler);
    let urls = [proxy.port(), pooler.port()].map(|port| pooled(&database, port));
    // The transaction that a pooler needs is never committed.
    late_statements_do_nothing_twice(&proxy, &urls.map(|url| Server::on_database_with(&url, UNLIMITED)), false);
}
