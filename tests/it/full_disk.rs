//! Tests of a full disk: the client gets an error, and stored data remains.

use std::fs;
use std::path::Path;

use quire_tests::Server;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

fn notebooks(dir: &Path) -> Vec<String> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let mut names: Vec<_> = files.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// A limit on the size of files, which every user may set for their own processes, makes a write fail as a full disk
/// does.
///
/// The store's own tests check what a disk that fills up in the middle of a write leaves: `engine/full.rs`.
#[test]
fn a_file_size_limit_is_answered_507_and_nothing_changes() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let server = Server::on(dir);
    let notebook = server.ok("POST", "/api/notebooks", None)["notebook_id"].as_str().unwrap().to_owned();
    let cell = server.ok("GET", &format!("/api/notebooks/{notebook}"), None)["cells"][0]["id"].clone();
    let path = format!("/api/notebooks/{notebook}/cells/{}", cell.as_str().unwrap());
    server.ok("PUT", &path, Some(&json!({"code": "kept = 1"})));
    let file = dir.join(format!("{notebook}.json"));
    let bytes = fs::read(&file).unwrap();
    let names = notebooks(dir);
    let process = i32::try_from(server.process()).ok().and_then(Pid::from_raw);
    let no_room = Rlimit { current: Some(0), maximum: Some(0) };
    prlimit(process, Resource::Fsize, no_room).unwrap();

    let (status, problem) = server.send("PUT", &path, Some(&json!({"code": "#".repeat(200_000)})));
    assert_eq!(status, 507, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("space"), "{problem}");
    assert_eq!(fs::read(&file).unwrap(), bytes);
    let found = server.ok("GET", &format!("/api/notebooks/{notebook}"), None);
    assert_eq!((&found["cells"][0]["code"], &found["revision"]), (&json!("kept = 1"), &json!(1)));

    let (status, problem) = server.send("POST", "/api/notebooks", None);
    assert_eq!(status, 507, "{problem}");
    assert_eq!(notebooks(dir), names);
}
