//! Tests that no output ever contains the password.

use quire_migration::STEPS;
use quire_test_postgres::Database;

use crate::support::{Ended, execute, migrated, migrator, password, run};

const PASSWORD: &str = "tr0ub4dor-and-3";

fn told(ended: &Ended) -> String {
    format!("{}{}", ended.out, ended.err)
}

/// Tests every place of the input that may contain a password, valid or not.
#[tokio::test]
async fn nothing_that_goes_wrong_prints_it() {
    let database = Database::empty().await;
    let port = database.options().get_port().to_string();
    let urls = [
        // No server at this address, or no such user or password.
        "postgres://quire:PASSWORD@127.0.0.1:1/quire".to_owned(),
        format!("postgres://nobody:PASSWORD@127.0.0.1:{port}/quire"),
        format!("postgres://postgres:PASSWORD@127.0.0.1:{port}/quire?sslmode=verify-full"),
        // No URLs, or malformed ones.
        "postgre://quire:PASSWORD@host/quire".to_owned(),
        "postgres//quire:PASSWORD@host/quire".to_owned(),
        "postgres://quire:PASSWORD".to_owned(),
        "postgres://quire:PASSWORD@".to_owned(),
        "postgres://quire:PASSWORD@host:port/quire".to_owned(),
        "postgres://quire:with/slash/PASSWORD@host/quire".to_owned(),
        "postgres://quire:with@sign@PASSWORD@host/quire".to_owned(),
        "postgres://quire:with#hash#PASSWORD@host/quire".to_owned(),
        "postgres://quire:with%zzPASSWORD@host/quire".to_owned(),
        "postgres://quire:with?PASSWORD@host/quire".to_owned(),
        "postgres://quire@host/quire?password=PASSWORD".to_owned(),
        "postgres://quire@host/quire?sslpassword=PASSWORD".to_owned(),
        "host=127.0.0.1 user=quire password=PASSWORD".to_owned(),
        "PASSWORD".to_owned(),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    for url in urls.map(|url| url.replace("PASSWORD", PASSWORD)) {
        std::fs::write(&file, &url).unwrap();
        let from_file = ["status", "--database-url-file", file.to_str().unwrap()];
        for ended in [
            run(&url, &["up"]),
            run(&url, &["fresh"]),
            migrator(&from_file).output().unwrap().into(),
            migrator(&["up", "--database-url", &url]).output().unwrap().into(),
            migrator(&["up", &format!("--database-url={url}")]).output().unwrap().into(),
        ] {
            assert!(matches!(ended.code, Some(1 | 2)), "{url}: {ended:?}");
            assert!(ended.err.starts_with("quire-migrate: "), "{url}: {ended:?}");
            assert!(!told(&ended).contains(PASSWORD), "{url}: {ended:?}");
        }
    }
    // A misplaced argument is not quoted either if it looks like a URL.
    let url = format!("postgres://quire:{PASSWORD}@host/quire");
    for arguments in
        [&["up", &url][..], &[&url], &["up", "--databaseurl", &url], &["up", "--sql", &url], &["down", "--steps", &url]]
    {
        let ended: Ended = migrator(arguments).output().unwrap().into();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(!told(&ended).contains(PASSWORD), "{ended:?}");
    }
    let ended: Ended = migrator(&["up"])
        .envs([("DATABASE_URL", "postgres://quire@127.0.0.1:1/quire"), ("DATABASE_PASSWORD", PASSWORD)])
        .output()
        .unwrap()
        .into();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.err.contains("cannot connect to the database \"quire\" on 127.0.0.1:1 as user \"quire\""),
        "{ended:?}"
    );
    assert!(!told(&ended).contains(PASSWORD), "{ended:?}");
}

#[tokio::test]
async fn nothing_that_goes_well_prints_it() {
    let database = migrated(STEPS).await;
    let password = password(database.url());
    for command in [&["down"][..], &["up"], &["status"], &["check"], &["fresh", "--yes"], &["fresh"], &["up", "--sql"]]
    {
        let ended = run(database.url(), command);
        assert!(matches!(ended.code, Some(0 | 3)), "{command:?}: {ended:?}");
        assert!(!told(&ended).contains(password), "{command:?}: {ended:?}");
    }
    execute(&mut database.connect().await, "DROP TABLE cells CASCADE").await;
    let ended = run(database.url(), &["check"]);
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(!told(&ended).contains(password), "{ended:?}");
}
