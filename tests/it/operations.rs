//! Tests of operators' scripts: the roles of a new database, and the verification of backups.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use quire_test_postgres::{Database, Server as Postgres, Settings};
use quire_tests::{Server, binary};
use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};
use tokio::runtime::Runtime;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_KEY: &str = "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const MASTER: &str = "m4st3r/p@ss";

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn script(path: &str) -> Command {
    let mut command = Command::new("bash");
    command.arg(workspace().join(path));
    for (name, _) in std::env::vars_os() {
        if ["PG", "QUIRE_SECRET", "DATABASE_"]
            .iter()
            .any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
        {
            command.env_remove(name);
        }
    }
    command
}

pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Creates a master user who is no superuser, as on RDS, and a database that the user owns.
pub(crate) async fn make_master(postgres: &Postgres) {
    let mut superuser = postgres.options().connect().await.unwrap();
    execute(&mut superuser, &format!("CREATE ROLE quire_master LOGIN CREATEDB CREATEROLE PASSWORD '{MASTER}'"))
        .await
        .unwrap();
    // From PostgreSQL 16 on, CREATEROLE alone no longer permits a role to grant these.
    execute(&mut superuser, "GRANT pg_monitor, pg_signal_backend TO quire_master WITH ADMIN OPTION").await.unwrap();
    execute(&mut superuser, "CREATE DATABASE quire OWNER quire_master").await.unwrap();
}

/// Runs `quire-roles`, with these passwords for the owner and the server.
pub(crate) fn quire_roles(postgres: &Postgres, command: &str, owner: &str, server: &str) -> Output {
    let mut roles = script("infra/image/quire-roles");
    roles.arg(command).env("QUIRE_ROLES_SQL", workspace().join("infra/database/roles.sql"));
    roles.env("PGHOST", "127.0.0.1").env("PGPORT", postgres.port().to_string()).env("PGDATABASE", "quire");
    roles.env("MASTER_USER", "quire_master").env("MASTER_PASSWORD", MASTER);
    roles.env("OWNER_PASSWORD", owner).env("SERVER_PASSWORD", server).output().unwrap()
}

/// Runs `quire-migrate` as the owner with this password.
pub(crate) fn quire_migrate(postgres: &Postgres, command: &str, password: &str) -> Output {
    let mut migrate = Command::new(binary("quire-migrate"));
    let url = format!("postgres://quire_owner@127.0.0.1:{}/quire", postgres.port());
    migrate.arg(command).env("DATABASE_URL", url).env("DATABASE_PASSWORD", password).output().unwrap()
}

async fn execute(connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.map(drop)
}

/// Tests that a master user who is no superuser can create the roles twice, that the migrator works as the owner, and
/// that the server has rights on rows.
#[tokio::test]
async fn the_roles_are_made_by_a_master_user_without_a_password_in_a_statement() {
    let conf = ["log_statement = 'all'", "logging_collector = on", "log_filename = 'server.log'"];
    let postgres = Postgres::start(&Settings { conf: conf.map(str::to_owned).to_vec(), ..Settings::default() });
    let mut superuser = postgres.options().connect().await.unwrap();
    make_master(&postgres).await;
    let roles = |command: &str, owner: &str, server: &str| quire_roles(&postgres, command, owner, server);
    for (owner, server) in [("0wn3r/0ld", "s3rv3r/0ld"), ("0wn3r/n3w", "s3rv3r/n3w")] {
        let made = roles("make", owner, server);
        assert!(made.status.success(), "{}", said(&made));
    }
    let role = |name: &str, password: &str| postgres.options().database("quire").username(name).password(password);
    assert!(role("quire_server", "s3rv3r/0ld").connect().await.is_err(), "the old password still works");

    for command in ["up", "check"] {
        let migrated = quire_migrate(&postgres, command, "0wn3r/n3w");
        assert!(migrated.status.success(), "{}", said(&migrated));
    }
    let mut server = role("quire_server", "s3rv3r/n3w").connect().await.unwrap();
    execute(&mut server, "INSERT INTO users (id) VALUES ('ann'); SELECT nextval('notebook_versions')").await.unwrap();
    assert!(execute(&mut server, "CREATE TABLE mine (id integer)").await.is_err());
    execute(&mut server, "DELETE FROM quire_migrations WHERE false").await.unwrap();
    let closed = roles("close", "0wn3r/n3w", "");
    assert!(closed.status.success(), "{}", said(&closed));
    assert!(execute(&mut server, "DELETE FROM quire_migrations WHERE false").await.is_err());

    for (command, owner) in [("unmake", "x"), ("make", "")] {
        assert_eq!(roles(command, owner, "y").status.code(), Some(2));
    }
    let log: String =
        sqlx::query("SELECT pg_read_file('log/server.log')").fetch_one(&mut superuser).await.unwrap().get(0);
    assert!(log.contains("ALTER USER quire_owner PASSWORD 'SCRAM-SHA-256$"), "the statement was not logged at all");
    for password in ["0wn3r", "s3rv3r"] {
        assert!(!log.contains(password), "a password is in the server's log");
    }
}

