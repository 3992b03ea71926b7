//! The server's use of a database: the check of its schema, the registration beside other servers, its renewal, and its end.
//!
//! While the database is away, or another server may hold it, the server listens, so that no supervisor ends it as dead. Requests that need the database are refused meanwhile.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use quire_storage::{KernelLeases, StoreError};
use quire_storage_postgres::{InstanceMode, PostgresNotebookStore, RegisteredServer, Registration, ServerRegistration};
use tokio::time::sleep;

use crate::config::DatabaseConfig;
use crate::store;

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// Number of failed attempts between two log lines.
const ATTEMPTS_PER_LINE: u32 = 60;

/// A database that this server uses, or is about to use.
#[derive(Debug)]
pub(crate) struct DatabaseUse {
    config: DatabaseConfig,
    store: Arc<PostgresNotebookStore>,
    registration: ServerRegistration,
    state: State,
    /// `true` if the server has its row, as far as it knows.
    is_registered: bool,
    /// `true` if a registration was sent, so that there may be a row.
    may_have_row: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The database has not answered yet, or no longer.
    Away,
    /// The schema is checked, and another server, which may be dead, excludes this one.
    Undecided,
    /// The store is released for use.
    InUse,
}

impl DatabaseUse {
    /// Makes the first attempt to use the database, from a server at this address.
    ///
    /// # Errors
    /// If the database answers and refuses, or the configuration is invalid.
    pub(crate) async fn begin(
        config: &DatabaseConfig,
        store: Arc<PostgresNotebookStore>,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let registration = ServerRegistration::new(config.mode, reachable(address), version);
        let mut database = Self {
            config: config.clone(),
            store,
            registration,
            state: State::Away,
            is_registered: false,
            may_have_row: false,
        };
        if let Err(error) = database.attempt().await? {
            log_away(&error);
        }
        Ok(database)
    }

    /// Returns the leases of kernels that this server may hold.
    pub(crate) fn kernel_leases(&self) -> Arc<dyn KernelLeases> {
        Arc::new(self.registration.kernel_leases(&self.store))
    }

    /// Retries until the database can be used, then renews the registration without end.
    ///
    /// # Errors
    /// If the database answers and refuses, or another server holds it.
    pub(crate) async fn run(&mut self) -> anyhow::Result<Infallible> {
        let mut failed: u32 = 0;
        while self.state != State::InUse {
            sleep(PAUSE).await;
            if let Err(error) = self.attempt().await? {
                failed += 1;
                if failed.is_multiple_of(ATTEMPTS_PER_LINE) {
                    log_away(&error);
                }
            }
        }
        Ok(self.renew().await)
    }

    /// Renews the registration without end; waits without end if there is none.
    pub(crate) async fn renew(&mut self) -> Infallible {
        if self.state != State::InUse {
            return std::future::pending().await;
        }
        let (mut is_registered, mut is_away, mut has_claim) = (self.is_registered, false, true);
        loop {
            let is_well = has_claim && !is_away;
            sleep(if is_well { ServerRegistration::RENEWAL_INTERVAL } else { PAUSE }).await;
            let renewed = self.registration.renew(&self.store).await;
            has_claim = !matches!(renewed, Ok(Registration::Undecided(_) | Registration::Refused(_)));
            let was_away = std::mem::replace(&mut is_away, renewed.is_err());
            let other = match renewed {
                Ok(Registration::Registered) => {
                    if !std::mem::replace(&mut is_registered, true) {
                        tracing::info!("registered again");
                    }
                    continue;
                }
                Ok(Registration::Unrecorded) => continue,
                Ok(Registration::Undecided(others)) => others.into_iter().next(),
                Ok(Registration::Refused(other)) => Some(other),
                Err(error) => {
                    if !was_away {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(
                            error,
                            "the registration cannot be renewed; the server tries again every second"
                        );
                    }
                    continue;
                }
            };
            if std::mem::replace(&mut is_registered, false) {
                let other = other.as_ref().map(described);
                tracing::warn!(
                    other,
                    "the registration was not renewed in time, and another server has taken the database over; this \
                     server goes on without a registration and tries to register again"
                );
            }
        }
    }

