//! The life and death of kernels, as users of the API see it.

use quire_tests::Server;
use serde_json::{Value, json};

use super::notebook::{Notebook, server};

#[test]
fn a_stopped_cell_says_so_and_the_kernel_goes_on() {
    let notebook = Notebook::of(&["x = 7", "while True: pass", "print(x)", ""]);
    notebook.run(&[0]);
    let mut wire = notebook.watch();
    notebook.run_cell(&mut wire, 1);
    while wire.message()["status"] != "running" {}
    let kernel = notebook.server.ok("GET", &format!("{}/kernel", notebook.path), None);
    assert_eq!((&kernel["status"], &kernel["running"]), (&json!("busy"), &json!(notebook.cells[1])));
    notebook.run_cell(&mut wire, 2);
    notebook.server.ok("POST", &format!("{}/interrupt", notebook.path), None);
    while wire.message()["status"] != "error" {}
    assert_eq!(wire.message()["error"], "The cell was stopped.");
    let ends = notebook.run(&[2]);
    assert_eq!((ends, notebook.stdout(2)), (vec![(2, "success".to_owned())], "7\n".to_owned()));
}

#[test]
fn a_kernel_that_dies_says_why_and_the_next_run_starts_another() {
    let notebook = Notebook::of(&["x = 1", "import os; os._exit(3)", "print(x)", ""]);
    notebook.run(&[0]);
    assert_eq!(notebook.run(&[1])[0], (1, "error".to_owned()));
    let error = notebook.cell(1)["error"].as_str().unwrap().to_owned();
    assert!(error.contains('3'), "{error}");
    let kernel = notebook.server.ok("GET", &format!("{}/kernel", notebook.path), None);
    assert_eq!(kernel["status"], "none");
    // What the cell reads is not there any more, so its writer runs first.
    assert_eq!(notebook.run(&[2]), [(2, "success".to_owned())]);
    assert_eq!(notebook.stdout(2), "1\n");
}

#[test]
fn a_cell_that_ends_the_kernel_succeeds_and_what_waited_is_as_before() {
    let notebook = Notebook::of(&["exit()", "print(1)", ""]);
    let ends = notebook.run_body(&json!({"scope": "all"}));
    assert_eq!(ends[..2], [(0, "success".to_owned()), (1, "cancelled".to_owned())]);
    assert_eq!((&notebook.cell(1)["status"], &notebook.cell(1)["error"]), (&json!("idle"), &json!(null)));
    assert_eq!(notebook.run(&[1]), [(1, "success".to_owned())]);
}

#[test]
fn a_restarted_kernel_has_no_values() {
    let notebook = Notebook::of(&["x = 1", "print('x' in globals())", ""]);
    notebook.run(&[0]);
    notebook.run(&[1]);
    assert_eq!(notebook.stdout(1), "True\n");
    notebook.server.ok("POST", &format!("{}/kernel/restart", notebook.path), None);
    notebook.run(&[1]);
    assert_eq!(notebook.stdout(1), "False\n");
}

#[test]
fn without_python_a_run_says_what_to_install() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start([
        "--notebooks-dir",
        directory.path().to_str().unwrap(),
        "--python",
        directory.path().join("no-python").to_str().unwrap(),
    ]);
    let (id, cell) = first_cell(&server);
    server.ok("POST", &format!("/api/notebooks/{id}/run?wait=30"), Some(&json!({"cells": [cell]})));
    let shown = server.ok("GET", &format!("/api/notebooks/{id}"), None);
    let error = shown["cells"][0]["error"].as_str().unwrap_or_default().to_owned();
    assert!(error.contains("ipykernel"), "{shown}");
}

#[test]
fn no_process_of_a_kernel_outlives_its_server() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path(), &[]);
    let (id, cell) = first_cell(&server);
    let path = format!("/api/notebooks/{id}");
    let marker = format!("quire-test-{}", server.process());
    let code = format!(
        "import subprocess\nsubprocess.Popen(['setsid', 'sh', '-c', 'sleep 300; : {marker}'], start_new_session=True)"
    );
    server.ok("PUT", &format!("{path}/cells/{cell}"), Some(&json!({ "code": code })));
    let run = server.ok("POST", &format!("{path}/run?wait=30"), Some(&json!({"cells": [cell]})));
    assert_eq!(run["cells"][0]["end"], "success");
    assert!(is_running(&marker));
    server.kill();
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while is_running(&marker) {
        assert!(std::time::Instant::now() < patience, "a process of the kernel is left");
        std::thread::yield_now();
    }
}

fn first_cell(server: &Server) -> (String, String) {
    let id = server.ok("POST", "/api/notebooks", None)["notebook_id"].as_str().unwrap().to_owned();
    let notebook: Value = server.ok("GET", &format!("/api/notebooks/{id}"), None);
    (id, notebook["cells"][0]["id"].as_str().unwrap().to_owned())
}

/// Returns whether a process has this text in its arguments.
fn is_running(marker: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let arguments = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
    processes.filter_map(arguments).any(|text| String::from_utf8_lossy(&text).contains(marker))
}