/// A dump of a served database, as an operator makes it, with its key.
struct Backup {
    postgres: Postgres,
    /// Password of the superuser.
    password: String,
    folder: tempfile::TempDir,
}

impl Backup {
    fn make(strings: usize) -> Self {
        let postgres = Postgres::start(&Settings::default());
        let runtime = Runtime::new().unwrap();
        let database = runtime.block_on(Database::on(&postgres));
        let mut command = Command::new(binary("quire-server"));
        command.env("DATABASE_URL", database.url()).env("QUIRE_SECRET_KEY", KEY);
        let server = Server::spawn(command);
        for number in 0..3 {
            let notebook = server.ok("POST", "/api/notebooks", None);
            let path = format!("/api/notebooks/{}/db", notebook["notebook_id"].as_str().unwrap());
            if number < strings {
                server.ok(
                    "PUT",
                    &path,
                    Some(&json!({"connection_string": format!("postgres://reader:s3cret@db/{number}")})),
                );
            }
        }
        server.ok("GET", "/health", None);
        let folder = tempfile::tempdir().unwrap();
        let mut dump = Command::new("pg_dump");
        dump.args(["--format=custom", "--file"]).arg(folder.path().join("dump")).arg(database.url());
        let dumped = dump.output().unwrap();
        assert!(dumped.status.success(), "{}", said(&dumped));
        let password = database.url().split_once("//quire:").unwrap().1.split('@').next().unwrap().to_owned();
        Self { postgres, password, folder }
    }

    fn check(&self, dump: &str, key: Option<&str>) -> (Option<i32>, String) {
        self.check_with(dump, key, |check| check.env("PGPASSWORD", &self.password))
    }

    fn check_with<'a>(
        &'a self,
        dump: &str,
        key: Option<&str>,
        set: impl FnOnce(&mut Command) -> &mut Command + 'a,
    ) -> (Option<i32>, String) {
        let binaries = binary("quire-migrate");
        let url = self.postgres.options();
        let mut check = script("scripts/restore-check");
        check.arg(self.folder.path().join(dump)).env("QUIRE_BINARIES", binaries.parent().unwrap());
        check.env("PGHOST", "127.0.0.1").env("PGPORT", url.get_port().to_string()).env("PGUSER", url.get_username());
        set(&mut check);
        if let Some(key) = key {
            let file = self.folder.path().join("key");
            fs::write(&file, key).unwrap();
            check.env("QUIRE_SECRET_KEY_FILE", file);
        }
        let checked = check.output().unwrap();
        (checked.status.code(), said(&checked))
    }

    /// Dumps a database of the server to another file.
    fn dump(&self, database: &str, file: &str) {
        let mut dump = Command::new("pg_dump");
        dump.args(["--format=custom", "--file"]).arg(self.folder.path().join(file));
        dump.args(["--host=127.0.0.1", &format!("--port={}", self.postgres.port())]);
        dump.args(["--username", self.postgres.options().get_username()]);
        let dumped = dump.arg(database).env("PGPASSWORD", &self.password).output().unwrap();
        assert!(dumped.status.success(), "{}", said(&dumped));
    }

    /// Returns the databases that were left on the server.
    fn databases(&self) -> Vec<String> {
        let names = async {
            let mut connection = self.postgres.options().connect().await.unwrap();
            let names = "SELECT datname FROM pg_database WHERE datname LIKE 'quire_restore_check%'";
            sqlx::query(names).fetch_all(&mut connection).await.unwrap().iter().map(|row| row.get(0)).collect()
        };
        Runtime::new().unwrap().block_on(names)
    }
}

