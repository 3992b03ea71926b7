//! The server as a whole: built, listening, and stopped without losing acknowledged edits.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use actix_server::Server;
use actix_web::rt::time::timeout;
use anyhow::Context as _;
use quire_api::{Api, Authenticator, Settings};
use quire_service::{Budgets, NotebookService};
use tokio::sync::oneshot;

use crate::config::Config;
use crate::database_use::DatabaseUse;
use crate::kernels;
use crate::listening::{bind, listen};
use crate::signals;
use crate::store::{self, Opened};

/// Time-out for storing queued edits, after requests have ended or were cut off.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time-out for removing the registration in the database after that, within the next one.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Time-out for the end after that; then the process ends at once.
const END_TIMEOUT: Duration = Duration::from_secs(3);

/// Minimum of the requests that a user may have in flight, however few connections there may be: a page sends several
/// at once.
const MIN_USER_REQUESTS: usize = 16;

/// A listening server.
pub(crate) struct Application {
    server: Server,
    address: SocketAddr,
    told_to_stop: oneshot::Receiver<&'static str>,
    api: Api,
    service: NotebookService,
    database: Option<DatabaseUse>,
    shutdown_timeout: Duration,
}

impl Application {
    /// Opens the store and begins to listen.
    ///
    /// # Errors
    /// If the store cannot be opened or the address is not available.
    pub(crate) async fn build(config: &Config) -> anyhow::Result<Self> {
        // Signals are handled before anything else, so that one during the start does not end the process in the middle
        // of something.
        let told_to_stop = signals::listen(config.options.shutdown_timeout + CLOSE_TIMEOUT + END_TIMEOUT)
            .context("cannot wait for signals")?;
        let Opened { notebooks, users, database } = store::open(config)?;
        let unavailable = || format!("cannot listen on {}", config.listen);
        let (socket, address) = bind(config).with_context(unavailable)?;
        let database = match (&config.database, database) {
            (Some(settings), Some(store)) => Some(DatabaseUse::begin(settings, store, address).await?),
            _ => None,
        };
        if let Some(keys) = &config.secret_keys {
            tracing::info!(key = keys.current.id(), "connection strings are sealed");
        }
        if config.options.read_only {
            tracing::warn!("read-only: every request that would change a notebook is refused");
        }
        let options = quire_service::Options {
            kernel_leases: database.as_ref().map(DatabaseUse::kernel_leases),
            ..options(config)
        };
        let service =
            NotebookService::new(notebooks, options).context("cannot start the threads that analyse cells")?;
        let authenticator = match users {
            Some(users) => config.authenticator.clone().with_users(users),
            None => config.authenticator.clone(),
        };
        if authenticator.is_development() {
            tracing::info!("development mode: nobody signs in, and every request is one user's");
        }
        let keys = authenticator.clone();
        actix_web::rt::spawn(async move { keys.warm_up().await }); // a slow issuer delays nothing
        let api = Api::new(service.clone(), settings(config, authenticator));
        let server = match listen(socket, &api, config) {
            Ok(server) => server,
            Err(error) => {
                end(database.as_ref()).await;
                return Err(error).with_context(unavailable);
            }
        };
        let shutdown_timeout = config.options.shutdown_timeout;
        Ok(Self { server, address, told_to_stop, api, service, database, shutdown_timeout })
    }

    /// Serves until a signal requests the end, then finishes the requests in flight.
    ///
    /// # Errors
    /// If the server ends by itself, or the database turns out to be unusable, or another server's.
    pub(crate) async fn run_until_stopped(self) -> anyhow::Result<()> {
        let Self { server, address, told_to_stop, api, service, mut database, shutdown_timeout } = self;
        let handle = server.handle();
        let mut serving = actix_web::rt::spawn(server);
        // Scripts wait for this line.
        tracing::info!(%address, "listening");
        let signal = tokio::select! {
            ended = &mut serving => return ended.context("the server's task failed")?.context("the server failed"),
            Err(refused) = run(database.as_mut()) => return Err(refused),
            signal = told_to_stop => signal.context("the thread that waits for signals has ended")?,
        };
        tracing::info!(signal, "stopping");
        // The registration is renewed until the last edit is stored, so that no other server takes this one for dead.
        let finishing = async {
            handle.pause().await;
            // A server thread that ends cuts off its connections, so all requests are awaited first.
            if timeout(shutdown_timeout, api.drain()).await.is_err() {
                tracing::warn!("some requests did not finish in time and are cut off");
            }
            // Edits may still be queued, whatever the outcome of the requests. Writer tasks live on the runtime that runs
            // this function, which continues until the end.
            if timeout(CLOSE_TIMEOUT, service.close()).await.is_err() {
                tracing::error!("some edits were not stored in time and are lost; none of them was acknowledged");
            }
        };
        tokio::select! {
            () = finishing => {}
            never = renew(database.as_mut()) => match never {},
        }
        end(database.as_ref()).await;
        handle.stop(true).await;
        serving.await.context("the server's task failed")?.context("the server failed")?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Runs the use of the database, if there is one, without end.
async fn run(database: Option<&mut DatabaseUse>) -> anyhow::Result<Infallible> {
    match database {
        Some(database) => database.run().await,
        None => pending().await,
    }
}

/// Renews the registration in the database, if there is one, without end.
async fn renew(database: Option<&mut DatabaseUse>) -> Infallible {
    match database {
        Some(database) => database.renew().await,
        None => pending().await,
    }
}

/// Removes the registration from the database, if there is one.
async fn end(database: Option<&DatabaseUse>) {
    let Some(database) = database else { return };
    if timeout(LEAVE_TIMEOUT, database.end()).await.is_err() {
        tracing::warn!("the registration may be left behind, because the database did not answer in time");
    }
}

fn options(config: &Config) -> quire_service::Options {
    // A file is readable only by its owner, and contained plain text before keys existed; neither is true of a database.
    let plain_connections = config.database.is_none();
    let connections = config.database.as_ref().and_then(|database| usize::try_from(database.connections).ok());
    quire_service::Options {
        budgets: connections.map_or_else(Budgets::default, Budgets::for_store_calls),
        keys: config.secret_keys.clone(),
        plain_connections,
        quota: config.options.quota(),
        memory_bytes: config.options.memory_bytes(),
        read_only: config.options.read_only,
        kernels: kernels::provider(config),
        cell_timeout: Some(Duration::from_secs(config.options.cell_timeout)).filter(|limit| !limit.is_zero()),
        kernel_idle: Duration::from_secs(config.options.kernel_idle),
        ..Default::default()
    }
}

fn settings(config: &Config, authenticator: Authenticator) -> Settings {
    Settings {
        authenticator,
        request_limit: config.options.request_limit(),
        trusted_proxies: config.options.trusted_proxies,
        allowed_origins: config.options.allowed_origins.clone(),
        body_timeout: config.options.body_timeout,
        request_timeout: config.options.request_timeout,
        sockets: config.options.sockets(),
        user_requests: (config.options.max_connections / 4).max(MIN_USER_REQUESTS),
        body_bytes: Settings::BODY_BYTES,
        response_bytes: Settings::RESPONSE_BYTES,
    }
}
