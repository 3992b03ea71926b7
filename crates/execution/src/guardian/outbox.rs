//! Notices that wait until the server takes them. However slow the server is, they are bounded: printed text grows one notice up
//! to the limit of a cell, a newer value of an output takes the place of one that waits, and a removal takes what it removes.
//! However fast it is, it gets what a running cell tells in batches.

use std::collections::VecDeque;
use std::time::Duration;

use quire_domain::Output;
use tokio::time::Instant;

use crate::frame::Notice;
use crate::kernel::Outcome;

/// Time between two batches of what a running cell tells: a notice for each print would be a flood.
const BATCH_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Debug)]
enum Waiting {
    Stdout(String),
    /// An output, or a newer value of one.
    Output {
        index: usize,
        output: Output,
        is_new: bool,
    },
    Cleared,
    Other(Notice),
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Waiting>,
    usage: Option<Notice>,
    /// The time before which no batch begins, unless it brings something else than text and outputs.
    next_batch: Option<Instant>,
}

/// What to do next about an outbox.
pub(super) enum Next {
    Tell(Notice),
    WaitUntil(Instant),
    Nothing,
}

impl Outbox {
    pub(super) fn stdout(&mut self, text: &str) {
        match self.waiting.back_mut() {
            Some(Waiting::Stdout(waiting)) => waiting.push_str(text),
            _ if text.is_empty() => {}
            _ => self.waiting.push_back(Waiting::Stdout(text.to_owned())),
        }
    }

    pub(super) fn output(&mut self, index: usize, output: Output) {
        self.waiting.push_back(Waiting::Output { index, output, is_new: true });
    }

    pub(super) fn updated(&mut self, index: usize, output: Output) {
        for waiting in self.waiting.iter_mut().rev() {
            match waiting {
                Waiting::Output { index: other, output: older, .. } if *other == index => {
                    *older = output;
                    return;
                }
                Waiting::Stdout(_) | Waiting::Output { .. } => {}
                // Outputs are counted anew after these.
                Waiting::Cleared | Waiting::Other(_) => break,
            }
        }
        self.waiting.push_back(Waiting::Output { index, output, is_new: false });
    }

    pub(super) fn cleared(&mut self) {
        while self.waiting.pop_back_if(|last| !matches!(last, Waiting::Other(_))).is_some() {}
        self.waiting.push_back(Waiting::Cleared);
    }

    /// Adds the outcome of an execution, with `true` if the kernel ends with it.
    pub(super) fn finished(&mut self, outcome: Outcome, is_last: bool) {
        self.waiting.push_back(Waiting::Other(Notice::Finished(outcome.into(), is_last)));
    }

    pub(super) fn other(&mut self, notice: Notice) {
        self.waiting.push_back(Waiting::Other(notice));
    }

    pub(super) fn usage(&mut self, notice: Notice) {
        self.usage = Some(notice);
    }

    /// Takes the next notice out, if it is time for it.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        let is_urgent = matches!(self.waiting.back(), None | Some(Waiting::Other(_)));
        if let Some(due) = self.next_batch.filter(|due| now < *due && !is_urgent) {
            return self.usage.take().map_or(Next::WaitUntil(due), Next::Tell);
        }
        let next = self.waiting.pop_front().map(|waiting| match waiting {
            Waiting::Stdout(text) => Notice::Stdout(text),
            Waiting::Output { output, is_new: true, .. } => Notice::Output(output.into()),
            Waiting::Output { index, output, .. } => Notice::Updated(index, output.into()),
            Waiting::Cleared => Notice::Cleared,
            Waiting::Other(notice) => notice,
        });
        self.next_batch = match self.next_batch {
            _ if next.is_some() && self.waiting.is_empty() && !is_urgent => Some(now + BATCH_INTERVAL),
            // The rest of a batch follows at once.
            _ if next.is_some() => None,
            unchanged => unchanged,
        };
        next.or_else(|| self.usage.take()).map_or(Next::Nothing, Next::Tell)
    }
}

#[cfg(test)]
mod tests {
    use quire_domain::Json;

    use super::*;

    fn output(text: &str) -> Output {
        let json = |text: &str| Json::parse(text).unwrap();
        Output { mime_type: "text/plain".to_owned(), data: json(&format!("\"{text}\"")), metadata: json("{}") }
    }

    fn all(outbox: &mut Outbox, now: Instant) -> Vec<String> {
        let mut told = Vec::new();
        while let Next::Tell(notice) = outbox.next(now) {
            told.push(match notice {
                Notice::Stdout(text) => text,
                Notice::Output(output) => format!("+{}", Output::from(output).data.as_str()),
                Notice::Updated(index, output) => format!("{index}={}", Output::from(output).data.as_str()),
                Notice::Cleared => "cleared".to_owned(),
                other => format!("{other:?}"),
            });
        }
        told
    }

    #[test]
    fn what_waits_is_told_in_order_and_only_its_last_value() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        outbox.stdout("gone");
        outbox.output(0, output("gone"));
        outbox.cleared();
        outbox.stdout("a");
        outbox.stdout("b");
        outbox.output(0, output("old"));
        outbox.stdout("c");
        outbox.updated(0, output("new"));
        assert_eq!(all(&mut outbox, now), ["cleared", "ab", "+\"new\"", "c"]);
        outbox.updated(0, output("newer"));
        outbox.updated(0, output("newest"));
        assert_eq!(all(&mut outbox, now + BATCH_INTERVAL), ["0=\"newest\""]);
    }

    #[test]
    fn a_batch_waits_for_more_but_not_when_the_execution_is_over() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        outbox.stdout("first");
        assert_eq!(all(&mut outbox, now), ["first"]);
        outbox.stdout("second");
        outbox.output(0, output("x"));
        assert!(matches!(outbox.next(now), Next::WaitUntil(due) if due == now + BATCH_INTERVAL));
        outbox.finished(Outcome::Success, false);
        assert_eq!(all(&mut outbox, now), ["second", "+\"x\"", "Finished(Success, false)"]);
        outbox.stdout("third");
        assert_eq!(all(&mut outbox, now), ["third"]);
    }
}
