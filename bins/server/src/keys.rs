//! Every key of the configuration, once: the flags, the variables, the file and `--help` are made from this list.

/// One thing that can be configured.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name in the file.
    pub(crate) name: &'static str,
    /// Its flag, without the dashes in front.
    pub(crate) flag: &'static str,
    /// Its environment variables; the first that is set counts.
    pub(crate) variables: &'static [&'static str],
    /// What stands for its value in `--help`.
    pub(crate) value: &'static str,
    /// Its value when nobody says anything.
    pub(crate) default: &'static str,
    /// What it means.
    pub(crate) help: &'static str,
    /// Whether it is on or off, and its flag alone means on.
    pub(crate) switch: bool,
}

/// The configuration file; the only flag that the file itself cannot hold.
pub(crate) const FILE: Key = Key {
    name: "config",
    flag: "config",
    variables: &["QUIRE_CONFIG"],
    value: "FILE",
    default: "",
    help: "Read what neither flags nor variables say from this TOML file",
    switch: false,
};

/// The keys, in the order of `--help`.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "notebooks_dir",
        flag: "notebooks-dir",
        variables: &["QUIRE_NOTEBOOKS_DIR"],
        value: "DIR",
        default: "./notebooks",
        help: "Keep the notebooks in this directory, one JSON file each; it is made if it is not there",
        switch: false,
    },
    Key {
        name: "database_url",
        flag: "database-url",
        variables: &["DATABASE_URL"],
        value: "URL",
        default: "",
        help: "Keep the notebooks in this PostgreSQL database instead; as a flag, without a password",
        switch: false,
    },
    Key {
        name: "database_url_file",
        flag: "database-url-file",
        variables: &["QUIRE_DATABASE_URL_FILE"],
        value: "FILE",
        default: "",
        help: "Read the database's URL from this file",
        switch: false,
    },
    Key {
        name: "database_connections",
        flag: "database-connections",
        variables: &["QUIRE_DATABASE_CONNECTIONS"],
        value: "NUMBER",
        default: "10",
        help: "Hold at most so many connections to the database, from 1 to 30",
        switch: false,
    },
    Key {
        name: "migrate",
        flag: "migrate",
        variables: &["QUIRE_MIGRATE"],
        value: "BOOL",
        default: "false",
        help: "Before serving, apply the steps of the schema that are pending; needs the rights of its owner",
        switch: true,
    },
    Key {
        name: "host",
        flag: "host",
        variables: &["QUIRE_HOST"],
        value: "ADDRESS",
        default: "127.0.0.1",
        help: "Listen on this address: 127.0.0.1, ::1 or localhost, as there is no sign-in yet",
        switch: false,
    },
    Key {
        name: "port",
        flag: "port",
        variables: &["QUIRE_PORT", "PORT"],
        value: "NUMBER",
        default: "8000",
        help: "Listen on this port; 0 takes a free one, which the log names",
        switch: false,
    },
    Key {
        name: "dev_user",
        flag: "dev-user",
        variables: &["QUIRE_DEV_USER"],
        value: "USER",
        default: "local",
        help: "Take every request for one of this user",
        switch: false,
    },
    Key {
        name: "allowed_origins",
        flag: "allowed-origins",
        variables: &["QUIRE_ALLOWED_ORIGINS", "ALLOWED_ORIGINS"],
        value: "ORIGINS",
        default: "http://localhost:3000,http://localhost:5173",
        help: "Let web pages of these origins, separated by commas, use the server",
        switch: false,
    },
    Key {
        name: "log",
        flag: "log",
        variables: &["QUIRE_LOG", "RUST_LOG"],
        value: "FILTER",
        default: "info",
        help: "Log what this filter lets through: error, warn, info, debug, trace, or module=level pairs",
        switch: false,
    },
    Key {
        name: "log_format",
        flag: "log-format",
        variables: &["QUIRE_LOG_FORMAT"],
        value: "text|json",
        default: "text",
        help: "Write log lines for people or for programs",
        switch: false,
    },
    Key {
        name: "workers",
        flag: "workers",
        variables: &["QUIRE_WORKERS"],
        value: "NUMBER",
        default: "0",
        help: "Answer requests on so many threads, at most 512; 0 is one for each processor",
        switch: false,
    },
    Key {
        name: "max_connections",
        flag: "max-connections",
        variables: &["QUIRE_MAX_CONNECTIONS"],
        value: "NUMBER",
        default: "900",
        help: "Hold at most so many connections, the others wait; each needs one of the process's open files",
        switch: false,
    },
    Key {
        name: "keep_alive_ms",
        flag: "keep-alive-ms",
        variables: &["QUIRE_KEEP_ALIVE_MS"],
        value: "MS",
        default: "75000",
        help: "Keep idle connections open so long; above 60000, which load balancers expect of a server",
        switch: false,
    },
    Key {
        name: "head_timeout_ms",
        flag: "head-timeout-ms",
        variables: &["QUIRE_HEAD_TIMEOUT_MS"],
        value: "MS",
        default: "10000",
        help: "Give a new connection so long to send the head of its first request",
        switch: false,
    },
    Key {
        name: "body_timeout_ms",
        flag: "body-timeout-ms",
        variables: &["QUIRE_BODY_TIMEOUT_MS"],
        value: "MS",
        default: "60000",
        help: "Give a client so long to send the body of a request",
        switch: false,
    },
    Key {
        name: "request_timeout_ms",
        flag: "request-timeout-ms",
        variables: &["QUIRE_REQUEST_TIMEOUT_MS"],
        value: "MS",
        default: "30000",
        help: "Answer 503 when handling a request takes longer, from when its body is there",
        switch: false,
    },
    Key {
        name: "shutdown_timeout_ms",
        flag: "shutdown-timeout-ms",
        variables: &["QUIRE_SHUTDOWN_TIMEOUT_MS"],
        value: "MS",
        default: "30000",
        help: "Wait at most so long for requests under way when told to stop",
        switch: false,
    },
];
