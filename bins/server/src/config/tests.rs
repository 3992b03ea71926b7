use std::env::VarError;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, CommandFactory as _};

use super::*;

type Flags<'a> = &'a [&'a str];
type Variables<'a> = &'a [(&'a str, &'a str)];

/// Loads a configuration from flags and variables.
fn load(flags: &[&str], variables: &[(&str, &str)]) -> Result<Config, String> {
    let arguments = ["quire-server"].iter().chain(flags).map(OsString::from);
    let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let environment = move |name: &str| match variables.iter().find(|(key, _)| key == name) {
        Some((_, value)) if value == "\u{fffd}" => Err(VarError::NotUnicode(OsString::new())), // stands for what is no text
        Some((_, value)) => Ok(value.clone()),
        None => Err(VarError::NotPresent),
    };
    Config::load(arguments, Box::new(environment)).map_err(|error| error.to_string())
}

/// The options, each with its key in the file and its variables.
fn options() -> Vec<(Arg, String, Vec<String>)> {
    let described = |arg: &Arg| {
        let variables = arg.get_env().and_then(OsStr::to_str).unwrap().split(" or ").map(str::to_owned).collect();
        (arg.clone(), arg.get_long().unwrap().replace('-', "_"), variables)
    };
    Options::command().get_arguments().map(described).collect()
}

/// Who every request is.
fn dev_user(config: &Config) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let signed_in = runtime.block_on(config.authenticator.authenticate("")).unwrap();
    assert!(config.authenticator.is_development() && signed_in.expires_at.is_none());
    signed_in.user.to_string()
}

/// A configuration file that lives as long as the test.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("quire.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let config = load(&[], &[]).unwrap();
    assert_eq!(config.options.notebooks_dir, PathBuf::from("./notebooks"));
    assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(dev_user(&config), "local");
    assert!(config.options.request_limit().is_some());
    assert_eq!(config.options.allowed_origins, ["http://localhost:3000", "http://localhost:5173"]);
    assert_eq!(config.options.keep_alive, Duration::from_secs(75));
    assert!(config.options.workers() >= 1);
    assert!(config.options.memory_bytes() >= 16 * 1024 * 1024);
    assert_eq!(load(&["--memory-mib", "300"], &[]).unwrap().options.memory_bytes(), 300 * 1024 * 1024);
}

#[test]
fn the_default_file_holds_the_defaults() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config.default.toml");
    let debug = |mut config: Config| {
        config.options.config = None;
        format!("{config:?}")
    };
    assert_eq!(debug(load(&["--config", path], &[]).unwrap()), debug(load(&[], &[]).unwrap()));
    let text = fs::read_to_string(path).unwrap();
    for (_, key, variables) in options().into_iter().filter(|(_, key, _)| key != "config") {
        assert!(text.contains(&format!("\n{key} = ")), "{key} is missing");
        assert!(text.contains(&variables[0]), "{} is missing", variables[0]);
    }
}

#[test]
fn the_documentation_names_every_key() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md")).unwrap();
    for (arg, key, variables) in options() {
        let flag = arg.get_long().unwrap();
        let row = text.lines().find(|line| line.starts_with(&format!("| `--{flag}`")));
        let row = row.unwrap_or_else(|| panic!("no row for --{flag}"));
        for variable in variables {
            assert!(row.contains(&format!("`{variable}`")), "{row}");
        }
        assert!(key == "config" || row.contains(&format!("| `{key}` |")), "{row}");
        for default in arg.get_default_values() {
            assert!(row.contains(default.to_str().unwrap()), "{row}");
        }
    }
}

