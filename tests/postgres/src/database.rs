//! A database for one test.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::machine::random_name;
use crate::migrated::migrate;
use crate::server::{Server, replace_in_url};

/// Time-out for dropping a database; a server that died during a test must not delay the test's end.
const DROP_PATIENCE: Duration = Duration::from_secs(30);

/// A database for one test. Dropping this value drops it, even if clients are still connected.
#[derive(Debug)]
pub struct Database {
    name: String,
    options: PgConnectOptions,
    url: String,
    /// Connection options for dropping this database.
    server: PgConnectOptions,
    throw_away: bool,
}

impl Database {
    /// Creates a migrated database on the shared server.
    pub async fn fresh() -> Self {
        Self::on(Server::shared()).await
    }

    /// Creates a database without any table on the shared server.
    pub async fn empty() -> Self {
        Self::empty_on(Server::shared()).await
    }

    /// Creates a migrated database on this server.
    pub async fn on(server: &Server) -> Self {
        if server.is_throw_away() {
            let template = server.template.get_or_init(|| template(server)).await;
            return Self::create(server, &format!("TEMPLATE {template}")).await;
        }
        // Nothing would drop a template on a server that outlives the tests.
        let database = Self::empty_on(server).await;
        migrate(&database.options).await;
        database
    }

    /// Creates a database without any table on this server.
    pub async fn empty_on(server: &Server) -> Self {
        // The usual template may contain an administrator's additions.
        Self::create(server, "TEMPLATE template0").await
    }

    /// Creates a database without any table and with this encoding on the shared server.
    pub async fn empty_with_encoding(encoding: &str) -> Self {
        let clauses = format!("TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'");
        Self::create(Server::shared(), &clauses).await
    }

    async fn create(server: &Server, clauses: &str) -> Self {
        let name = format!("quire_test_{}", random_name());
        execute(&server.options(), &format!("CREATE DATABASE {name} {clauses}")).await;
        let options = server.options().database(&name);
        let url = server.url(&name);
        Self { name, options, url, server: server.options(), throw_away: server.is_throw_away() }
    }

    /// Returns the database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the options to connect as a superuser.
    #[must_use]
    pub fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// Returns the URL to connect, with user and password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the options to connect through a proxy or pooler that listens on this port of this machine.
    #[must_use]
    pub fn options_at(&self, port: u16) -> PgConnectOptions {
        self.options().host("127.0.0.1").port(port)
    }

    /// As [`options_at`](Self::options_at), as a URL.
    #[must_use]
    pub fn url_at(&self, port: u16) -> String {
        replace_in_url(&self.url, &self.name, Some(port))
    }

    /// Opens a connection.
    pub async fn connect(&self) -> PgConnection {
        self.options.connect().await.expect("the database takes connections")
    }

    /// Opens a pool of at most this many connections.
    pub async fn pool(&self, connections: u32) -> PgPool {
        let pool = PgPoolOptions::new().max_connections(connections);
        pool.connect_with(self.options()).await.expect("the database takes connections")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let server = self.server.clone();
        // A separate thread, because the present one may run a test's futures, and may be panicking.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            let drop = async {
                let mut connection = server.connect().await.ok()?;
                sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.ok()?;
                connection.close().await.ok()
            };
            runtime.block_on(async { tokio::time::timeout(DROP_PATIENCE, drop).await.ok().flatten() })
        });
        let dropped = matches!(dropped.join(), Ok(Some(())));
        if !dropped && !self.throw_away {
            eprintln!("the test database {} could not be dropped", self.name);
        }
    }
}

/// Creates the database that serves as the template of others.
async fn template(server: &Server) -> String {
    let name = format!("quire_template_{}", random_name());
    execute(&server.options(), &format!("CREATE DATABASE {name} TEMPLATE template0")).await;
    migrate(&server.options().database(&name)).await;
    // PostgreSQL refuses to copy a database that has connections.
    execute(&server.options(), &format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")).await;
    name
}

async fn execute(server: &PgConnectOptions, statement: &str) {
    let mut connection = server.connect().await.expect("the server takes connections");
    let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    connection.close().await.expect("the connection is in order");
}
