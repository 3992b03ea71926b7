//! No room to write: the user is told, and what was there stays.

use std::fs;
use std::path::Path;
use std::process::Command;

use quire_tests::{Server, binary};
use serde_json::json;

fn notebooks(dir: &Path) -> Vec<String> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let mut names: Vec<_> = files.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Makes a notebook with a cell while there is room, then takes the room away and tries to write.
fn check(server: &Server, dir: &Path, take_room_away: impl FnOnce()) {
    let notebook = server.ok("POST", "/api/notebooks", None)["notebook_id"].as_str().unwrap().to_owned();
    let cell = server.ok("GET", &format!("/api/notebooks/{notebook}"), None)["cells"][0]["id"].clone();
    let path = format!("/api/notebooks/{notebook}/cells/{}", cell.as_str().unwrap());
    server.ok("PUT", &path, Some(&json!({"code": "kept = 1"})));
    let file = dir.join(format!("{notebook}.json"));
    let bytes = fs::read(&file).unwrap();
    let names = notebooks(dir);
    take_room_away();

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

/// A limit on the size of files, which every user may set, stops a write as a full disk does.
#[test]
fn a_file_size_limit_is_answered_507_and_nothing_changes() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    // Ignored signals stay ignored: without this the limit would end the process instead of failing the write.
    command.args(["-c", "trap '' XFSZ; exec \"$0\" --notebooks-dir \"$1\""]);
    command.arg(binary("quire-server")).arg(dir.path());
    let server = Server::spawn(command);
    check(&server, dir.path(), || {
        let process = server.process().to_string();
        let limited = Command::new("prlimit").args(["--pid", &process, "--fsize=0"]).status().unwrap();
        assert!(limited.success());
    });
}

/// A small file system that really is full. Mounting one takes root, or a user namespace where the kernel gives one.
#[test]
fn a_full_file_system_is_answered_507_and_nothing_changes() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    let rights: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["--map-root-user"] };
    // In a mount namespace of its own, so that the mount ends with the server, however the test ends.
    command.args(rights).args(["--mount", "sh", "-c"]);
    command.arg("mount -t tmpfs -o size=300k tmpfs \"$1\" && exec \"$0\" --notebooks-dir \"$1\"");
    command.arg(binary("quire-server")).arg(dir.path());
    let server = Server::spawn(command);
    // The directory as the server sees it.
    let inside =
        Path::new("/proc").join(server.process().to_string()).join("root").join(dir.path().strip_prefix("/").unwrap());
    check(&server, &inside, || {
        let filler = fs::File::create(inside.join("filler")).unwrap();
        let mut filler = std::io::BufWriter::with_capacity(4_096, filler);
        while std::io::Write::write_all(&mut filler, &[0; 4_096]).is_ok() {}
    });
}