#[test]
fn a_backup_is_proved() {
    let backup = Backup::make(2);
    let (code, told) = backup.check("dump", Some(KEY));
    assert_eq!(code, Some(0), "{told}");
    for sentence in [
        "3 notebooks",
        "2 sealed connection strings",
        "every notebook can be read",
        "the key opens all 2",
        "all 3 notebooks can be given new lives",
        "run quire-migrate new-generation on it",
        "all well",
    ] {
        assert!(told.contains(sentence), "{sentence:?} is not in:\n{told}");
    }
    let age = told.lines().find(|line| line.contains("data as of 20")).expect("its age is told");
    assert!(age.contains("00:00:") || age.contains("00:01:"), "{age}");
    assert!(!told.contains("s3cret") && !told.contains(&KEY[..16]), "{told}");

    let (code, told) = backup.check("dump", Some(OTHER_KEY));
    assert_eq!(code, Some(1), "another key opens nothing: {told}");
    assert!(told.contains("FAILED"), "{told}");
    let (code, told) = backup.check("dump", None);
    assert_eq!((code, told.contains("no key to open them with")), (Some(1), true), "{told}");

    let whole = fs::read(backup.folder.path().join("dump")).unwrap();
    fs::write(backup.folder.path().join("half"), &whole[..whole.len() / 2]).unwrap();
    let (code, told) = backup.check("half", Some(KEY));
    assert_eq!(code, Some(1), "half a dump is no backup: {told}");
    let (code, told) = backup.check("missing", Some(KEY));
    assert_eq!(code, Some(2), "{told}");

    // psql can connect with this file, and quire-migrate cannot.
    let passwords = backup.folder.path().join("pgpass");
    fs::write(&passwords, format!("*:*:*:*:{}\n", backup.password)).unwrap();
    fs::set_permissions(&passwords, fs::Permissions::from_mode(0o600)).unwrap();
    let (code, told) = backup.check_with("dump", Some(KEY), |check| check.env("PGPASSFILE", &passwords));
    assert_eq!((code, told.contains("PGPASSWORD")), (Some(2), true), "{told}");

    // The first output of pg_restore from version 17 on, which a server before 17 refuses.
    let newer = backup.folder.path().join("pg_restore");
    let setting = r#"PATH=$REAL_PATH pg_restore "$@" | sed 's/^SET client_encoding/SET transaction_timeout = 0;\n&/'"#;
    fs::write(&newer, format!("#!/bin/bash\nset -o pipefail\n{setting}\n")).unwrap();
    fs::set_permissions(&newer, fs::Permissions::from_mode(0o700)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let (code, told) = backup.check_with("dump", Some(KEY), |check| {
        let first = format!("{}:{path}", backup.folder.path().display());
        check.env("PGPASSWORD", &backup.password).env("REAL_PATH", &path).env("PATH", first)
    });
    assert_eq!(code, Some(0), "{told}");

    // A migrator that claims to have given new lives.
    let claims = backup.folder.path().join("claims");
    fs::create_dir(&claims).unwrap();
    let real = binary("quire-migrate");
    let script = format!("#!/bin/bash\n[ \"$1\" = new-generation ] || exec '{}' \"$@\"\n", real.display());
    fs::write(claims.join("quire-migrate"), script).unwrap();
    fs::set_permissions(claims.join("quire-migrate"), fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(binary("quire-import"), claims.join("quire-import")).unwrap();
    let (code, told) = backup.check_with("dump", Some(KEY), |check| {
        check.env("PGPASSWORD", &backup.password).env("QUIRE_BINARIES", &claims)
    });
    assert_eq!((code, told.contains("3 notebooks have the lives of before")), (Some(1), true), "{told}");
    assert_eq!(backup.databases(), Vec::<String>::new(), "nothing is left behind");
}

/// Tests that the tables may be in another schema than `public`, and that the output names the schema.
#[test]
fn a_backup_of_another_schema_is_proved_and_the_schema_is_named() {
    let backup = Backup::make(0);
    let (code, told) = backup.check_with("dump", None, |check| check.env("PGPASSWORD", &backup.password).arg("--keep"));
    assert_eq!(code, Some(0), "{told}");
    let kept = backup.databases();
    let [name] = kept.as_slice() else { panic!("{kept:?}") };
    for (change, expected, sentence) in [
        (
            "ALTER SCHEMA public RENAME TO \"Our notebooks\"; CREATE SCHEMA public",
            0,
            "in the schema \"Our notebooks\"; set",
        ),
        ("CREATE TABLE quire_migrations (name text)", 1, "in several schemas, \"Our notebooks\", public;"),
    ] {
        let changed = async {
            let mut connection = backup.postgres.options().database(name).connect().await.unwrap();
            execute(&mut connection, change).await.unwrap();
        };
        Runtime::new().unwrap().block_on(changed);
        backup.dump(name, "moved");
        let (code, told) = backup.check("moved", None);
        assert_eq!((code, told.contains(sentence)), (Some(expected), true), "{told}");
    }
}

/// A database whose sequence lags behind would assign versions twice, and no count of rows shows it.
#[test]
fn a_backup_that_would_give_versions_out_again_is_none() {
    let backup = Backup::make(0);
    let (code, told) = backup.check_with("dump", None, |check| check.env("PGPASSWORD", &backup.password).arg("--keep"));
    assert_eq!(code, Some(0), "{told}");
    let kept = backup.databases();
    let [name] = kept.as_slice() else { panic!("{kept:?}") };
    let set_back = async {
        let mut connection = backup.postgres.options().database(name).connect().await.unwrap();
        execute(&mut connection, "SELECT setval('notebook_versions', 1)").await.unwrap();
    };
    Runtime::new().unwrap().block_on(set_back);
    backup.dump(name, "behind");
    let (code, told) = backup.check("behind", None);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("notebook_versions would give out again"), "{told}");
}

/// Tests that the image's health check needs nothing but the shell to query a real server.
#[test]
fn the_health_check_tells_a_server_from_none() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::on(folder.path());
    let port = server.address().rsplit(':').next().unwrap().to_owned();
    let health = |path: &[&str]| {
        let mut health = script("infra/image/quire-health");
        health.args(path).env_remove("PORT").env("QUIRE_PORT", &port).output().unwrap().status.code()
    };
    assert_eq!(health(&[]), Some(0));
    assert_eq!(health(&["/nothing"]), Some(1), "only 200 is well");
    assert!(server.terminate());
    assert_eq!(health(&[]), Some(1), "nobody is there");
}
