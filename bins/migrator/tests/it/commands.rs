//! Tests of each command, its exit codes and its output.

use std::process::{Command, Stdio};
use std::{fs, io::Write as _};

use quire_migration::STEPS;
use quire_test_postgres::Database;

use crate::support::{Ended, execute, migrated, migrator, password, run, texts};

#[tokio::test]
async fn up_and_down_and_status() {
    let database = Database::empty().await;
    let url = database.url();
    let status = run(url, &["status"]);
    assert_eq!(status.code, Some(4), "{status:?}");
    assert_eq!(status.out.matches("pending  m2").count(), STEPS.len());
    assert!(status.out.ends_with("the database has no schema yet; run `quire-migrate up`\n"), "{status:?}");
    assert_eq!(run(url, &["check"]).code, Some(4));

    let up = run(url, &["up"]);
    assert_eq!(up.code, Some(0), "{up:?}");
    assert_eq!(up.out.lines().count(), STEPS.len() + 1, "a line for each step, and one for the end: {up:?}");
    assert!(up.out.ends_with("the schema is current\n"), "{up:?}");
    let again = run(url, &["up"]);
    assert_eq!((again.code, again.out.as_str()), (Some(0), "the schema is current; nothing to do\n"));
    let status = run(url, &["status"]);
    assert_eq!((status.code, status.out.matches("applied  m2").count()), (Some(0), STEPS.len()), "{status:?}");

    let down = run(url, &["down"]);
    assert_eq!((down.code, down.out.matches("took back m2").count()), (Some(0), 1), "{down:?}");
    let status = run(url, &["status"]);
    assert_eq!(status.code, Some(4), "{status:?}");
    assert!(status.out.contains(&format!("pending  {} (compatible)", STEPS.last().unwrap().name)), "{status:?}");
    let down = run(url, &["down", "--steps", "100"]);
    assert_eq!((down.code, down.out.matches("took back m2").count()), (Some(0), STEPS.len() - 1), "{down:?}");
    assert_eq!(run(url, &["up"]).code, Some(0));
    assert_eq!(run(url, &["check"]).code, Some(0));
}

#[tokio::test]
async fn a_changed_step_is_refused() {
    let database = migrated(STEPS).await;
    execute(&mut database.connect().await, "UPDATE quire_migrations SET checksum = 'x' WHERE name ~ 'cells'").await;
    for command in ["up", "down", "status", "check"] {
        let ended = run(database.url(), &[command]);
        assert_eq!(ended.code, Some(3), "{command}: {ended:?}");
        assert!((ended.out + &ended.err).contains("m20261125_090200_cells was changed after it was applied"));
    }
}

#[tokio::test]
async fn a_schema_ahead_ends_with_5() {
    let database = migrated(STEPS).await;
    let mut connection = database.connect().await;
    let add = "INSERT INTO quire_migrations VALUES ('m29991231_235959_later', 'x', 'compatible', now(), now())";
    execute(&mut connection, add).await;
    for (command, code) in [("status", 5), ("check", 5), ("down", 5), ("up", 0)] {
        let ended = run(database.url(), &[command]);
        assert_eq!(ended.code, Some(code), "{command}: {ended:?}");
        assert!((ended.out + &ended.err).contains("m29991231_235959_later"), "{command}");
    }
    execute(&mut connection, "UPDATE quire_migrations SET kind = 'breaking' WHERE name ~ 'later'").await;
    for command in ["status", "check", "down", "up"] {
        let ended = run(database.url(), &[command]);
        assert_eq!(ended.code, Some(5), "{command}: {ended:?}");
    }
    let ended = run(database.url(), &["fresh", "--yes"]);
    assert_eq!(ended.code, Some(5), "{ended:?}");
}

#[tokio::test]
async fn check_names_a_wrong_index() {
    let database = migrated(STEPS).await;
    let wrong = "DROP INDEX notebooks_listing; CREATE INDEX notebooks_listing ON notebooks (user_id, id); \
                 CREATE TABLE reports (id integer)";
    execute(&mut database.connect().await, wrong).await;
    let ended = run(database.url(), &["check"]);
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert_eq!(
        ended.out,
        "index notebooks.notebooks_listing: \
         expected `CREATE INDEX notebooks_listing ON notebooks USING btree (user_id, created_at, id)`, \
         found `CREATE INDEX notebooks_listing ON notebooks USING btree (user_id, id)`\n\
         table reports: not Quire's, ignored\n"
    );
}

#[tokio::test]
async fn only_a_database_of_utf8_is_taken() {
    for encoding in ["LATIN1", "EUC_JP", "SQL_ASCII"] {
        let database = Database::empty_with_encoding(encoding).await;
        // A database as earlier migrators accepted it.
        let migrated = Database::empty_with_encoding(encoding).await;
        execute(&mut migrated.connect().await, quire_migration::sql(STEPS)).await;
        for (database, command) in [(&database, "up"), (&database, "check"), (&migrated, "up"), (&migrated, "check")] {
            let refused = run(database.url(), &[command]);
            assert_eq!((refused.code, refused.out.as_str()), (Some(3), ""), "{command}: {refused:?}");
            let said = format!(
                "has the encoding {encoding}, which cannot hold every character: Quire needs UTF8. Make one with"
            );
            assert!(refused.err.contains(&said) && refused.err.contains(database.name()), "{refused:?}");
        }
        let mut connection = database.connect().await;
        let tables = texts(&mut connection, "SELECT relname::text FROM pg_class WHERE relname ~ '^quire'").await;
        assert_eq!(tables, Vec::<String>::new());
    }
}

const ONE_NOTEBOOK: &str = "INSERT INTO users (id) VALUES ('alice'); \
    INSERT INTO notebooks (id, user_id, revision, version, commit_ids, commit_versions, created_at, updated_at) \
    VALUES ('n', 'alice', 0, 1, '{}', '{}', now(), now())";

