//! Benchmark of several servers on one database: when a watcher at one hears what is edited at another; what a second server
//! and watchers cost an edit; what a look-up behind each read costs.
//!
//! Run with `cargo bench -p quire-tests --bench many_servers`, and with `reads`, `edits`, `watching` or `hearing` for that part alone. What
//! is compared alternates, and the figures are medians of all pairs, so that other load on the machine affects both sides of a
//! ratio.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on panics")]
#![expect(clippy::cast_precision_loss, reason = "figures are rounded anyway")]

mod common;

use std::time::{Duration, Instant};

use quire_test_postgres::{Database, Server as Postgres, Settings};
use quire_tests::Server;
use quire_tests::neighbour::Wire;
use serde_json::json;

use self::common::{CELL_BYTES, CELLS, Connection, UNLIMITED, bare, get, notebook, put, rate, start_bare};

const CONNECTIONS: usize = 32;
const PAIRS: usize = 10;
const RUN: Duration = Duration::from_secs(2);
/// Edits whose way to a watcher is measured.
const HEARD: u32 = 200;

/// A notebook's id, and that of one of its cells.
type Target = (String, String);

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--bare") {
        bare(&arguments.next().unwrap());
        return;
    }
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    let postgres = Postgres::start(&Settings { fsync: true, ..Settings::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(Database::on(&postgres));
    let [a, b] = [(); 2].map(|()| Server::on_database_with(database.url(), &UNLIMITED));
    let notebooks: Vec<Target> = (0..CONNECTIONS).map(|_| notebook(&a)).collect();
    println!(
        "{CONNECTIONS} connections, notebooks of {CELLS} cells of {CELL_BYTES} bytes, {PAIRS} pairs of {RUN:?} each"
    );
    let parts: [(&str, &dyn Fn()); 4] = [
        ("reads", &|| reads(&a, &notebooks)),
        ("edits", &|| edits([&a, &b], &notebooks)),
        ("watching", &|| watching([&a, &b], &notebooks)),
        ("hearing", &|| hearing([&a, &b], &notebooks)),
    ];
    for (_, measure) in parts.iter().filter(|(name, _)| name.contains(&wanted)) {
        measure();
    }
}

/// Measures reads with a look-up behind each, beside reads from files and a bare handler that sends the same bytes.
fn reads(server: &Server, notebooks: &[Target]) {
    let dir = tempfile::tempdir().unwrap();
    let files = Server::start(["--notebooks-dir", dir.path().to_str().unwrap()].iter().chain(&UNLIMITED));
    let in_files: Vec<Target> = (0..CONNECTIONS).map(|_| notebook(&files)).collect();
    let request = |(id, _): &Target| get(&format!("/api/notebooks/{id}"));
    let (_, body) = Connection::to(server.address()).exchange(&request(&notebooks[0]));
    let file = dir.path().join("body");
    std::fs::write(&file, &body).unwrap();
    let bare = start_bare(&file);
    let all = |address, targets: &[Target]| {
        rate(RUN, &targets.iter().map(|target| (address, request(target))).collect::<Vec<_>>())
    };
    let sides: [&dyn Fn() -> f64; 3] =
        [&|| all(server.address(), notebooks), &|| all(files.address(), &in_files), &|| {
            rate(RUN, &vec![(bare.address(), get("/")); CONNECTIONS])
        }];
    let [looked_up, from_files, ceiling] = medians(sides);
    println!(
        "reads: {looked_up:.0}/s with a look-up behind each, {from_files:.0}/s from files, {ceiling:.0}/s bare handler"
    );
    println!("reads: look-ups {:.2} x files; files {:.2} x bare handler", looked_up / from_files, from_files / ceiling);
}

/// Measures edits of all notebooks, and of one, at one server and at both.
fn edits(servers: [&Server; 2], notebooks: &[Target]) {
    for (what, targets) in [("a notebook for each connection", notebooks), ("one notebook", &notebooks[..1])] {
        let at = |count: usize| {
            let request = |n: usize| (servers[n % count].address(), put(&targets[n % targets.len()]));
            rate(RUN, &(0..CONNECTIONS).map(request).collect::<Vec<_>>())
        };
        let [one, two] = medians([&|| at(1), &|| at(2)]);
        println!(
            "edits, {what}: {one:.0}/s at one server, {two:.0}/s at two; an edit takes {:.2} x the time",
            one / two
        );
    }
}

/// Measures edits at one server while the other watches nothing, as many notebooks that nobody edits, or the edited ones. Unedited ones
/// are only polled, every 100 ms; edited ones are also loaded again each time.
fn watching([a, b]: [&Server; 2], notebooks: &[Target]) {
    let requests: Vec<_> = notebooks.iter().map(|target| (a.address(), put(target))).collect();
    let idle: Vec<Target> = notebooks.iter().map(|_| notebook(a)).collect();
    let watched = |targets: &[Target]| {
        // What a watcher is told within one run fits into the sockets' buffers, so nobody needs to read it.
        let _watchers: Vec<Wire> = targets.iter().map(|(id, _)| watch(b, id)).collect();
        rate(RUN, &requests)
    };
    let [nothing, polled, loaded] = medians([&|| watched(&[]), &|| watched(&idle), &|| watched(notebooks)]);
    println!("edits: {nothing:.0}/s while the other server watches nothing");
    println!("edits: {polled:.0}/s while it polls notebooks that nobody edits; {:.2} x the time", nothing / polled);
    println!(
        "edits: {loaded:.0}/s while it watches the edited ones, and loads each again ten times a second; {:.2} x the time",
        nothing / loaded
    );
}

/// Measures the time from sending an edit to one server until a watcher at the other hears it, with and without other edits.
fn hearing([a, b]: [&Server; 2], notebooks: &[Target]) {
    let (target, others) = notebooks.split_first().unwrap();
    let path = format!("/api/notebooks/{}/cells/{}", target.0, target.1);
    let measure = || {
        let mut watcher = watch(a, &target.0);
        let mut times: Vec<Duration> = Vec::new();
        for n in 0..HEARD {
            // At moments that are not those at which the servers look.
            std::thread::sleep(Duration::from_millis(u64::from(n * 37 % 100)));
            let start = Instant::now();
            b.ok("PUT", &path, Some(&json!({ "code": format!("value = {n}") })));
            while watcher.message()["cell"]["code"] != format!("value = {n}") {}
            times.push(start.elapsed());
        }
        times.sort_unstable();
        times
    };
    let load: Vec<_> = others.iter().map(|target| (b.address(), put(target))).collect();
    let loaded = std::thread::scope(|scope| {
        let measured = scope.spawn(measure);
        while !measured.is_finished() {
            rate(RUN, &load);
        }
        measured.join().unwrap()
    });
    for (what, times) in [("alone", measure()), ("beside edits on 31 connections", loaded)] {
        let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
        println!("heard, {what}: median {:.0?}, p99 {:.0?}, longest {:.0?}", at(50), at(99), at(100));
    }
}

fn watch(server: &Server, notebook: &str) -> Wire {
    let mut wire = Wire::connect(server.address(), "any");
    wire.upgrade(notebook);
    wire.authenticate();
    wire
}

/// Measures all sides in turn, again and again; returns the median of each.
fn medians<const N: usize>(sides: [&dyn Fn() -> f64; N]) -> [f64; N] {
    let mut measured = [(); N].map(|()| Vec::new());
    for _ in 0..PAIRS {
        for (measured, side) in measured.iter_mut().zip(sides) {
            measured.push(side());
        }
    }
    measured.map(|mut all| {
        all.sort_unstable_by(f64::total_cmp);
        f64::midpoint(all[(all.len() - 1) / 2], all[all.len() / 2])
    })
}