#[test]
fn flags_go_before_variables_before_the_file_before_the_defaults() {
    let (_dir, path) = file("port = 1\ndev_user = 'file'\nlog = 'warn'\n");
    let all = [("QUIRE_CONFIG", path.as_str()), ("QUIRE_PORT", "2"), ("PORT", "3"), ("QUIRE_DEV_USER", "variable")];
    let config = load(&["--port", "4"], &all).unwrap();
    assert_eq!((config.listen.port(), &*dev_user(&config), &*config.options.log), (4, "variable", "warn"));
    assert_eq!(load(&[], &all).unwrap().listen.port(), 2);
    assert_eq!(load(&[], &[("PORT", "3"), ("QUIRE_CONFIG", &path)]).unwrap().listen.port(), 3);
    assert_eq!(load(&["--config", &path], &[]).unwrap().listen.port(), 1);
    assert_eq!(load(&[], &[("QUIRE_PORT", ""), ("PORT", "")]).unwrap().listen.port(), 8000, "empty is not set");
}

#[test]
fn origins_are_a_list_with_commas_or_in_the_file_a_list() {
    let config = load(&[], &[("ALLOWED_ORIGINS", " http://a:1 ,https://b.example,, ")]).unwrap();
    assert_eq!(config.options.allowed_origins, ["http://a:1", "https://b.example"]);
    let (_dir, path) = file("allowed_origins = ['http://a:1', 'https://b.example']");
    assert_eq!(load(&["--config", &path], &[]).unwrap().options.allowed_origins, config.options.allowed_origins);
}

#[test]
fn files_have_one_server_and_a_database_any_number_unless_one_is_asked_for() {
    let url = ("DATABASE_URL", "postgres://ann@h/d");
    let mode = |flags: &[&str], variables: &[(&str, &str)]| load(flags, variables).unwrap().database.unwrap().mode;
    assert_eq!(mode(&[], &[url]), InstanceMode::Many);
    assert_eq!(mode(&[], &[url, ("QUIRE_INSTANCES", "one")]), InstanceMode::One);
    assert_eq!(mode(&["--instances", "many"], &[url, ("QUIRE_INSTANCES", "one")]), InstanceMode::Many);
    assert!(load(&["--instances=one"], &[]).is_ok());
    assert_eq!(
        load(&[], &[("QUIRE_INSTANCES", "many")]).unwrap_err(),
        "Invalid instances \"many\" from the variable QUIRE_INSTANCES: it must be one where no database is named, because \
         the files of a directory are served by one server alone."
    );
    assert_eq!(
        load(&["--instances", "two"], &[url]).unwrap_err(),
        "Invalid instances \"two\" from the flag --instances: it must be one or many."
    );
}

#[test]
fn the_database_is_named_without_showing_a_password() {
    let database = |flags: &[&str], variables: &[(&str, &str)]| load(flags, variables).unwrap().database.unwrap();
    let url = ("DATABASE_URL", "postgresql+asyncpg://ann:hunter2@db.example/quire");
    let named = database(&[], &[url]);
    assert_eq!((named.connections, named.migrate, named.url.has_password()), (10, false, true));
    assert!(!format!("{named:?}").contains("hunter2"));
    let named = database(&["--database-url", "postgres://ann@h/d", "--database-connections=30", "--migrate"], &[url]);
    assert_eq!((named.connections, named.migrate, named.url.has_password()), (30, true, false));
    assert!(database(&["--database-url", "postgres://a@h/d"], &[("DATABASE_PASSWORD", "hunter2")]).url.has_password());
    let (_dir, path) = file("database_url = 'postgres://ann:hunter2@h/d'\nmigrate = true");
    assert!(database(&["--config", &path], &[]).migrate);
    assert!(load(&["--migrate"], &[]).unwrap().database.is_none());
    for (flags, variables) in [
        (&["--database-url", "postgres://ann:hunter2@h/d"][..], &[][..]),
        (&["--database-url=hunter2@h"], &[]),
        (&["--database-url-file", "/nowhere"], &[url]),
        (&["--database-connections", "31"], &[url]),
        (&["--migrate=perhaps"], &[url]),
        (&[], &[("DATABASE_URL", "postgres://ann:hun/ter2@h/d")]),
        (&[], &[("DATABASE_URL", "hunter2")]),
        (&[], &[url, ("DATABASE_PASSWORD", "hunter2"), ("DATABASE_PASSWORD_FILE", "/run/hunter2")]),
    ] {
        let refusal = load(flags, variables).unwrap_err();
        assert!(!refusal.contains("ter2") && refusal.ends_with('.'), "{refusal}");
    }
}

