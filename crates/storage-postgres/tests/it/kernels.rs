//! Leases of kernels, as two servers on one database hold them.

use std::sync::Arc;

use quire_domain::NotebookId;
use quire_storage::prelude::*;
use quire_storage::{Held, KernelLeases as _, StoreError};
use quire_storage_postgres::{
    InstanceMode, PostgresKernelLeases, PostgresNotebookStore, Registration, ServerRegistration,
};
use quire_test_postgres::{Database, Server};
use sqlx::{AssertSqlSafe, Row as _};

use crate::partitioned::partitioned;
use crate::support::{notebook, notebook_id, open};

/// A server with its leases.
struct Process {
    store: Arc<PostgresNotebookStore>,
    registration: ServerRegistration,
    leases: PostgresKernelLeases,
}

impl Process {
    fn unregistered(database: &Database, address: &str) -> Self {
        let store = open(database);
        let registration = ServerRegistration::new(InstanceMode::Many, address.to_owned(), "0.1.0".to_owned());
        let leases = registration.kernel_leases(&store);
        Self { store, registration, leases }
    }

    async fn registered(database: &Database, address: &str) -> Self {
        let mut process = Self::unregistered(database, address);
        assert_eq!(process.registration.attempt(&process.store).await.unwrap(), Registration::Registered);
        process
    }

    /// Holds a notebook's kernel, which must succeed, and returns the epoch.
    async fn hold(&self, id: &NotebookId) -> i64 {
        match self.leases.hold(id).await.unwrap() {
            Held::Lease { epoch } => epoch,
            elsewhere @ Held::Elsewhere { .. } => panic!("{elsewhere:?}"),
        }
    }

    /// Attempts to hold a notebook's kernel, which must fail, and returns the holder's address.
    async fn refused(&self, id: &NotebookId) -> String {
        match self.leases.hold(id).await.unwrap() {
            Held::Elsewhere { address, since } => {
                assert_eq!(self.leases.holder(id).await.unwrap(), Some((address.clone(), since)));
                address
            }
            lease @ Held::Lease { .. } => panic!("{lease:?}"),
        }
    }
}

async fn execute(database: &Database, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut database.connect().await).await.unwrap();
}

/// The notebooks whose kernels are held.
async fn held(database: &Database) -> Vec<String> {
    let sql = "SELECT notebook_id FROM kernels ORDER BY notebook_id";
    let rows = sqlx::query(sql).fetch_all(&mut database.connect().await).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Two servers on this database, and a notebook.
async fn two_on(database: &Database) -> (Process, Process, NotebookId) {
    let a = Process::registered(database, "10.0.0.1:8000").await;
    let b = Process::registered(database, "10.0.0.2:8000").await;
    a.store.create(&notebook("n", &[("a", "")]), None).await.unwrap();
    (a, b, notebook_id("n"))
}

/// On the tables as they are, and on those that are partitioned by the notebook's id.
#[tokio::test]
async fn one_server_holds_a_kernel_until_it_releases_it() {
    for database in [Database::fresh().await, partitioned(Server::shared()).await] {
        let (a, b, id) = two_on(&database).await;
        assert_eq!(b.leases.holder(&id).await.unwrap(), None);
        let first = a.hold(&id).await;
        assert!(a.leases.is_held(&id, first).await.unwrap());
        assert!(!b.leases.is_held(&id, first).await.unwrap(), "the number alone is not enough");
        assert_eq!(b.refused(&id).await, "10.0.0.1:8000");
        assert_eq!(a.leases.holder(&id).await.unwrap(), None, "it is no other server");
        // The holder may begin anew, as after a lost response.
        let second = a.hold(&id).await;
        assert!(second > first, "{second} {first}");
        assert!(!a.leases.is_held(&id, first).await.unwrap());
        a.leases.release(&id, first).await.unwrap();
        assert!(a.leases.is_held(&id, second).await.unwrap(), "a late release of an earlier holding does nothing");
        b.leases.release(&id, second).await.unwrap();
        assert!(a.leases.is_held(&id, second).await.unwrap(), "nor does another server's");
        a.leases.release(&id, second).await.unwrap();
        assert!(!a.leases.is_held(&id, second).await.unwrap());
        let third = b.hold(&id).await;
        assert!(third > second, "{third} {second}: a number is never used again");
        assert_eq!(a.refused(&id).await, "10.0.0.2:8000");
    }
}

#[tokio::test]
async fn a_lease_is_taken_over_when_its_holder_is_dead_for_half_a_minute() {
    let database = Database::fresh().await;
    let (mut a, b, id) = two_on(&database).await;
    let first = a.hold(&id).await;
    let seen = async |ago: &str| {
        let sql = format!("UPDATE servers SET seen_at = now() - interval '{ago}' WHERE address = '10.0.0.1:8000'");
        execute(&database, &sql).await;
    };
    seen("25 s").await;
    assert_eq!(b.refused(&id).await, "10.0.0.1:8000");
    seen("31 s").await;
    assert_eq!(b.leases.holder(&id).await.unwrap(), None, "a dead server has no kernel");
    let second = b.hold(&id).await;
    assert!(second > first, "{second} {first}");
    // The first one was only stopped.
    assert_eq!(a.registration.renew(&a.store).await.unwrap(), Registration::Registered);
    assert!(!a.leases.is_held(&id, first).await.unwrap());
    assert_eq!(a.refused(&id).await, "10.0.0.2:8000");
    assert!(b.leases.is_held(&id, second).await.unwrap());
}

#[tokio::test]
async fn leases_go_with_their_server_and_with_their_notebook() {
    let database = Database::fresh().await;
    let (a, b, id) = two_on(&database).await;
    a.store.create(&notebook("m", &[]), None).await.unwrap();
    let other = notebook_id("m");
    a.hold(&id).await;
    let epoch = b.hold(&other).await;
    assert_eq!(held(&database).await, ["m", "n"]);
    a.registration.remove(&a.store).await.unwrap();
    assert_eq!(held(&database).await, ["m"]);
    b.hold(&id).await;
    execute(&database, "DELETE FROM notebooks WHERE id = 'm'").await;
    assert_eq!(held(&database).await, ["n"]);
    assert!(!b.leases.is_held(&other, epoch).await.unwrap());
    assert!(matches!(b.leases.hold(&other).await, Err(StoreError::NotFound { .. })));
}

#[tokio::test]
async fn a_server_without_a_registration_holds_nothing() {
    let database = Database::fresh().await;
    let (a, _, id) = two_on(&database).await;
    let stranger = Process::unregistered(&database, "10.0.0.3:8000");
    for holds in [false, true] {
        if holds {
            a.hold(&id).await;
        }
        let refused = stranger.leases.hold(&id).await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Unavailable { reason, .. } if reason.contains("registered")),
            "{refused:?}"
        );
    }
    assert_eq!(held(&database).await, ["n"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_simultaneous_attempts_one_succeeds() {
    let database = Database::fresh().await;
    let (a, b, _) = two_on(&database).await;
    for round in 0..30 {
        let id = notebook_id(&format!("n{round}"));
        a.store.create(&notebook(id.as_str(), &[]), None).await.unwrap();
        let (at_a, at_b) = tokio::join!(a.leases.hold(&id), b.leases.hold(&id));
        match (at_a.unwrap(), at_b.unwrap()) {
            (Held::Lease { .. }, Held::Elsewhere { address, .. }) => assert_eq!(address, "10.0.0.1:8000"),
            (Held::Elsewhere { address, .. }, Held::Lease { .. }) => assert_eq!(address, "10.0.0.2:8000"),
            both => panic!("{both:?}"),
        }
    }
}