    /// Removes the registration; a failure is logged.
    pub(crate) async fn end(&self) {
        if !self.may_have_row {
            return;
        }
        if let Err(error) = self.registration.remove(&self.store).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the registration is left behind; it counts as dead 30 s from now");
        }
    }

    /// Advances as far as the database and other servers allow. The inner error is the reason why the database is away.
    async fn attempt(&mut self) -> anyhow::Result<Result<(), anyhow::Error>> {
        let attempted = self.advance().await;
        match attempted {
            Err(error) if is_away(&error) => {
                self.state = State::Away;
                Ok(Err(error))
            }
            outcome => outcome.map(Ok),
        }
    }

    async fn advance(&mut self) -> anyhow::Result<()> {
        if self.state == State::Away {
            store::check_schema(&self.config).await?;
        }
        self.may_have_row = true;
        match self.registration.attempt(&self.store).await? {
            Registration::Registered => self.is_registered = true,
            Registration::Unrecorded => {
                tracing::warn!("the database takes no writes; this server is registered as soon as it does");
            }
            Registration::Undecided(others) => {
                if self.state != State::Undecided {
                    let other = others.first().map(described);
                    tracing::warn!(
                        other,
                        "waiting until another server has ended, or shows that it lives, at most half a minute"
                    );
                }
                self.state = State::Undecided;
                return Ok(());
            }
            Registration::Refused(other) => return Err(anyhow!(refusal(self.registration.mode(), &other))),
        }
        self.state = State::InUse;
        store::release(&self.config, &self.store).await;
        Ok(())
    }
}

fn log_away(error: &anyhow::Error) {
    tracing::warn!(error = format!("{error:#}"), "the database is away; waiting for it");
}

fn described(other: &RegisteredServer) -> String {
    let RegisteredServer { address, program_version, mode, started_at, .. } = other;
    let since = started_at.format("%Y-%m-%d %H:%M:%S");
    format!("{address} (version {program_version}, --instances {mode}, since {since} UTC)")
}

/// Returns the message for a server that another one excludes.
fn refusal(mode: InstanceMode, other: &RegisteredServer) -> String {
    let (claimer, remedy) = match (mode, other.mode) {
        (InstanceMode::One, InstanceMode::Many) => ("this server", "start this one"),
        (InstanceMode::Many, InstanceMode::One) => ("that server", "start it"),
        _ => ("each of the two", "start both"),
    };
    format!(
        "the database is used by the server at {}, and {claimer} was started to use it alone: stop that server, or \
         {remedy} with --instances many",
        described(other)
    )
}

/// Returns the address of the server for people: an address that means all of the machine's is replaced by its name.
fn reachable(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        let name = rustix::system::uname();
        return format!("{}:{}", name.nodename().to_string_lossy(), address.port());
    }
    address.to_string()
}

/// Returns `true` for a transient failure: no connection, or a server that starts, stops or is full. A wrong password,
/// a missing database and a schema that does not fit are permanent.
fn is_away(error: &anyhow::Error) -> bool {
    let is_passing = |cause: &sqlx::Error| match cause {
        sqlx::Error::Io(_) => true,
        other => matches!(
            quire_migration::error_code(other).as_deref(),
            Some(
                "57P01"
                    | "57P02"
                    | "57P03"
                    | "57014"
                    | "55P03"
                    | "53200"
                    | "53300"
                    | "53400"
                    | "08000"
                    | "08003"
                    | "08006"
            )
        ),
    };
    matches!(error.downcast_ref(), Some(StoreError::Unavailable { .. } | StoreError::Overloaded { .. }))
        || error.chain().filter_map(|cause| cause.downcast_ref()).any(is_passing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_cannot_be_made_is_waited_for_whatever_says_so() {
        let refused = || sqlx::Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        let migrating = quire_migration::MigrateError::Connect { place: "q".to_owned(), source: refused() };
        for error in [anyhow::Error::from(refused()), anyhow::Error::from(migrating).context("cannot bring up to date")]
        {
            assert!(is_away(&error), "{error:?}");
        }
        for error in [anyhow!("another schema"), sqlx::Error::RowNotFound.into()] {
            assert!(!is_away(&error), "{error:?}");
        }
    }

    #[test]
    fn an_address_for_people_names_the_machine_where_it_would_name_none() {
        assert_eq!(reachable("10.0.0.7:8000".parse().unwrap()), "10.0.0.7:8000");
        let named = reachable("0.0.0.0:8000".parse().unwrap());
        assert!(named.ends_with(":8000") && !named.starts_with("0.0.0.0") && named.len() > ":8000".len(), "{named}");
    }
}
