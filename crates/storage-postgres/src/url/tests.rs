use std::process::Command;

use quire_test_postgres::{Database, Server, Settings};
use sqlx::ConnectOptions;

use super::*;

fn parsed(text: &str) -> DatabaseUrl {
    DatabaseUrl::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn options(text: &str) -> PgConnectOptions {
    parsed(text).connect_options("quire").unwrap()
}

/// The password that the options hold, which have no other way to tell.
fn password(options: &PgConnectOptions) -> String {
    let shown = format!("{options:?}");
    let (_, rest) = shown.split_once("password: Some(\"").unwrap();
    rest.split_once("\")").unwrap().0.to_owned()
}

#[test]
fn all_parts_are_read() {
    for scheme in SCHEMES {
        let options = options(&format!("{scheme}://me:s%2Fe%40%25c%23r+e:t@db.example:6432/my%20notes"));
        assert_eq!((options.get_host(), options.get_port()), ("db.example", 6432));
        assert_eq!((options.get_username(), options.get_database()), ("me", Some("my notes")));
        assert_eq!(password(&options), "s/e@%c#r+e:t");
        assert_eq!(options.get_application_name(), Some("quire"));
    }
}

#[test]
fn what_is_left_out_has_a_default_that_no_variable_changes() {
    let options = options(" postgres://me@/notes\n");
    assert_eq!((options.get_host(), options.get_port(), options.get_socket()), ("localhost", 5432, None));
    assert_eq!(password(&options), "");
}

/// Runs one of these tests in a process with other variables, and returns what it printed.
fn run_with(test: &str, variables: &[(&str, &str)]) -> String {
    let mut this = Command::new(std::env::current_exe().unwrap());
    this.args(["--exact", &format!("url::tests::{test}"), "--nocapture"]).envs(variables.iter().copied());
    let output = this.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    said
}

#[test]
fn variables_of_other_clients_do_not_count() {
    let names = ["PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGAPPNAME"];
    run_with("what_is_left_out_has_a_default_that_no_variable_changes", &names.map(|name| (name, "7777")));
}

#[test]
fn the_environment_may_demand_tls() {
    const CHILD: &str = "QUIRE_TEST_URL_CHILD";
    if std::env::var_os(CHILD).is_some() {
        for url in
            ["postgres://me@db/notes", "postgres://me@db/notes?sslmode=require", "postgres://me@/notes?host=/run"]
        {
            let mode = parsed(url).connect_options("quire").map(|options| options.get_ssl_mode());
            println!("{mode:?}");
        }
        return;
    }
    let said = |mode| run_with("the_environment_may_demand_tls", &[(CHILD, "1"), ("PGSSLMODE", mode)]);
    let full = said("verify-full");
    assert!(full.contains("Ok(VerifyFull)\nOk(Require)\nOk(Disable)"), "{full}");
    let nonsense = said("verify_full");
    assert!(nonsense.contains("Err(Value { key: \"PGSSLMODE\"") && nonsense.contains("Ok(Require)"), "{nonsense}");
}

#[test]
fn no_mode_concerns_a_unix_socket() {
    for mode in ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] {
        let url = format!("postgres://me@/notes?host=/run&sslmode={mode}&sslrootcert=/nowhere/ca.pem");
        assert!(matches!(options(&url).get_ssl_mode(), PgSslMode::Disable), "{mode}");
        parsed(&url).check_files().unwrap();
    }
}

#[test]
fn the_authorities_of_the_system_go_with_verify_full_alone() {
    let mode = |query: &str| {
        let url = parsed(&format!("postgres://me@db/notes?sslrootcert=system{query}"));
        url.connect_options("quire").map(|options| format!("{:?}", options.get_ssl_mode()))
    };
    assert_eq!([mode(""), mode("&sslmode=verify-full")].map(Result::unwrap), ["VerifyFull", "VerifyFull"]);
    for weaker in ["disable", "allow", "prefer", "require", "verify-ca"] {
        let refused = mode(&format!("&sslmode={weaker}")).unwrap_err().to_string();
        assert_eq!(refused, "the value of `sslmode` is not valid: it must be verify-full with sslrootcert=system");
    }
}

