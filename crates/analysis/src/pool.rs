//! A bounded number of threads that analyse cells, in two lanes.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use parking_lot::Mutex;

use crate::analyse;
use crate::types::{Analysis, CellType};

/// Up to how many bytes of code a cell is short.
///
/// Most cells are below 2 KiB; the worst code of this size takes a few milliseconds.
const SHORT_BYTES: usize = 16 * 1024;

/// The stack of a thread: enough for an SQL cell and for most Python cells, which would otherwise take one each time.
/// Only what is used of it costs memory.
const STACK_BYTES: usize = 64 * 1024 * 1024;

type Job = Box<dyn FnOnce() + Send>;

/// Worker threads for [`analyse`], made once and kept.
///
/// Short cells and long ones have threads of their own, so that however many long hostile cells are submitted, a short
/// one waits only for other short ones. Within a lane the order is first come, first served.
///
/// The queues are not bounded: a caller that wants a limit waits for its answers before it submits more.
///
/// Dropping the pool ends the threads once they have answered what was already submitted; dropping does not wait.
#[derive(Debug)]
pub struct Pool {
    short: Sender<Job>,
    long: Sender<Job>,
}

impl Pool {
    /// Starts about `threads` threads, at least one for each lane; a quarter of them, but at least one, is for long
    /// cells.
    ///
    /// # Errors
    ///
    /// When the operating system does not give the threads.
    pub fn new(threads: usize) -> io::Result<Self> {
        let long = (threads / 4).max(1);
        let short = threads.saturating_sub(long).max(1);
        Ok(Self { short: lane("analysis-short", short)?, long: lane("analysis-long", long)? })
    }

    /// Whether a cell belongs to the short lane; such a cell takes at most a few milliseconds, typically a few
    /// microseconds, so a caller on a thread of its own may as well call [`analyse`] itself.
    #[must_use]
    pub fn is_short(code: &str) -> bool {
        code.len() <= SHORT_BYTES
    }

    /// Has a cell analysed and calls `done` with the answer, on a thread of the pool: `done` should only pass it on.
    ///
    /// `done` is always called, except when it is dropped with its thread at the end of the process.
    pub fn submit(&self, cell_type: CellType, code: Arc<str>, done: impl FnOnce(Arc<Analysis>) + Send + 'static) {
        let lane = if Self::is_short(&code) { &self.short } else { &self.long };
        let job = Box::new(move || done(Arc::new(analyse(cell_type, &code))));
        if let Err(refused) = lane.send(job) {
            // All threads of the lane are gone, which nothing here brings about; answer on this one.
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
        // The lock is held while waiting, so exactly one idle thread waits in `recv` and the others for the lock. A
        // job never runs under the lock.
        let job = jobs.lock().recv();
        let Ok(job) = job else { return };
        // A callback that panics has told its caller nothing; the thread goes on to the other callers' cells.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}
