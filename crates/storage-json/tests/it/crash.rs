//! A store that is killed at any moment has lost nothing that it acknowledged, and nothing is half done; a recorded request has
//! its record.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    commit_with_records, insert, is_recorded, list, load, notebook, open, printed, record, try_load, update,
};
use quire_storage::prelude::*;

const KILLS: u32 = 200;
const DIRECTORIES: u32 = 4;
const NOTEBOOKS: usize = 3;

/// The code that a notebook has at a revision: of very different lengths, and telling the revision.
fn code_at(revision: i64) -> String {
    let length = usize::try_from(revision * 7_919 % 90_000).unwrap();
    format!("revision = {revision}  # {}", "x".repeat(length))
}

/// Returns whether the commit that takes a notebook to, or over, this revision has a record.
fn has_record(revision: i64) -> bool {
    revision % 3 != 2
}

/// Saves until the process is killed, and says what was acknowledged.
fn save_until_killed(dir: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let store = open(dir);
        println!("\nopen");
        loop {
            for number in 0..NOTEBOOKS {
                let name = format!("n{number}");
                let Some(mut view) = try_load(&store, &name).await.unwrap() else {
                    store.create(&notebook(&name, &code_at(1)), Some(&record(&name, 1))).await.unwrap();
                    println!("\nsaved {name} 1");
                    continue;
                };
                let revision = view.revision() + 1;
                let mut edits = vec![update("a", &code_at(revision))];
                if revision % 3 == 0 {
                    edits.push(printed("a", &code_at(revision)));
                }
                if revision == 5 {
                    edits.push(insert("b", "a cell more"));
                }
                let records = has_record(revision).then(|| record(&name, revision));
                commit_with_records(&store, &mut view, &edits, records.as_slice()).await.unwrap();
                println!("\nsaved {name} {}", view.revision());
            }
        }
    });
}

/// Runs the child and kills it so long after its first save. Returns what it acknowledged last, for each notebook.
fn run_and_kill(dir: &Path, after: Duration) -> HashMap<String, i64> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["crash::two_hundred_kills_lose_nothing", "--exact", "--nocapture"]).env("QUIRE_TEST_SAVE", dir);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (line_sender, lines) = mpsc::channel();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let reader =
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| drop(line_sender.send(line))));
    let mut said = Vec::new();
    while !said.iter().any(|line: &String| line == "open") {
        said.push(lines.recv_timeout(Duration::from_secs(30)).expect("the child does not open the directory"));
    }
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    said.extend(lines.try_iter());
    let saves = said.iter().filter_map(|line| line.strip_prefix("saved ")?.split_once(' '));
    saves.map(|(name, revision)| (name.to_owned(), revision.parse().unwrap())).collect()
}

/// Checks one directory; a commit of two edits at revision 4 takes the notebook from there to 6.
async fn check(dir: &Path, acknowledged: &mut HashMap<String, i64>) {
    for file in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let value: Value = serde_json::from_slice(&fs::read(&file).unwrap()).expect("a file does not parse");
        assert!(value["revision"].is_i64(), "{}", file.display());
    }
    let store = open(dir);
    assert_eq!(fs::read_dir(dir.join(".quire/tmp")).unwrap().count(), 0, "temporaries are left");
    assert!(list(&store, "ann").await.damaged.is_empty());
    for (name, last) in acknowledged {
        let acknowledged = *last;
        let view = load(&store, name).await;
        let in_flight = if acknowledged == 4 { 6 } else { acknowledged + 1 };
        let revision = view.revision();
        assert!(
            revision == acknowledged || revision == in_flight,
            "{name}: {acknowledged} acknowledged, {revision} there"
        );
        let written = if revision == 6 { 5 } else { revision };
        assert_eq!(view.code("a"), code_at(written), "{name} at revision {revision}");
        // The last revision that came with results; the commit that ends at 6 brought none.
        let with_results = (1..=revision).rev().find(|r| r % 3 == 0 && *r != 6).unwrap_or(0);
        let expected = if with_results == 0 { String::new() } else { code_at(with_results) };
        assert_eq!(view.stdout("a"), expected, "results of {name} at revision {revision}");
        assert_eq!(view.0.notebook().cells.len(), if revision >= 6 { 2 } else { 1 });
        // A record exists if and only if its change does. The commit that begins at 4 has the record of the fifth.
        for number in (1..=revision + 2).filter(|number| *number != 6) {
            let expected = number <= revision && has_record(number);
            assert_eq!(is_recorded(&store, name, number).await, expected, "record {number} of {name} at {revision}");
        }
        // What was seen is as good as acknowledged.
        *last = revision;
    }
}

fn crash_many_times(seed: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut random = seed.wrapping_mul(2_654_435_761) | 1;
    let mut dir = TempDir::new().unwrap();
    let mut acknowledged = HashMap::new();
    for round in 0..KILLS / DIRECTORIES {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        if round % 10 == 9 {
            // From the beginning again, so that creation is hit as well.
            dir = TempDir::new().unwrap();
            acknowledged.clear();
        }
        let after = Duration::from_micros(u64::from(random % 60_000));
        acknowledged.extend(run_and_kill(dir.path(), after));
        runtime.block_on(check(dir.path(), &mut acknowledged));
    }
}

/// Runs itself in each process that is killed.
#[test]
fn two_hundred_kills_lose_nothing() {
    if let Some(dir) = std::env::var_os("QUIRE_TEST_SAVE") {
        return save_until_killed(dir.as_ref());
    }
    let threads: Vec<_> = (1..=DIRECTORIES).map(|seed| std::thread::spawn(move || crash_many_times(seed))).collect();
    for thread in threads {
        thread.join().unwrap();
    }
}