/// As the server's certificate is not of one of this machine's authorities, another file with them is named.
#[test]
fn the_authorities_of_the_system_are_believed() {
    const CHILD: &str = "QUIRE_TEST_URL_OF_SYSTEM";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Ok(url) = std::env::var(CHILD) {
        let options = parsed(&url).connect_options("quire").unwrap();
        let connected = runtime.block_on(quire_migration::connect_once(&options));
        println!("connected: {}", connected.is_ok());
        return;
    }
    let server = Server::start(&Settings { tls: true, ..Settings::default() });
    let database = runtime.block_on(Database::empty_on(&server));
    let url = format!("{}?sslrootcert=system", database.url().replace("127.0.0.1", "localhost"));
    for (ca, expected) in [(server.ca(), "connected: true"), (server.other_ca(), "connected: false")] {
        let said = run_with(
            "the_authorities_of_the_system_are_believed",
            &[(CHILD, &url), ("SSL_CERT_FILE", ca.to_str().unwrap())],
        );
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn a_url_connects_over_tls_with_a_password_that_changes() {
    let server = Server::start(&Settings { tls: true, ..Settings::default() });
    let database = Database::empty_on(&server).await;
    let (right, wrong) = (server.ca().display().to_string(), server.other_ca().display().to_string());
    let secured = |host: &str, ca: &str| {
        let text = database.url().replace("127.0.0.1", host);
        parsed(&format!("{text}?sslmode=verify-full&sslrootcert={ca}&application_name=an%20application"))
    };
    let url = secured("localhost", &right);
    let mut connection = url.connect_options("quire").unwrap().connect().await.unwrap();
    let name = "SELECT current_setting('application_name') FROM pg_stat_ssl WHERE ssl AND pid = pg_backend_pid()";
    let name: String = sqlx::query_scalar(name).fetch_one(&mut connection).await.unwrap();
    assert_eq!(name, "an application");
    for url in [secured("localhost", &wrong), secured("127.0.0.1", &right)] {
        url.connect_options("quire").unwrap().connect().await.unwrap_err();
    }

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let url = url.with_password(PasswordSource::File(file.clone()));
    for password in ["p@ss/w#rd%41 ?é\n", "another\n"] {
        let change = format!("ALTER USER CURRENT_USER PASSWORD '{}'", password.trim_end());
        sqlx::raw_sql(sqlx::AssertSqlSafe(change)).execute(&mut connection).await.unwrap();
        fs::write(&file, "not yet").unwrap();
        url.connect_options("quire").unwrap().connect().await.unwrap_err();
        fs::write(&file, password).unwrap();
        url.connect_options("quire").unwrap().connect().await.unwrap();
    }
}

#[test]
fn a_host_may_be_an_address_or_a_folder() {
    for (url, host, port) in [
        ("postgres://me@[::1]:6000/notes", "::1", 6000),
        ("postgres://me@[::1]/notes", "::1", 5432),
        ("postgres://me@127.0.0.1:/notes", "127.0.0.1", 5432),
        ("postgres://me@%2Frun%2Fpostgresql/notes", "/run/postgresql", 5432),
        ("postgres://me@:6000/notes?host=/run/postgresql", "/run/postgresql", 6000),
        ("postgres://me@/notes?host=db.example", "db.example", 5432),
    ] {
        let options = options(url);
        assert_eq!((options.get_host(), options.get_port()), (host, port), "{url}");
    }
}

#[test]
fn keys_reach_the_connection() {
    for (value, shown) in [
        ("sslmode=disable", "Disable"),
        ("ssl=require", "Require"),
        ("sslmode=allow", "Allow"),
        ("sslmode=prefer", "Prefer"),
        ("sslmode=verify-ca", "VerifyCa"),
        ("ssl=verify-full", "VerifyFull"),
    ] {
        let mode = options(&format!("postgres://me@db/notes?{value}")).get_ssl_mode();
        assert_eq!(format!("{mode:?}"), shown, "{value}");
    }
    let url = "postgres://me@db/notes?application_name=a%20b&options=-c%20search_path%3Dx%5C%20y%20--jit=off\
               &connect_timeout=7&sslrootcert=/ca.pem&sslcert=/c.pem&sslkey=/k.pem";
    let options = options(url);
    assert_eq!(options.get_application_name(), Some("a b"));
    let set = options.get_options().unwrap();
    assert!(set.ends_with(r"-c search_path=x\ y --jit=off"), "{set}");
    let shown = format!("{options:?}");
    assert!(["/ca.pem", "/c.pem", "/k.pem"].iter().all(|file| shown.contains(file)), "{shown}");
    assert_eq!(parsed(url).connect_timeout(), Some(Duration::from_secs(7)));
    assert_eq!(parsed("postgres://me@db/notes?connect_timeout=0").connect_timeout(), None);
}

#[test]
fn a_password_may_come_from_elsewhere_and_is_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let url = parsed("postgres://me:old@db/notes").with_password(PasswordSource::File(file.clone()));
    let missing = url.connect_options("quire").unwrap_err();
    assert!(matches!(&missing, DatabaseUrlError::PasswordFile { .. }), "{missing}");
    for (content, expected) in [("one", "one"), ("two\n", "two"), ("three\r\n", "three"), (" four \n", " four ")] {
        fs::write(&file, content).unwrap();
        assert_eq!(password(&url.connect_options("quire").unwrap()), expected);
    }
    fs::write(&file, "\n").unwrap();
    assert!(matches!(url.connect_options("quire"), Err(DatabaseUrlError::NoPassword)));
    let url = url.with_password(PasswordSource::Text("text".to_owned()));
    assert_eq!(password(&url.connect_options("quire").unwrap()), "text");
    assert!(url.has_password());
}

#[test]
fn a_command_line_can_tell_a_password() {
    for text in ["postgres://me@db/notes", "postgres://me@[::1]:6000/notes?sslmode=require", "postgres://me:@db/notes"]
    {
        assert!(!DatabaseUrl::may_hold_password(text), "{text}");
        assert!(!parsed(text).has_password(), "{text}");
    }
    assert!(!DatabaseUrl::may_hold_password("notes"));
    for text in [
        "postgres://me:secret@db/notes",
        "postgres://me:se/cret@db/notes",
        "me:secret@db/notes",
        "mysql://me:secret@db/notes",
        "postgres://me@db/notes?password=secret",
    ] {
        assert!(DatabaseUrl::may_hold_password(text), "{text}");
    }
}

#[test]
fn parts_that_say_nothing_clear_are_refused() {
    for text in [
        "",
        "postgres:",
        "postgres://",
        "postgres://db/notes",
        "postgres://me@db",
        "postgres://me@db/",
        "postgres://me@db/notes/more",
        "postgres://me@one,two/notes",
        "postgres://me@db:65536/notes",
        "postgres://me@db:0/notes",
        "postgres://me@db:+1/notes",
        "postgres://me@db:\\/notes",
        "postgres://me@db\\more/notes",
        "postgres://me@[::1/notes",
        "postgres://me@[::1]6000/notes",
        "postgres://me@[db]/notes",
        "postgres://me@db/notes?sslmode=",
        "postgres://me@db/notes?sslmode=REQUIRE",
        "postgres://me@db/notes?sslmode=disable&ssl=require",
        "postgres://me@db/notes?host=other",
        "postgres://me@db/notes?connect_timeout=soon",
        "postgres://me@db/notes?options=-d",
        "postgres://me@db/notes?options=-c",
        "postgres://me@db/notes?statement-cache-capacity=0",
        "postgres://me%00@db/notes",
        "postgres://m%C3@db/notes",
        "mysql://me@db/notes",
    ] {
        assert!(DatabaseUrl::parse(text).is_err(), "{text}");
    }
}

#[test]
fn nothing_shows_a_password() {
    const SECRET: &str = "hunter2";
    // The plant in its surroundings, each special character before, within and after it.
    let specials =
        ["@", "/", "#", "%", "?", " ", "\n", "[", "]", ":", "&", "=", "%zz", "%FF", "%00", "\\", "\"", "é", "://"];
    let mut passwords = vec![SECRET.to_owned()];
    for special in specials {
        passwords.extend([
            format!("{special}{SECRET}"),
            format!("{SECRET}{special}"),
            format!("1{special}{SECRET}{special}2"),
        ]);
        passwords.extend(specials.map(|other| format!("x{special}{SECRET}{other}y")));
    }
    let surroundings = [
        ("postgres://me:", "@db:5432/notes?sslmode=require"),
        ("postgres://me:", "@[::1]/notes"),
        ("postgres://me:", "@db:x/notes"),
        ("postgres://me:", "@db/notes?nonsense=1"),
        ("postgres://:", "@/"),
        ("postgres:/me:", "@db/notes"),
        ("me:", "@db/notes"),
        ("//me:", "@db/notes"),
        ("mysql://me:", "@db/notes"),
        ("", "://me@db/notes"),
        ("postgres://me@db:", "/notes"),
        ("postgres://me@db/notes?password=", ""),
        ("postgres://me@db/notes?", "=1"),
        ("postgres://me@db/notes?sslmode=", ""),
        ("postgres://me@db/notes?ssl=", "&connect_timeout=1"),
        ("postgres://me@db/notes?connect_timeout=", ""),
        ("postgres://me@db/notes?options=", ""),
        ("postgres://me@db/notes?options=-c%20", ""),
    ];
    let (mut refused, mut read) = (0, 0);
    for password in &passwords {
        for (before, after) in surroundings {
            let text = format!("{before}{password}{after}");
            let shown = match DatabaseUrl::parse(&text) {
                Ok(url) => {
                    read += 1;
                    format!("{url:?} {:?}", url.password)
                }
                Err(error) => {
                    refused += 1;
                    format!("{error} {error:?}")
                }
            };
            assert!(!shown.contains(SECRET), "{text}: {shown}");
        }
    }
    assert!(refused > 5000 && read > 50, "{refused} refused, {read} read");
}
