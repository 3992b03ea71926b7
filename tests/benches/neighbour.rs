//! Benchmark of a user while another attacks: the 99th percentile of reads, edits and messages on a socket, without
//! attack and under each one, the number of this user's requests that were answered 408 or 503, and the server's
//! memory.
//!
//! Run with `cargo bench -p quire-tests --bench neighbour`, and with a part of an attack's name for that attack alone.
//! The promise is at most ten times the time without attack plus 50 ms, and no 408 or 503.
//!
//! With `-- --memory-limit`, the server has an address space of 1 GiB, and must survive each attack.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on panics")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quire_tests::neighbour::{ATTACKS, Attacker, Neighbour, resident_bytes, server, server_within};

/// Duration of each attack.
const RUN: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);
/// Bytes of address space of the server with `--memory-limit`.
const MEMORY_LIMIT: u64 = 1 << 30;

/// Measurements during one attack.
#[derive(Debug, Default)]
struct Felt {
    read: Vec<Duration>,
    edit: Vec<Duration>,
    told: Vec<Duration>,
    resident: u64,
    /// Number of requests that were answered 408 or 503.
    refused: usize,
}

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    let dir = tempfile::tempdir().unwrap();
    let unlimited = ["--requests-per-second", "0", "--log", "error,quire_server=info"];
    let arguments = [&["--notebooks-dir", dir.path().to_str().unwrap()][..], &unlimited].concat();
    let is_limited = std::env::args().any(|argument| argument == "--memory-limit");
    let server = if is_limited { server_within(MEMORY_LIMIT, &arguments) } else { server(&arguments) };
    let attacker = Attacker::of(&server);
    let _ = attacker.ask("GET", "/api/notebooks", "");
    let mut neighbour = Neighbour::of(&server);
    let mut feel = |until: &dyn Fn() -> bool| {
        let mut felt = Felt::default();
        while !until() {
            let (read, is_read) = time(|| neighbour.read());
            felt.read.push(read);
            let began = Instant::now();
            let (edit, is_edited) = time(|| neighbour.edit());
            felt.edit.push(edit);
            if is_edited {
                neighbour.hear();
                felt.told.push(began.elapsed());
            }
            felt.refused += usize::from(!is_read) + usize::from(!is_edited);
            felt.resident = felt.resident.max(resident_bytes(&server));
            std::thread::sleep(PAUSE);
        }
        felt
    };
    let began = Instant::now();
    let mut quiet = feel(&|| began.elapsed() >= RUN);
    if is_limited {
        println!("The server has {} MiB of address space (RLIMIT_AS).", MEMORY_LIMIT >> 20);
    }
    println!("{:65} {:>10} {:>10} {:>10} {:>9} {:>7}", "p99", "read", "edit", "told", "memory", "408/503");
    row("quiet", &mut quiet, None);
    for attack in ATTACKS.iter().filter(|attack| attack.name.contains(&wanted)) {
        let is_over = AtomicBool::new(false);
        let mut felt = std::thread::scope(|scope| {
            scope.spawn(|| {
                let began = Instant::now();
                while began.elapsed() < RUN {
                    drop((attack.run)(&attacker));
                }
                is_over.store(true, Ordering::Relaxed);
            });
            feel(&|| is_over.load(Ordering::Relaxed))
        });
        row(attack.name, &mut felt, Some(&mut quiet));
    }
    neighbour.probe();
    println!("The server is alive.");
}

fn time(act: impl FnOnce() -> bool) -> (Duration, bool) {
    let began = Instant::now();
    let outcome = act();
    (began.elapsed(), outcome)
}

fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times.get(last * 99 / 100).copied().unwrap_or_default()
}

fn row(name: &str, felt: &mut Felt, quiet: Option<&mut Felt>) {
    let now = [&mut felt.read, &mut felt.edit, &mut felt.told].map(|times| p99(times));
    let is_kept = felt.refused == 0
        && quiet.is_none_or(|quiet| {
            let before = [&mut quiet.read, &mut quiet.edit, &mut quiet.told].map(|times| p99(times));
            now.iter().zip(before).all(|(now, before)| *now <= 10 * before + Duration::from_millis(50))
        });
    let [read, edit, told] = now.map(|time| format!("{:.1} ms", time.as_secs_f64() * 1e3));
    let broken = if is_kept { "" } else { "  beyond the promise" };
    let (resident, refused) = (felt.resident >> 20, felt.refused);
    println!("{name:65} {read:>10} {edit:>10} {told:>10} {resident:>5} MiB {refused:>7}{broken}");
}
