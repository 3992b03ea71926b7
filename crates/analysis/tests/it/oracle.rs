//! Comparison with `CPython`'s `symtable`, over published packages in exact versions and a corpus of difficult code.
//!
//! `symtable` knows nothing of the order of evaluation, so the tests compare only what holds in any order; `oracle.py`
//! explains how.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the oracle is another program; the library starts none"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use quire_analysis::{CellType, analyse};
use serde_json::{Value, json};

const INSTALL: &str =
    "this test needs Python 3.10 or newer as `python3` (Debian: `apt-get install python3 python3-venv`)";

/// The packages that `corpus.txt` pins, as folders, and the minimum number of modules that they have.
const PACKAGES: [&str; 4] = ["docutils", "mpmath", "networkx", "websockets"];
const MODULES: usize = 800;
/// Maximum bytes of a module in the corpus. Larger modules are tables, which only make the test long.
const MODULE_BYTES: u64 = 60_000;

type Names = BTreeSet<String>;

/// Installs the pinned packages in the scripts' own folder, if they are missing, and returns their modules.
fn corpus() -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut bash = Command::new("bash");
    bash.args(["-euc", ". scripts/need.sh; environment corpus crates/analysis/tests/it/corpus.txt"]);
    let output = bash.current_dir(here.join("../..")).stderr(Stdio::inherit()).output().unwrap();
    assert!(
        output.status.success(),
        "the corpus cannot be installed: run scripts/test, which installs what that needs"
    );
    let environment = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end());
    // The name of the intermediate folder contains Python's version.
    let mut versions = fs::read_dir(environment.join("lib")).unwrap();
    let root = versions.next().unwrap().unwrap().path().join("site-packages");
    let mut folders: Vec<_> = PACKAGES.iter().map(|package| root.join(package)).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "py")
                && fs::metadata(&path).unwrap().len() <= MODULE_BYTES
            {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Runs the oracle on all codes, in one process.
fn ask(codes: &[String]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/oracle.py");
    let mut child = Command::new("python3")
        .arg("-X")
        .arg("utf8")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect(INSTALL);
    let mut input = child.stdin.take().unwrap();
    let lines: String =
        codes.iter().enumerate().map(|(id, code)| json!({"id": id, "code": code}).to_string() + "\n").collect();
    // A thread writes, because the oracle answers before it has read everything.
    let writer = thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{INSTALL}");
    let answers = String::from_utf8(output.stdout).unwrap();
    answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(answer: &Value, key: &str) -> Names {
    answer[key].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

fn without(names: &Names, others: &Names) -> Names {
    names - others
}

/// Returns the differences between the analysis of `code` and the oracle's answer.
fn differences(code: &str, oracle: &Value) -> Vec<String> {
    let ours = analyse(CellType::Python, code);
    let mut wrong = Vec::new();
    if let Some(error) = ours.error() {
        wrong.push(format!("error: {} at {}:{}", error.message, error.line, error.column));
    }
    let our_reads: Names = ours.reads.iter().chain(&ours.builtins_read).map(|read| read.name.clone()).collect();
    let our_writes: Names = ours.writes.iter().cloned().collect();
    let [reads, maybe, writes, doubtful] = ["reads", "maybe", "writes", "doubtful"].map(|key| names(oracle, key));

    let only_ours = without(&without(&our_writes, &writes), &doubtful);
    let only_theirs = without(&without(&writes, &our_writes), &doubtful);
    if !(only_ours.is_empty() && only_theirs.is_empty()) {
        wrong.push(format!("writes: only ours {only_ours:?}, only symtable's {only_theirs:?}"));
    }
    let invented = without(&without(&our_reads, &reads), &maybe);
    if !invented.is_empty() {
        wrong.push(format!("reads: only ours {invented:?}"));
    }
    // A name that is loaded and never bound is a read in any order.
    let missing = without(&without(&without(&reads, &writes), &our_reads), &doubtful);
    if !missing.is_empty() {
        wrong.push(format!("reads: only symtable's {missing:?}"));
    }
    wrong
}

/// Compares all codes and returns how many `CPython` rejected.
fn compare(labels: &[String], codes: &[String]) -> usize {
    let answers = ask(codes);
    assert_eq!(answers.len(), codes.len());
    let mut rejected = 0;
    let mut wrong = Vec::new();
    for ((label, code), answer) in labels.iter().zip(codes).zip(&answers) {
        if answer.get("rejected").is_some() {
            rejected += 1;
            continue;
        }
        wrong.extend(differences(code, answer).into_iter().map(|difference| format!("{label}: {difference}")));
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    rejected
}

#[test]
fn agrees_with_symtable_on_published_packages() {
    let files = corpus();
    assert!(files.len() >= MODULES, "found only {} modules", files.len());
    let labels: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
    let codes: Vec<_> = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(compare(&labels, &codes), 0, "CPython rejects some of the packages");
}

#[test]
fn agrees_with_symtable_on_tricky_code() {
    let codes: Vec<String> = include_str!("tricky.py.txt").split("\n# ---\n").map(str::to_owned).collect();
    assert_eq!(compare(&codes, &codes), 0, "CPython rejects some of the code; {INSTALL}");
}