#[test]
fn there_are_never_more_workers_than_connections() {
    let workers = |flags| load(flags, &[]).unwrap().options.workers();
    assert_eq!(workers(&["--workers=512"]), 512);
    assert_eq!(workers(&["--workers=8", "--max-connections=3"]), 3);
    assert_eq!(workers(&["--max-connections=1"]), 1);
}

#[test]
fn the_host_is_one_that_requests_may_name() {
    for (host, address) in [("localhost", "127.0.0.1:8000"), ("127.0.0.1", "127.0.0.1:8000"), ("::1", "[::1]:8000")] {
        assert_eq!(load(&["--host", host], &[]).unwrap().listen.to_string(), address);
    }
}

/// `pk_live_` and `clerk.example.com$` in base64.
const PUBLISHABLE: &str = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";
const ISSUER: (&str, &str) = ("CLERK_ISSUER", "https://clerk.example.com");

#[test]
fn any_setting_of_clerk_means_sign_in_and_then_any_address_will_do() {
    let pem = include_str!("../../../../crates/api/tests/it/keys/issuer.pem");
    for variables in [
        &[ISSUER][..],
        &[("CLERK_PUBLISHABLE_KEY", PUBLISHABLE)],
        &[ISSUER, ("CLERK_PUBLISHABLE_KEY", "pk_test_none"), ("CLERK_JWKS_URL", "https://keys.example/jwks")],
        &[ISSUER, ("CLERK_JWT_KEY", pem), ("QUIRE_CLERK_MISSING_AZP", "true")],
    ] {
        let config = load(&["--host", "0.0.0.0"], variables).unwrap();
        assert!(!config.authenticator.is_development(), "{variables:?}");
        assert_eq!(config.listen.to_string(), "0.0.0.0:8000");
    }
    let named = load(&[], &[("CLERK_PUBLISHABLE_KEY", PUBLISHABLE)]).unwrap();
    let debug = format!("{:?}", named.authenticator);
    assert!(debug.contains("https://clerk.example.com/.well-known/jwks.json"), "{debug}");
    assert!(
        load(&[], &[("CLERK_ISSUER", ""), ("QUIRE_CLERK_MISSING_AZP", "true")]).unwrap().authenticator.is_development()
    );
}

#[test]
fn development_mode_is_refused_beside_clerk() {
    let (_dir, path) = file("dev_user = 'ann'");
    let config = ["--config", path.as_str()];
    for (flags, variables, by) in [
        (&["--dev-user", "local"][..], &[ISSUER][..], "dev_user from the flag --dev-user"),
        (&[], &[ISSUER, ("QUIRE_DEV_USER", "ann")], "dev_user from the variable QUIRE_DEV_USER"),
        (&["--dev-user", "ann"], &[("CLERK_JWT_KEY", "x")], "which clerk_jwt_key from the variable CLERK_JWT_KEY asks"),
        (&["--dev-user", "ann"], &[("CLERK_JWKS_URL", "x")], "which clerk_jwks_url from"),
        (&["--dev-user", "ann"], &[("CLERK_PUBLISHABLE_KEY", PUBLISHABLE)], "which clerk_publishable_key from"),
        (&config, &[ISSUER], "dev_user from line 1 of"),
    ] {
        let refusal = load(flags, variables).unwrap_err();
        assert!(refusal.contains(by) && refusal.contains("leave one of the two out."), "{refusal}");
    }
    let copy = concat!(env!("CARGO_MANIFEST_DIR"), "/config.default.toml");
    assert!(load(&["--config", copy], &[ISSUER]).is_ok(), "a copy of the defaults asks for nothing");
}

