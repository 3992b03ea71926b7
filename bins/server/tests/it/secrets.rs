//! Tests of the secret key: its sources, its effect on the files, and that no output repeats it.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Server, quire_server, run};

const ONE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TWO: &str = "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const DB: &str = "/api/notebooks/blank-local/db";

fn shown(server: &Server) -> Value {
    server.get("/api/notebooks/blank-local")["db_conn_string"].clone()
}

#[test]
fn with_a_key_files_hold_sealed_text_and_the_key_can_be_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (notebooks, old_key) = (dir.path().join("notebooks"), dir.path().join("old.key"));
    fs::write(&old_key, format!("{ONE}\n")).unwrap();
    let file = notebooks.join("blank-local.json");
    let start = |variables: &[(&str, &str)]| {
        let mut command = quire_server();
        Server::spawn(command.arg("--notebooks-dir").arg(&notebooks).args(["--port", "0"]).envs(variables.to_vec()))
    };
    let stop = |mut server: Server| {
        server.signal(Signal::TERM);
        assert!(server.wait().success());
        for line in &server.log {
            let line = line.to_string();
            assert!(!line.contains("hunter") && !line.contains(&ONE[..20]) && !line.contains(&TWO[..20]), "{line}");
        }
        server.log.iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };

    let server = start(&[("QUIRE_LOG", "trace")]);
    assert_eq!(shown(&server), Value::Null);
    server.put(DB, &json!({"connection_string": "postgres://me:hunter1@h/d"}));
    assert!(fs::read_to_string(&file).unwrap().contains("hunter1"), "without a key it is plain");
    assert!(stop(server).iter().any(|message| message.contains("kept as plain text")));

    let server = start(&[("QUIRE_SECRET_KEY", ONE), ("QUIRE_LOG", "trace")]);
    assert_eq!(shown(&server), "postgres://me:••••••••@h/d");
    server.put(DB, &json!({"connection_string": "postgres://me:hunter2@h/d"}));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"q1.") && !text.contains("hunter"), "{text}");
    let messages = stop(server);
    assert!(messages.contains(&"connection strings are sealed".to_owned()), "{messages:?}");
    assert!(!messages.iter().any(|message| message.contains("plain text")), "{messages:?}");

    let server = start(&[("QUIRE_SECRET_KEY", TWO), ("QUIRE_SECRET_KEY_OLD_FILE", old_key.to_str().unwrap())]);
    assert_eq!(shown(&server), "postgres://me:••••••••@h/d");
    stop(server);
    for variables in [&[("QUIRE_SECRET_KEY", TWO)][..], &[]] {
        let server = start(variables);
        assert!(shown(&server).as_str().unwrap().starts_with("(unavailable"));
        let messages = stop(server);
        assert!(messages.contains(&"cannot open the notebook's connection string".to_owned()), "{messages:?}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), text, "and nothing is lost by that");
}

#[test]
fn a_key_that_is_none_stops_the_start_and_is_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("quire.toml");
    fs::write(&file, format!("secret_key = '{ONE}'\n")).unwrap();
    let file = file.to_str().unwrap();
    for (arguments, variables) in [
        (vec![], vec![("QUIRE_SECRET_KEY", &ONE[4..])]),
        (vec![], vec![("QUIRE_SECRET_KEY_OLD", ONE)]),
        (vec![], vec![("QUIRE_SECRET_KEY_FILE", ONE)]),
        (vec!["--secret-key", ONE], vec![]),
        (vec!["--secret-key=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="], vec![]),
        (vec!["--config", file], vec![]),
    ] {
        let (code, out, err) = run(quire_server().args(&arguments).envs(variables.clone()));
        assert_eq!((code, &*out, err.lines().count()), (2, "", 1), "{err}");
        assert!(!err.contains(&ONE[8..16]), "{arguments:?} {variables:?}: {err}");
    }
}
