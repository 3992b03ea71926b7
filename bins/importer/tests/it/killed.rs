//! Tests of runs that are killed at any moment and repeated.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Move, notebook, snapshot};

const NOTEBOOKS: usize = 150;

/// Returns files of which some are new, some are updates, and some are unchanged.
fn large() -> Move {
    let this = Move::new();
    for number in 0..NOTEBOOKS {
        let cells: Vec<String> = (0..8).map(|cell| format!("x{cell} = {number}")).collect();
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        this.notebook(&format!("n{number:03}"), 1, &cells);
    }
    this
}

/// Kills a process after a time; returns `true` if it was still running.
fn kill_after(mut process: Child, moment: Duration) -> bool {
    // The time is measured in the process's own run, so there is no event to wait for.
    std::thread::sleep(moment);
    let running = process.try_wait().unwrap().is_none();
    process.kill().unwrap();
    process.wait().unwrap();
    running
}

/// Returns the times to kill at, spread over a run of this length.
fn moments(whole: Duration, count: u32) -> impl Iterator<Item = Duration> {
    (1..=count).map(move |part| whole * part / count)
}

#[test]
fn an_import_killed_anywhere_ends_as_one_undisturbed_when_it_is_run_again() {
    let arguments = ["run", "--jobs", "4", "--on-conflict", "overwrite"];
    let reference = large();
    let started = std::time::Instant::now();
    reference.expect(0, &arguments);
    let whole = started.elapsed();
    let expected = without_times(reference.state());
    assert_eq!(expected.len(), NOTEBOOKS);

    let mut in_the_middle = 0;
    for moment in moments(whole, 10) {
        let this = large();
        let report = this.dir.path().join("report.jsonl");
        let mut command = this.command(&arguments);
        let process = command.arg("--report").arg(&report).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        kill_after(process, moment);
        let done = without_times(this.state());
        in_the_middle += usize::from(!done.is_empty() && done.len() < NOTEBOOKS);
        assert!(
            done.iter().all(|notebook| expected.contains(notebook)),
            "every notebook is there wholly or not at all"
        );
        // Every line that was written is true.
        for line in fs::read_to_string(&report).unwrap_or_default().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert!(done.iter().any(|notebook| notebook.id.as_str() == line["id"]), "{line}");
        }
        this.expect(0, &[&arguments[..], &["--verify"]].concat());
        assert_eq!(without_times(this.state()), expected);
    }
    assert!(in_the_middle > 0, "no kill came in the middle of the work");
}

/// Removes the times, which differ because the files were written at other moments.
fn without_times(mut notebooks: Vec<quire_domain::Notebook>) -> Vec<quire_domain::Notebook> {
    for notebook in &mut notebooks {
        (notebook.created_at, notebook.updated_at) = <_>::default();
    }
    notebooks
}

#[test]
fn an_overwriting_import_killed_anywhere_raises_no_revision_twice() {
    let this = large();
    this.expect(0, &["run"]);
    for number in 0..NOTEBOOKS {
        let id = format!("n{number:03}");
        this.write(&format!("{id}.json"), notebook(&id, 1, &["changed = True"]).to_string());
    }
    let arguments = ["run", "--jobs", "4", "--on-conflict", "overwrite"];
    for milliseconds in [60, 120, 180, 240, 300, 400] {
        let process = this.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        kill_after(process, Duration::from_millis(milliseconds));
    }
    this.expect(0, &[&arguments[..], &["--verify"]].concat());
    for notebook in this.state() {
        assert_eq!((notebook.revision.0, notebook.cells.len()), (2, 1), "{}", notebook.id);
    }
}

#[test]
fn an_export_killed_anywhere_goes_on_where_it_was() {
    let this = large();
    this.expect(0, &["run"]);
    let files = |name: &str| this.dir.path().join(name);
    let started = std::time::Instant::now();
    this.expect(0, &["export", "--to", files("whole").to_str().unwrap()]);
    let whole = started.elapsed();
    let contents = |name: &str| -> Vec<(String, Vec<u8>)> {
        let of = |(path, content): (String, Vec<u8>)| (path.rsplit('/').next().unwrap().to_owned(), content);
        let files = snapshot(&files(name)).into_iter().map(of);
        files.filter(|(name, _)| name.starts_with('n')).collect()
    };
    let expected = contents("whole");
    assert_eq!(expected.len(), NOTEBOOKS);
    let mut in_the_middle = 0;
    for (number, moment) in moments(whole, 6).enumerate() {
        let name = format!("cut{number}");
        let dir = files(&name);
        let mut command = this.command(&["export", "--to", dir.to_str().unwrap()]);
        kill_after(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap(), moment);
        if dir.exists() {
            let done = contents(&name);
            in_the_middle += usize::from(!done.is_empty() && done.len() < NOTEBOOKS);
            assert!(done.iter().all(|file| expected.contains(file)), "a file is whole or not there");
            if fs::read_to_string(dir.join(".quire/export.json")).is_ok_and(|mark| mark.contains("\"complete\":true")) {
                continue;
            }
        }
        let rest = this.expect(0, &["export", "--to", dir.to_str().unwrap()]);
        assert_eq!(rest.results().len(), NOTEBOOKS);
        assert_eq!(contents(&name), expected);
    }
    assert!(in_the_middle > 0, "no kill came in the middle of the work");
}
