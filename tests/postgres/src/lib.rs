//! Support for tests that need a real `PostgreSQL`.
//!
//! - [`Server`] is a throw-away server, made from the binaries on the machine: all tests of a process share one
//!   ([`Server::shared`]), and a test that kills, reconfigures or secures a server starts its own ([`Server::start`]).
//! - [`Database`] is a database for one test, migrated or empty.
//! - [`Proxy`] stands in front of a server, counts round trips, and cuts, refuses or freezes connections.
//! - [`PgBouncer`] is a pooler in transaction mode in front of a server.
//!
//! The variable `QUIRE_TEST_DATABASE_URL` names a server to use in place of the shared one; its user must be allowed to
//! create and drop databases. Without binaries and variable, tests panic with a message about what to install. They
//! never skip.
//!
//! Everything ends with the process that started it, however that process ends: see `watchdog.rs`.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a test that cannot go on panics")]

mod bouncer;
mod cluster;
mod database;
mod machine;
mod migrated;
mod pgbench;
mod proxy;
mod server;
mod tls;
mod watchdog;

pub use bouncer::PgBouncer;
pub use cluster::Settings;
pub use database::Database;
pub use pgbench::Pgbench;
pub use proxy::{Counts, Cut, Proxy};
pub use server::{Server, URL_VARIABLE};
