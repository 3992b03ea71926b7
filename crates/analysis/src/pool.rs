//! A bounded number of threads that analyse cells, in two lanes.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use parking_lot::Mutex;

use crate::analyse;
use crate::types::{Analysis, CellType};

/// Maximum bytes of code of a short cell.
///
/// Most cells are below 2 KiB; the worst code of this size takes a few milliseconds.
const SHORT_BYTES: usize = 16 * 1024;

/// Stack of a thread. It suffices for an SQL cell and for most Python cells, which would otherwise allocate a stack for
/// each analysis. Unused parts of the stack cost no memory.
const STACK_BYTES: usize = 64 * 1024 * 1024;

type Job = Box<dyn FnOnce() + Send>;

/// Worker threads for [`analyse`], made once and kept.
///
/// Short and long cells have separate threads. However many long hostile cells are submitted, a short cell waits only
/// for other short cells. Within a lane the order is first come, first served.
///
/// The queues are not bounded: a caller that needs a limit waits for its answers before it submits more.
///
/// Dropping the pool does not wait: the threads end once they have answered all submitted cells.
#[derive(Debug)]
pub struct Pool {
    short: Sender<Job>,
    long: Sender<Job>,
}

impl Pool {
    /// Starts about `threads` threads, at least one for each lane. A quarter of them, and at least one, analyse long
    /// cells.
    ///
    /// # Errors
    ///
    /// If the operating system cannot start the threads.
    pub fn new(threads: usize) -> io::Result<Self> {
        let long = (threads / 4).max(1);
        let short = threads.saturating_sub(long).max(1);
        Ok(Self { short: lane("analysis-short", short)?, long: lane("analysis-long", long)? })
    }

    /// Returns `true` if a cell belongs to the short lane. Such a cell takes at most a few milliseconds and typically a
    /// few microseconds, so a caller on its own thread may call [`analyse`] itself.
    #[must_use]
    pub fn is_short(code: &str) -> bool {
        code.len() <= SHORT_BYTES
    }

    /// Submits a cell; a thread of the pool analyses it and calls `done` with the answer. `done` should only pass the
    /// answer on.
    ///
    /// `done` is always called, unless it is dropped with its thread when the process ends.
    pub fn submit(&self, cell_type: CellType, code: Arc<str>, done: impl FnOnce(Arc<Analysis>) + Send + 'static) {
        let lane = if Self::is_short(&code) { &self.short } else { &self.long };
        let job = Box::new(move || done(Arc::new(analyse(cell_type, &code))));
        if let Err(refused) = lane.send(job) {
            // All threads of the lane have ended, which no code here causes. The job runs on the calling thread.
            refused.0();
        }
    }
}

/// Starts the threads of one lane; they end when the sender is dropped.
fn lane(name: &str, threads: usize) -> io::Result<Sender<Job>> {
    let (sender, receiver) = mpsc::channel();
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..threads {
        let receiver = Arc::clone(&receiver);
        thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(move || work(&receiver))?;
    }
    Ok(sender)
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The thread that waits for a job holds the lock, so exactly one idle thread waits in `recv` and the others
        // wait for the lock. A job never runs under the lock.
        let job = jobs.lock().recv();
        let Ok(job) = job else { return };
        // A callback that panics has reported nothing to its caller; the thread goes on to other callers' cells.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}
