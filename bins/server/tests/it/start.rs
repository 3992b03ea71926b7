use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Server, quire_server, run};

#[test]
fn it_starts_on_a_free_port_and_says_where_it_keeps_things() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("made"));
    let messages: Vec<_> = server.log.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert!(messages.contains(&"using file storage"), "{messages:?}");
    assert!(messages.iter().any(|message| message.contains("plain text, in files of mode 0600")), "{messages:?}");
    assert_eq!(server.get("/health"), json!({"status": "healthy", "database": "not_configured"}));
    let list = server.get("/api/notebooks");
    assert_eq!(list["notebooks"][0]["id"], "blank-local");
    let mode = fs::metadata(dir.path().join("made/blank-local.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_log_shows_each_call_of_the_store_where_it_is_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = quire_server();
    let mut server = Server::spawn(command.arg("--notebooks-dir").arg(dir.path()).args([
        "--port",
        "0",
        "--log",
        "info,quire_storage=debug",
    ]));
    server.get("/api/notebooks");
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let calls: Vec<_> = server.log.iter().filter(|line| line["message"] == "close").map(|line| &line["span"]).collect();
    assert!(calls.contains(&&json!({"name": "store.json.list", "user": "local"})), "{calls:?}");
    assert!(calls.contains(&&json!({"name": "store.json.create", "notebook": "demo-local"})), "{calls:?}");
}

#[test]
fn flags_variables_file_and_defaults_reach_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("quire.toml");
    let notebooks = dir.path().join("from-file");
    fs::write(&file, format!("notebooks_dir = {notebooks:?}\ndev_user = 'file'\nport = 1\n")).unwrap();
    let mut command = quire_server();
    let server =
        Server::spawn(command.args(["--port", "0"]).env("QUIRE_CONFIG", &file).env("QUIRE_DEV_USER", "someone"));
    assert_eq!(server.get("/api/notebooks")["notebooks"][0]["id"], "blank-someone");
    assert!(notebooks.join("blank-someone.json").exists());
}

#[test]
fn help_and_version_are_told_and_nothing_else_happens() {
    let (code, out, err) = run(quire_server().arg("--help"));
    assert_eq!((code, &*err), (0, ""));
    assert!(out.contains("--notebooks-dir <DIR>") && out.contains("QUIRE_PORT or PORT"), "{out}");
    let (code, out, _) = run(quire_server().arg("--version"));
    assert_eq!((code, &*out), (0, concat!("quire-server ", env!("CARGO_PKG_VERSION"), "\n")));
}

#[test]
fn what_is_invalid_stops_the_start_with_one_sentence_and_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let unmade = dir.path().join("unmade");
    for (flag, sentence) in [
        ("--port=x", "quire-server: Invalid port \"x\" from the flag --port: it must be a number from 0 to 65535.\n"),
        (
            "--bogus",
            "quire-server: Invalid command line: unexpected argument '--bogus' found; --help lists the flags.\n",
        ),
        (
            "--host=0.0.0.0",
            "quire-server: Invalid host \"0.0.0.0\" from the flag --host: without sign-in, anybody who \
            reaches the server could read and change every notebook, so it must be 127.0.0.1, ::1 or localhost; \
            to reach it from elsewhere, configure sign-in (CLERK_ISSUER), or forward the port, for example with ssh -L.\n",
        ),
    ] {
        let (code, out, err) = run(quire_server().arg("--notebooks-dir").arg(&unmade).arg(flag));
        assert_eq!((code, &*out, &*err), (2, "", sentence));
    }
    assert!(!unmade.exists(), "nothing was touched");
}

#[test]
fn a_variable_that_is_no_text_stops_the_start_instead_of_being_passed_over() {
    let (code, out, err) = run(quire_server().env("QUIRE_NOTEBOOKS_DIR", OsStr::from_bytes(b"/tmp/\xff")));
    let sentence = "quire-server: Invalid notebooks_dir from the variable QUIRE_NOTEBOOKS_DIR: it must be UTF-8.\n";
    assert_eq!((code, &*out, &*err), (2, "", sentence));
}

#[test]
fn a_reader_of_the_help_that_went_away_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (code, _, err) = run(quire_server().arg("--help").stdout(writer));
    assert_eq!((code, &*err), (0, ""));
}

#[test]
fn a_second_server_on_a_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = Server::start(dir.path());
    let (code, _, err) = run(quire_server().arg("--notebooks-dir").arg(dir.path()).args(["--port", "0"]));
    assert_eq!((code, err.lines().count()), (1, 1), "{err}");
    let place = format!("the directory {} is in use by another Quire server", dir.path().display());
    assert!(err.contains(&place), "{err}");
    first.get("/api/notebooks");
}

#[test]
fn a_port_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, _, err) = run(quire_server().arg("--notebooks-dir").arg(dir.path()).args(["--port", &port]));
    assert_eq!((code, err.lines().count()), (1, 1), "{err}");
    assert!(err.contains(&format!("cannot listen on 127.0.0.1:{port}: ")), "{err}");
}

#[test]
fn an_ipv6_loopback_address_will_do() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with(dir.path(), &["--host", "::1"]);
    let list = ureq::get(format!("http://[::1]:{}/api/notebooks", server.port)).call().unwrap();
    assert_eq!(list.status(), 200);
}
