//! The log: lines for standard output, which one thread writes, so that no request waits for each of its own.
//!
//! Lines that come within a short time are written together. The order of lines is that of the calls.

use std::io::{self, Write};
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Maximum bytes of lines that wait. The thread that logs a line beyond it writes them itself, as fast as standard output takes
/// them, so that none is lost and memory stays bounded.
const MAX_WAITING_BYTES: usize = 256 * 1024;
/// Time between two writes of the thread, in which lines collect.
const PAUSE: Duration = Duration::from_millis(1);

/// A log. A clone is the same log.
#[derive(Clone)]
pub(crate) struct Log(Arc<State>);

struct State {
    /// Lines that have not been written yet.
    waiting: Mutex<Vec<u8>>,
    is_waiting: Condvar,
    output: Mutex<Output>,
}

struct Output {
    writer: Box<dyn Write + Send>,
    /// The lines that are being written; empty but for its capacity before and after.
    batch: Vec<u8>,
}

/// A writer of one line.
pub(crate) struct Line<'a> {
    log: &'a Log,
    /// `true` if the line must be written before the call returns.
    is_urgent: bool,
}

/// Writes all lines when it is dropped.
pub(crate) struct FlushOnDrop(Log);

impl Log {
    /// Starts the thread that writes the log.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(crate) fn start(writer: impl Write + Send + 'static) -> io::Result<(Self, FlushOnDrop)> {
        let output = Mutex::new(Output { writer: Box::new(writer), batch: Vec::new() });
        let log = Self(Arc::new(State { waiting: Mutex::default(), is_waiting: Condvar::new(), output }));
        let written = log.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || written.write_on())?;
        Ok((log.clone(), FlushOnDrop(log)))
    }

    /// Writes lines whenever there are some, until the process ends.
    fn write_on(&self) {
        loop {
            {
                let mut waiting = self.0.waiting.lock();
                self.0.is_waiting.wait_while(&mut waiting, |waiting| waiting.is_empty());
            }
            self.flush();
            thread::sleep(PAUSE);
        }
    }

    /// Writes all lines that wait. A failure is ignored: there is no other place to report it.
    fn flush(&self) {
        // Taken first, so that lines stay in their order.
        let mut output = self.0.output.lock();
        let Output { writer, batch } = &mut *output;
        mem::swap(&mut *self.0.waiting.lock(), batch);
        let _ = writer.write_all(batch).and_then(|()| writer.flush());
        batch.clear();
    }
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.log.0.waiting.lock();
        waiting.extend_from_slice(line);
        let is_full = waiting.len() > MAX_WAITING_BYTES;
        drop(waiting);
        if self.is_urgent || is_full {
            self.log.flush();
        } else {
            self.log.0.is_waiting.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { log: self, is_urgent: false }
    }

    /// Errors, panics among them, are written at once: the process may be about to end.
    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line<'a> {
        Line { log: self, is_urgent: *meta.level() == Level::ERROR }
    }
}

impl Drop for FlushOnDrop {
    fn drop(&mut self) {
        self.0.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that the test reads.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Shared {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).unwrap()
        }
    }

    fn write(log: &Log, line: &str, is_urgent: bool) {
        Line { log, is_urgent }.write_all(line.as_bytes()).unwrap();
    }

    #[test]
    fn all_lines_are_written_whole_and_in_the_order_of_each_thread() {
        const THREADS: usize = 4;
        const LINES: usize = 20_000;
        let output = Shared::default();
        let (log, flush_on_drop) = Log::start(output.clone()).unwrap();
        thread::scope(|scope| {
            for number in 0..THREADS {
                let log = &log;
                scope.spawn(move || (0..LINES).for_each(|line| write(log, &format!("{number} {line}\n"), false)));
            }
        });
        drop(flush_on_drop);
        let (text, mut next) = (output.text(), [0; THREADS]);
        for line in text.lines() {
            let (number, line) = line.split_once(' ').unwrap();
            let next = &mut next[number.parse::<usize>().unwrap()];
            assert_eq!(line.parse(), Ok(*next));
            *next += 1;
        }
        assert_eq!(next, [LINES; THREADS]);
    }

    #[test]
    fn an_error_is_written_before_the_call_returns_and_what_came_before_it_too() {
        let output = Shared::default();
        let (log, _flush_on_drop) = Log::start(output.clone()).unwrap();
        for n in 0..1_000 {
            write(&log, "listening\n", false);
            write(&log, "panicked\n", true);
            assert_eq!(output.text(), "listening\npanicked\n".repeat(n + 1));
        }
    }

    #[test]
    fn lines_that_nothing_takes_wait_in_bounded_memory_and_are_not_lost() {
        const LINE: usize = 1_000;
        const LINES: usize = 3 * MAX_WAITING_BYTES / LINE;
        let output = Shared::default();
        let (log, flush_on_drop) = Log::start(output.clone()).unwrap();
        let blocked = log.0.output.lock();
        let line = format!("{}\n", "x".repeat(LINE - 1));
        thread::scope(|scope| {
            let writing = scope.spawn(|| (0..LINES).for_each(|_| write(&log, &line, false)));
            while log.0.waiting.lock().len() <= MAX_WAITING_BYTES {
                assert!(!writing.is_finished(), "the thread goes on though nothing is written");
                thread::yield_now();
            }
            assert!(log.0.waiting.lock().len() <= MAX_WAITING_BYTES + LINE);
            assert!(!writing.is_finished());
            drop(blocked);
        });
        drop(flush_on_drop);
        assert_eq!(output.text().len(), LINES * LINE);
    }
}
