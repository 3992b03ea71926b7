//! Benchmark of runs beside the same kernel driven by `jupyter_client`: one cell, a chain of cells, the first run, and edits while
//! kernels are busy.
//!
//! Run with `cargo bench -p quire-tests --bench running`, with `QUIRE_TEST_PYTHON` naming a Python with ipykernel. What is compared
//! alternates.
#![expect(clippy::cast_precision_loss, reason = "figures are rounded anyway")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on panics")]

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use quire_tests::{Server, binary};
use serde_json::{Value, json};

use self::common::UNLIMITED;

const RUNS: usize = 200;
const CHAIN: usize = 100;
const CHAINS: usize = 10;
const STARTS: usize = 10;
const EDITS: usize = 2_000;

/// A kernel driven by `jupyter_client`: a program that executes the code of each line and answers with the seconds it took.
struct Yardstick(Child, BufReader<std::process::ChildStdout>);

const PROGRAM: &str = r"
import json, sys, time
from jupyter_client.manager import start_new_kernel
began = time.perf_counter()
manager, client = start_new_kernel()
client.execute_interactive('1', timeout=60)
print(time.perf_counter() - began, flush=True)
for line in sys.stdin:
    codes = json.loads(line)
    began = time.perf_counter()
    for code in codes:
        client.execute_interactive(code, timeout=60, output_hook=lambda message: None)
    print(time.perf_counter() - began, flush=True)
client.stop_channels()
manager.shutdown_kernel(now=True)
";

impl Yardstick {
    /// Starts it. Returns the seconds from the start of the kernel to its first result.
    fn start() -> (Self, f64) {
        let mut command = Command::new(std::env::var_os("QUIRE_TEST_PYTHON").unwrap());
        let mut child = command.args(["-c", PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut yardstick = Self(child, lines);
        let seconds = yardstick.seconds();
        (yardstick, seconds)
    }

    fn execute(&mut self, codes: &[String]) -> f64 {
        let line = serde_json::to_string(codes).unwrap();
        writeln!(self.0.stdin.as_mut().unwrap(), "{line}").unwrap();
        self.seconds()
    }

    fn seconds(&mut self) -> f64 {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        line.trim().parse().unwrap()
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path(), 0);
    let (mut yardstick, _) = Yardstick::start();
    one(&server, &mut yardstick);
    chain(&server, &mut yardstick);
    yardstick.end();
    first();
    beside_edits(&server);
}

fn server(directory: &Path, warm: usize) -> Server {
    let mut command = Command::new(binary("quire-server"));
    command.arg("--notebooks-dir").arg(directory).args(UNLIMITED).arg("--python");
    command.arg(std::env::var_os("QUIRE_TEST_PYTHON").unwrap()).arg("--warm-kernels").arg(warm.to_string());
    Server::spawn(command)
}

/// A notebook of these cells: its path, and their ids.
fn notebook(server: &Server, codes: &[String]) -> (String, Vec<String>) {
    let id = server.ok("POST", "/api/notebooks", None)["notebook_id"].as_str().unwrap().to_owned();
    let path = format!("/api/notebooks/{id}");
    let cell = |code: &String| {
        let made = server.ok("POST", &format!("{path}/cells"), Some(&json!({"type": "python", "code": code})));
        made["cell_id"].as_str().unwrap().to_owned()
    };
    let cells = codes.iter().map(cell).collect();
    (path, cells)
}

fn run(server: &Server, path: &str, body: &Value) -> f64 {
    let began = Instant::now();
    let run = server.ok("POST", &format!("{path}/run?wait=50"), Some(body));
    assert_eq!(run["done"], true);
    began.elapsed().as_secs_f64()
}

/// One cell, from the request to its response.
fn one(server: &Server, yardstick: &mut Yardstick) {
    let (path, cells) = notebook(server, &["1".to_owned()]);
    let body = json!({ "cells": cells });
    run(server, &path, &body);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ours.push(run(server, &path, &body));
        theirs.push(yardstick.execute(&["1".to_owned()]));
    }
    let (ours, theirs) = (milliseconds(ours), milliseconds(theirs));
    println!("one cell: {ours:.1} ms, the kernel by jupyter_client {theirs:.1} ms: {:.1} ms more", ours - theirs);
}

/// A chain of cells, each of which reads the one before.
fn chain(server: &Server, yardstick: &mut Yardstick) {
    let codes: Vec<_> =
        std::iter::once("v0 = 1".to_owned()).chain((1..CHAIN).map(|n| format!("v{n} = v{} + 1", n - 1))).collect();
    let (path, cells) = notebook(server, &codes);
    let body = json!({"cells": [cells[0]]});
    run(server, &path, &body);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..CHAINS {
        ours.push(run(server, &path, &body));
        theirs.push(yardstick.execute(&codes));
    }
    let (ours, theirs) = (milliseconds(ours), milliseconds(theirs));
    println!("{CHAIN} cells in a chain: {ours:.0} ms, by jupyter_client {theirs:.0} ms: {:.2} x", ours / theirs);
}

/// The first run of a notebook, without and with a kernel that was started ahead.
fn first() {
    let (mut cold, mut warm, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..STARTS {
        for (ahead, times) in [(0, &mut cold), (1, &mut warm)] {
            let directory = tempfile::tempdir().unwrap();
            let server = server(directory.path(), ahead);
            let (path, cells) = notebook(&server, &["1".to_owned()]);
            // Time for the kernel that is started ahead.
            std::thread::sleep(Duration::from_secs(2 * ahead as u64));
            times.push(run(&server, &path, &json!({ "cells": cells })));
        }
        let (yardstick, seconds) = Yardstick::start();
        yardstick.end();
        theirs.push(seconds);
    }
    let [cold, warm, theirs] = [cold, warm, theirs].map(milliseconds);
    println!(
        "first run: {cold:.0} ms, by jupyter_client {theirs:.0} ms: {:.2} x; with a warm kernel {warm:.0} ms",
        cold / theirs
    );
}

/// Edits of a notebook while two kernels compute.
fn beside_edits(server: &Server) {
    let (path, cells) = notebook(server, &["x = 1".to_owned()]);
    let busy: Vec<_> = (0..2).map(|_| notebook(server, &["while True: pass".to_owned()])).collect();
    let edits = || {
        let edit = |n: usize| {
            let began = Instant::now();
            server.ok("PUT", &format!("{path}/cells/{}", cells[0]), Some(&json!({"code": format!("x = {n}")})));
            began.elapsed()
        };
        let mut times: Vec<_> = (0..EDITS).map(edit).collect();
        times.sort_unstable();
        times[EDITS * 99 / 100]
    };
    let quiet = edits();
    for (path, cells) in &busy {
        server.ok("POST", &format!("{path}/run"), Some(&json!({ "cells": cells })));
        while server.ok("GET", &format!("{path}/kernel"), None)["status"] != "busy" {}
    }
    let beside = edits();
    for (path, _) in &busy {
        server.ok("POST", &format!("{path}/interrupt"), None);
    }
    println!(
        "edits, p99: {quiet:.2?} alone, {beside:.2?} beside two busy kernels: {:.2} x",
        beside.as_secs_f64() / quiet.as_secs_f64()
    );
}

fn milliseconds(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_unstable_by(f64::total_cmp);
    seconds[seconds.len() / 2] * 1_000.0
}