#[tokio::test]
async fn fresh_asks_before_it_loses_anything() {
    let database = migrated(STEPS).await;
    let mut connection = database.connect().await;
    execute(&mut connection, ONE_NOTEBOOK).await;
    let loss = format!(
        "database \"{}\" on 127.0.0.1:{}: 1 notebook, and all else that Quire holds there, will be lost",
        database.name(),
        database.options().get_port()
    );

    let refused = run(database.url(), &["fresh"]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert_eq!(refused.err, format!("quire-migrate: {loss}; add --yes, since nobody can be asked here\n"));
    assert_eq!(texts(&mut connection, "SELECT id FROM notebooks").await, ["n"]);

    let refused = on_a_terminal(database.url(), "yes\n");
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.out.contains(&loss) && refused.out.contains("nothing was changed"), "{refused:?}");
    assert_eq!(texts(&mut connection, "SELECT id FROM notebooks").await, ["n"]);

    let done = on_a_terminal(database.url(), &format!("{}\n", database.name()));
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(texts(&mut connection, "SELECT id FROM notebooks").await, Vec::<String>::new());

    execute(&mut connection, ONE_NOTEBOOK).await;
    let done = run(database.url(), &["fresh", "--yes"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.out.starts_with(&format!("{loss}\n")), "{done:?}");
    assert_eq!(texts(&mut connection, "SELECT id FROM notebooks").await, Vec::<String>::new());
}

/// Runs the migrator with `script`, which gives it a terminal and types its own input there.
fn on_a_terminal(url: &str, typed: &str) -> Ended {
    let command = format!("{} fresh", env!("CARGO_BIN_EXE_quire-migrate"));
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("DATABASE_URL", url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut terminal = script.stdin.take().unwrap();
    terminal.write_all(typed.as_bytes()).unwrap();
    let ended = script.wait_with_output().unwrap().into();
    drop(terminal);
    ended
}

#[tokio::test]
async fn up_sql_needs_no_database_and_leaves_what_up_leaves() {
    let script: Ended = migrator(&["up", "--sql"]).output().unwrap().into();
    assert_eq!((script.code, script.err.as_str()), (Some(0), ""));
    let database = Database::empty().await;
    let mut connection = database.connect().await;
    execute(&mut connection, script.out).await;
    for command in ["status", "check"] {
        let ended = run(database.url(), &[command]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

#[tokio::test]
async fn the_database_is_named_in_one_of_three_ways() {
    let database = migrated(STEPS).await;
    let password = password(database.url());
    let bare = database.url().replace(&format!(":{password}@"), "@");
    let folder = tempfile::tempdir().unwrap();
    let (url_file, password_file) = (folder.path().join("url"), folder.path().join("password"));
    fs::write(&url_file, format!("{}\n", database.url())).unwrap();
    fs::write(&password_file, format!("{password}\n")).unwrap();
    let (url_file, password_file) = (url_file.to_str().unwrap(), password_file.to_str().unwrap());

    let status = |arguments: &[&str], environment: &[(&str, &str)]| {
        let arguments = [&["status"], arguments].concat();
        Ended::from(migrator(&arguments).envs(environment.iter().copied()).output().unwrap())
    };
    for ended in [
        status(&[], &[("DATABASE_URL", database.url())]),
        status(&["--database-url-file", url_file], &[("DATABASE_URL", "what is set elsewhere")]),
        status(&["--database-url", &bare], &[("DATABASE_PASSWORD", password)]),
        status(&["--database-url", &bare], &[("DATABASE_PASSWORD_FILE", password_file)]),
        status(&[], &[("DATABASE_URL", &bare.replace('@', ":wrong@")), ("DATABASE_PASSWORD", password)]),
    ] {
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    }
    for (ended, said) in [
        (status(&[], &[]), "no database is named"),
        (status(&[], &[("DATABASE_URL", "")]), "no database is named"),
        (
            status(&["--database-url-file", "/nowhere/url"], &[]),
            "cannot read the file that the flag --database-url-file names",
        ),
        (status(&["--database-url", database.url()], &[]), "--database-url holds a password"),
        (status(&["--database-url", &bare, "--database-url-file", url_file], &[]), "cannot be used with one or more"),
        (
            status(&[], &[("DATABASE_URL", &bare), ("DATABASE_PASSWORD_FILE", "/nowhere")]),
            "should hold the database's password cannot be read",
        ),
        (
            status(&[], &[("DATABASE_URL", &bare), ("DATABASE_PASSWORD", "a"), ("DATABASE_PASSWORD_FILE", "b")]),
            "are both set",
        ),
        (Ended::from(migrator(&[]).output().unwrap()), "no command is given"),
        (Ended::from(migrator(&["upp"]).output().unwrap()), "unrecognized subcommand 'upp'"),
        (
            Ended::from(migrator(&["down", "--steps", "0"]).output().unwrap()),
            "Invalid steps \"0\" from the flag --steps: ",
        ),
    ] {
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.starts_with("quire-migrate: ") && ended.err.contains(said), "{said}: {ended:?}");
    }
}

#[test]
fn help_lists_the_exit_codes_and_shows_no_environment() {
    for arguments in [&["--help"][..], &["up", "--help"]] {
        let help: Ended =
            migrator(arguments).env("DATABASE_URL", "postgres://u:in-the-environment@h/d").output().unwrap().into();
        assert_eq!(help.code, Some(0));
        assert!(!help.out.contains("in-the-environment"));
    }
    let help: Ended = migrator(&["--help"]).output().unwrap().into();
    assert!(help.out.contains("0 done or current, 1 other failure, 2 usage, 3 refused, 4 behind"), "{}", help.out);
}
