//! What a user feels while another attacks: the 99th percentile of reads, edits and what a socket is told, quiet and under each
//! attack, the requests of this user that were answered 408 or 503, and the memory that the server has.
//!
//! `cargo bench -p quire-tests --bench neighbour`, with a part of an attack's name for that one alone. The promise is ten times
//! what it is when quiet and 50 ms more at most, and no 408 or 503.
//!
//! With `-- --memory-limit`, the server has an address space of 1 GiB, and must be alive after each attack.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on panics")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quire_tests::neighbour::{ATTACKS, Attacker, Neighbour, resident_bytes, server, server_within};

/// How long each attack goes on.
const RUN: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);
/// Bytes of address space that the server has with `--memory-limit`.
const MEMORY_LIMIT: u64 = 1 << 30;

/// What was measured while something went on.
#[derive(Debug, Default)]
struct Felt {
    read: Vec<Duration>,
    edit: Vec<Duration>,
    told: Vec<Duration>,
    resident: u64,
    /// Requests that were answered 408 or 503.
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
