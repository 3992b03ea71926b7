//! Names of parameters and schemes in connection strings.

/// Parts of names of secret parameters, without separators.
pub(super) const SECRET_NAMES: [&str; 11] = [
    "pass",
    "pwd",
    "secret",
    "token",
    "credential",
    "apikey",
    "accesskey",
    "accountkey",
    "privatekey",
    "clientkey", // scram_client_key, scram_server_key
    "serverkey",
];

/// Names of parameters that may follow a password and are no secrets.
pub(super) const PLAIN_NAMES: [&str; 38] = [
    "address",
    "application name",
    "application_name",
    "applicationname",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "currentschema",
    "data source",
    "database",
    "datasource",
    "db",
    "dbname",
    "driver",
    "dsn",
    "encoding",
    "encrypt",
    "gssencmode",
    "host",
    "hostaddr",
    "initial catalog",
    "keepalives",
    "options",
    "pooling",
    "port",
    "schema",
    "search_path",
    "server",
    "service",
    "ssl",
    "sslcert",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "timeout",
    "uid",
    "user",
    "user id",
];

/// Schemes of URLs in which a user and a password stand before the host.
pub(super) const SCHEMES: [&str; 12] = [
    "clickhouse",
    "cockroachdb",
    "http",
    "https",
    "mariadb",
    "mongodb",
    "mysql",
    "oracle",
    "postgres",
    "postgresql",
    "redshift",
    "sqlserver",
];
