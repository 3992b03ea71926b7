//! A `PostgreSQL` server for tests.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::OnceLock;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::sync::OnceCell;

use crate::cluster::{Cluster, SUPERUSER, Settings};

/// The environment variable that names a server to use in place of a throw-away one.
pub const URL_VARIABLE: &str = "QUIRE_TEST_DATABASE_URL";

/// A `PostgreSQL` server: a throw-away one that ends with this value or with the process, or the one that
/// [`URL_VARIABLE`] names.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    /// Name of the migrated database that serves as the template of others.
    pub(crate) template: OnceCell<String>,
}

#[derive(Debug)]
enum Kind {
    Own(Cluster),
    External { url: String },
}

impl Server {
    /// Returns the server that all tests of this process share, started on first use.
    ///
    /// # Panics
    ///
    /// If the machine has no `PostgreSQL` and [`URL_VARIABLE`] is not set; the message says what to do.
    #[must_use]
    pub fn shared() -> &'static Self {
        // A `LazyLock` would report a missing PostgreSQL only in the first test; here every test reports it.
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var(URL_VARIABLE) {
            Ok(url) => Self { kind: Kind::External { url }, template: OnceCell::new() },
            Err(_) => Self::start(&Settings::default()),
        })
    }

    /// Starts a server for one test, always a throw-away one.
    ///
    /// # Panics
    ///
    /// As [`shared`](Self::shared), regardless of [`URL_VARIABLE`].
    #[must_use]
    pub fn start(settings: &Settings) -> Self {
        Self { kind: Kind::Own(Cluster::start(settings)), template: OnceCell::new() }
    }

    /// Returns a superuser's options to connect to the server's own database, `postgres` unless [`URL_VARIABLE`] names
    /// another.
    #[must_use]
    pub fn options(&self) -> PgConnectOptions {
        match &self.kind {
            Kind::Own(cluster) => PgConnectOptions::new_without_pgpass()
                .host("127.0.0.1")
                .port(cluster.port)
                .username(SUPERUSER)
                .password(&cluster.password)
                .database("postgres")
                .ssl_mode(PgSslMode::Prefer),
            Kind::External { url } => PgConnectOptions::from_str(url)
                .unwrap_or_else(|error| panic!("{URL_VARIABLE} is no URL of a database: {error}")),
        }
    }

    /// Returns the URL of one of the server's databases, including the password.
    pub(crate) fn url(&self, database: &str) -> String {
        match &self.kind {
            Kind::Own(Cluster { password, port, .. }) => {
                format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}")
            }
            Kind::External { url } => replace_in_url(url, database, None),
        }
    }

    /// Returns the superuser's name and password, for a pooler's list of users.
    pub(crate) fn credentials(&self) -> (String, String) {
        match &self.kind {
            Kind::Own(cluster) => (SUPERUSER.to_owned(), cluster.password.clone()),
            Kind::External { url } => credentials_in_url(url),
        }
    }

    /// Returns the server's port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.options().get_port()
    }

    /// Ends the server and all its processes as a crash would (SIGKILL), and returns when they are gone.
    ///
    /// # Panics
    ///
    /// If the server does not run, or is not a throw-away server.
    pub fn kill(&self) {
        self.cluster().kill();
    }

    /// Ends the server in order; does nothing if it does not run.
    pub fn stop(&self) {
        self.cluster().stop();
    }

    /// Starts the server again with the same data and on the same port, after [`kill`](Self::kill), after
    /// [`stop`](Self::stop), or while it runs; returns when it serves.
    pub fn restart(&self) {
        self.cluster().restart();
    }

    /// Starts a streaming standby of this server with the same user and password, and returns when it answers queries.
    ///
    /// # Panics
    ///
    /// If this is not a throw-away server, or offers TLS.
    #[must_use]
    pub fn standby(&self) -> Self {
        Self { kind: Kind::Own(self.cluster().standby()), template: OnceCell::new() }
    }

    /// Returns the server's log since its last start. It contains everything that the server logged about a statement
    /// whose answer has arrived, unless [`Settings::conf`] turns the logging collector on.
    ///
    /// # Panics
    ///
    /// If this is not a throw-away server.
    #[must_use]
    pub fn log(&self) -> String {
        self.cluster().log()
    }

    /// Returns the path of the certificate of the authority that signed the server's. Only with [`Settings::tls`].
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.cluster().certificate("ca.pem")
    }

    /// Returns the path of the certificate of an authority unrelated to the server. Only with [`Settings::tls`].
    #[must_use]
    pub fn other_ca(&self) -> PathBuf {
        self.cluster().certificate("other-ca.pem")
    }

    /// Returns `true` if the server and all its data are deleted with this value.
    pub(crate) fn is_throw_away(&self) -> bool {
        matches!(self.kind, Kind::Own(_))
    }

    fn cluster(&self) -> &Cluster {
        match &self.kind {
            Kind::Own(cluster) => cluster,
            Kind::External { .. } => panic!("a test that does this needs a server of its own: `Server::start`"),
        }
    }
}

/// Replaces the database in a URL, and optionally its host and port by `127.0.0.1` with `port`.
pub(crate) fn replace_in_url(url: &str, database: &str, port: Option<u16>) -> String {
    let (url, query) = url.split_once('?').map_or((url, String::new()), |(url, query)| (url, format!("?{query}")));
    let (scheme, rest) = url.split_once("://").unwrap_or_else(|| panic!("{URL_VARIABLE} is no URL of a database"));
    let authority = rest.split('/').next().unwrap_or_default();
    let authority = match (port, authority.rsplit_once('@')) {
        (None, _) => authority.to_owned(),
        (Some(port), Some((user, _))) => format!("{user}@127.0.0.1:{port}"),
        (Some(port), None) => format!("127.0.0.1:{port}"),
    };
    format!("{scheme}://{authority}/{database}{query}")
}

/// Returns the user and the password of a URL.
fn credentials_in_url(url: &str) -> (String, String) {
    let decoded = |text: &str| {
        // URL decoding is available only for a query, in which `+` has another meaning.
        let query = format!("postgres:///?application_name={}", text.replace('+', "%2B"));
        let options = PgConnectOptions::from_str(&query);
        options.ok().and_then(|options| options.get_application_name().map(str::to_owned)).unwrap_or_default()
    };
    let user_info = url.split_once("://").and_then(|(_, rest)| Some(rest.split('/').next()?.rsplit_once('@')?.0));
    let (user, password) = user_info.unwrap_or_default().split_once(':').unwrap_or_default();
    (decoded(user), decoded(password))
}

#[cfg(test)]
mod tests {
    use super::{credentials_in_url, replace_in_url};

    #[test]
    fn a_user_and_a_password_are_decoded() {
        let (user, password) = credentials_in_url("postgres://me:a%2Fb+c%40@db.example/mine");
        assert_eq!((&*user, &*password), ("me", "a/b+c@"));
    }

    #[test]
    fn a_url_keeps_its_user_and_its_query() {
        let url = "postgres://me:se%2Fcret@db.example:6000/mine?sslmode=require";
        assert_eq!(replace_in_url(url, "other", None), "postgres://me:se%2Fcret@db.example:6000/other?sslmode=require");
        let through = "postgres://me:se%2Fcret@127.0.0.1:7000/other?sslmode=require";
        assert_eq!(replace_in_url(url, "other", Some(7000)), through);
        assert_eq!(replace_in_url("postgres://localhost", "other", None), "postgres://localhost/other");
    }
}
