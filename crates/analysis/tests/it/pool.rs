//! Guarantees of the pool.

use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use quire_analysis::{CellType, Pool, analyse};

/// Timeout that suffices on any machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_mins(1);

fn long_code() -> Arc<str> {
    let code: Arc<str> = format!("x = {}1", "y + ".repeat(8_000)).into();
    assert!(!Pool::is_short(&code));
    code
}

#[test]
fn answers_are_those_of_analyse() {
    let pool = Pool::new(4).unwrap();
    let (sender, receiver) = mpsc::channel();
    for number in 0..200 {
        let sender = sender.clone();
        let code: Arc<str> = format!("a{number} = b{number}").into();
        pool.submit(CellType::Python, Arc::clone(&code), move |analysis| sender.send((code, analysis)).unwrap());
    }
    for _ in 0..200 {
        let (code, analysis) = receiver.recv_timeout(PATIENCE).unwrap();
        assert_eq!(*analysis, analyse(CellType::Python, &code));
    }
}

#[test]
fn long_cells_do_not_starve_short_ones() {
    for threads in [0, 1, 2, 8] {
        let pool = Pool::new(threads).unwrap();
        // The callbacks hold every thread of the long lane, and more long cells are queued.
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        let (long_sender, long_answers) = mpsc::channel();
        for _ in 0..50 {
            let held = Arc::clone(&held);
            let sender = long_sender.clone();
            pool.submit(CellType::Python, long_code(), move |analysis| {
                // `recv` fails at once when the test has dropped `release`.
                let _ = held.lock().unwrap().recv();
                sender.send(analysis).unwrap();
            });
        }
        let (sender, answers) = mpsc::channel();
        for _ in 0..100 {
            let sender = sender.clone();
            pool.submit(CellType::Python, "x = y".into(), move |analysis| sender.send(analysis).unwrap());
        }
        for _ in 0..100 {
            let analysis = answers.recv_timeout(PATIENCE).expect("short cells pass the long ones");
            assert_eq!(analysis.writes, ["x"]);
        }
        assert!(long_answers.try_recv().is_err(), "the long lane is still held");
        drop(release);
        for _ in 0..50 {
            long_answers.recv_timeout(PATIENCE).expect("long cells are answered too");
        }
    }
}

#[test]
fn a_panicking_callback_costs_no_thread() {
    let pool = Pool::new(1).unwrap();
    for _ in 0..20 {
        pool.submit(CellType::Python, "x = 1".into(), |_| panic!("on purpose"));
    }
    let (sender, answers) = mpsc::channel();
    pool.submit(CellType::Python, "x = 1".into(), move |analysis| sender.send(analysis).unwrap());
    assert_eq!(answers.recv_timeout(PATIENCE).unwrap().writes, ["x"]);
}

#[test]
fn dropping_the_pool_answers_what_was_submitted_and_ends_the_threads() {
    let pool = Pool::new(1).unwrap();
    let started = Arc::new(Barrier::new(2));
    let (sender, answers) = mpsc::channel();
    let first = Arc::clone(&started);
    pool.submit(CellType::Python, "x = 1".into(), move |_| {
        first.wait();
    });
    pool.submit(CellType::Python, "y = 1".into(), move |analysis| {
        sender.send((analysis, thread::current().name().map(str::to_owned))).unwrap();
    });
    drop(pool);
    started.wait();
    let (analysis, name) = answers.recv_timeout(PATIENCE).expect("the queue is worked off");
    assert_eq!((analysis.writes.join(" "), name.as_deref()), ("y".to_owned(), Some("analysis-short")));
    // The callback, which owns the sender, was dropped with its thread's queue.
    assert!(answers.recv_timeout(PATIENCE).is_err());
}