#[test]
fn requests_are_limited_unless_told_otherwise() {
    let limit =
        |flags: &[&str]| load(flags, &[]).unwrap().options.request_limit().map(|l| (l.per_second.get(), l.burst.get()));
    assert_eq!(limit(&[]), Some((500, 5_000)));
    assert_eq!(limit(&["--requests-per-second=3", "--requests-burst=4"]), Some((3, 4)));
    assert_eq!(limit(&["--requests-per-second=0"]), None);
}

#[test]
fn what_a_user_keeps_is_limited_unless_told_otherwise() {
    let quota = |flags: &[&str]| {
        load(flags, &[]).map(|config| (config.options.quota().notebooks, config.options.quota().bytes)).unwrap()
    };
    assert_eq!(quota(&[]), (Some(10_000), Some(10 << 30)));
    assert_eq!(quota(&["--user-notebooks=3", "--user-bytes=0"]), (Some(3), None));
}

#[test]
fn what_is_invalid_is_refused_in_one_sentence_that_says_what_and_where() {
    let long = "x".repeat(195);
    let cases: &[(Flags, Variables, &str)] = &[
        (&["--port", "x"], &[], r#"Invalid port "x" from the flag --port: it must be a number from 0 to 65535."#),
        (
            &[],
            &[("PORT", "70000")],
            r#"Invalid port "70000" from the variable PORT: it must be a number from 0 to 65535."#,
        ),
        (
            &["--host", "example"],
            &[],
            r#"Invalid host "example" from the flag --host: it must be 127.0.0.1, ::1 or localhost."#,
        ),
        (&["--host", "127.0.0.2"], &[], "it must be 127.0.0.1, ::1 or localhost, since requests to any other address"),
        (&[], &[("PORT", "\u{fffd}")], "Invalid port from the variable PORT: it must be UTF-8."),
        (&["--port", "1"], &[("QUIRE_CONFIG", "\u{fffd}")], "Invalid config from the variable QUIRE_CONFIG: it must"),
        (&[], &[("QUIRE_HOST", "0.0.0.0")], r#"Invalid host "0.0.0.0" from the variable QUIRE_HOST: without sign-in"#),
        (&["--host", "::"], &[], r#"Invalid host "::" from the flag --host: without sign-in"#),
        (&["--host", "::ffff:127.0.0.1"], &[], "without sign-in"),
        (&["--dev-user", ""], &[], r#"Invalid dev_user "" from the flag --dev-user: user id is empty."#),
        (&["--dev-user", &long], &[], "could not exist: notebook id has 201 characters, more than the 200 allowed."),
        (&[], &[("CLERK_JWKS_URL", "https://a.example/jwks")], "Missing clerk_issuer: "),
        (
            &[],
            &[("CLERK_ISSUER", "clerk.example")],
            "Invalid clerk_issuer from the variable CLERK_ISSUER: the issuer must",
        ),
        (
            &["--clerk-issuer=https://a.example/"],
            &[],
            "Invalid clerk_issuer from the flag --clerk-issuer: the issuer must",
        ),
        (
            &[],
            &[ISSUER, ("CLERK_JWKS_URL", "http://a.example/")],
            "Invalid clerk_jwks_url from the variable CLERK_JWKS_URL: ",
        ),
        (&[], &[ISSUER, ("CLERK_JWT_KEY", "x")], "Invalid clerk_jwt_key from the variable CLERK_JWT_KEY: the key must"),
        (&[], &[("CLERK_PUBLISHABLE_KEY", "pk_live_x")], "it must be the publishable key from Clerk's dashboard"),
        (
            &[],
            &[("CLERK_PUBLISHABLE_KEY", "sk_live_x")],
            "Invalid clerk_publishable_key from the variable CLERK_PUBLISHABLE_KEY: it must be the publishable key from Clerk's dashboard",
        ),
        (
            &["--host", "example"],
            &[ISSUER],
            "it must be an address of this machine, such as 0.0.0.0 for all, or localhost.",
        ),
        (&["--requests-per-second=x"], &[], "it must be a whole number from 0 to 1000000."),
        (&["--user-bytes=1G"], &[], "it must be a whole number from 0 to 1125899906842624."),
        (&["--trusted-proxies=17"], &[], "it must be a whole number from 0 to 16."),
        (&["--requests-burst=0"], &[], "it must be a whole number from 1 to 1000000."),
        (&["--allowed-origins", "*"], &[], r#"from the flag --allowed-origins: "*" must be an origin"#),
        (&["--allowed-origins", "http://a/"], &[], r#""http://a/" must be an origin"#),
        (&["--allowed-origins", "null"], &[], r#""null" must be an origin"#),
        (&["--allowed-origins", "http://A"], &[], r#""http://A" must be an origin"#),
        (&["--log", "a=b=c"], &[], r#"Invalid log "a=b=c" from the flag --log: it must be a level"#),
        (
            &["--log-format", "xml"],
            &[],
            r#"Invalid log_format "xml" from the flag --log-format: it must be text or json."#,
        ),
        (&["--memory-mib=-1"], &[], "it must be a whole number from 0 to 16777216."),
        (&["--workers=-1"], &[], "it must be a whole number from 0 to 512."),
        (&["--workers=513"], &[], "it must be a whole number from 0 to 512."),
        (&["--max-connections=0"], &[], "it must be a whole number from 1 to"),
        (&["--keep-alive-ms", "60000"], &[], "it must be a whole number from 60001 to 3600000."),
        (&["--body-timeout-ms", "0"], &[], "it must be a whole number from 1 to 3600000."),
        (&["--notebooks-dir", ""], &[], "it must name a directory."),
        (&["--bogus"], &[], "Invalid command line: unexpected argument '--bogus' found; --help lists the flags."),
        (
            &["--config", "/does/not/exist"],
            &[],
            "Cannot read the configuration file /does/not/exist from the flag --config: ",
        ),
    ];
    for (flags, variables, sentence) in cases {
        let refusal = load(flags, variables).unwrap_err();
        assert!(refusal.contains(sentence), "{flags:?} {variables:?}: {refusal}");
        assert!(refusal.ends_with('.') && !refusal.contains('\n'), "{refusal:?}");
    }
}

#[test]
fn what_is_invalid_in_the_file_is_named_by_line() {
    let cases = [
        ("\nport = 'x'", r#"Invalid port "x" from line 2 of "#),
        ("port = 1\n\nprot = 2", "Invalid line 3 of "),
        ("prot = 2", r#"there is no key "prot"."#),
        ("port = 1\nport = 2", "Invalid line 2 of "),
        ("port = ", "Invalid line 1 of "),
        ("port = 1.5", "port must be text or a number."),
        ("port = true", "port must be text or a number."),
        ("migrate = 'yes'", "migrate must be true or false."),
        ("port = 0x10", "port must be text or a number."),
        ("[port]\na = 1", "port must be text or a number."),
        ("host = '0.0.0.0'", "from line 1 of "),
        ("config = 'other.toml'", r#"there is no key "config"."#),
    ];
    for (text, sentence) in cases {
        let (_dir, path) = file(text);
        let refusal = load(&["--config", &path], &[]).unwrap_err();
        assert!(refusal.contains(sentence) && refusal.contains(&path), "{text:?}: {refusal}");
        assert!(refusal.ends_with('.') && !refusal.contains('\n'), "{refusal:?}");
    }
}

#[test]
fn help_explains_every_key() {
    let help = load(&["--help"], &[]).unwrap_err();
    for (arg, key, variables) in options() {
        let value = &arg.get_value_names().unwrap()[0];
        let value = if arg.get_num_args().is_some() { format!("[=<{value}>]") } else { format!(" <{value}>") };
        assert!(help.contains(&format!("--{}{value}", arg.get_long().unwrap())), "{key}: {help}");
        assert!(help.contains(&variables[0]), "{key}");
    }
}
