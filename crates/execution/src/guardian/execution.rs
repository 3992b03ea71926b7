//! One execution of code in the kernel, from the request to its outcome.

use std::time::Duration;

use quire_domain::limits::STDOUT_BYTES;
use quire_domain::without_colours;
use tokio::time::Instant;

use super::interrupt::Interrupt;
use super::message::{Display, ErrorContent, ExecuteReply, Message, Payload, Status, Stream};
use super::outbox::Outbox;
use super::transcript::Transcript;
use crate::kernel::Outcome;

/// Time that the message `idle` may take after the reply. A kernel that has too many messages to send drops some.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time that the reply may take after `idle` if the execution was interrupted. A signal that comes between the kernel's own code and the
/// cell's takes the reply away.
const REPLY_TIMEOUT: Duration = Duration::from_millis(250);
/// Bytes of an error's text that are kept of its beginning, and of its end, which says what went wrong.
const ERROR_PART_BYTES: usize = 64 * 1024;
const _: () = assert!(ERROR_PART_BYTES * 3 < STDOUT_BYTES, "an error is shorter than the printed text of a cell");

#[derive(Debug)]
pub(super) struct Execution {
    /// The id of the request.
    id: String,
    /// It is code of a cell, whose outputs are told.
    is_of_cell: bool,
    /// The kernel is about to run the code.
    pub(super) has_begun: bool,
    error: Option<ErrorContent>,
    reply: Option<Reply>,
    /// The time at which the kernel has said that it is idle.
    idle_since: Option<Instant>,
    pub(super) interrupt: Option<Interrupt>,
    transcript: Transcript,
}

/// What the kernel has replied.
#[derive(Debug)]
struct Reply {
    outcome: Outcome,
    /// The code called `exit()`.
    has_exited: bool,
    /// The time at which the execution is over even if the kernel has not said so.
    ends_by: Instant,
}

impl Execution {
    pub(super) fn new(id: String, is_of_cell: bool) -> Self {
        Self {
            id,
            is_of_cell,
            has_begun: false,
            error: None,
            reply: None,
            idle_since: None,
            interrupt: None,
            transcript: Transcript::default(),
        }
    }

    /// Takes a message of the shell socket.
    pub(super) fn on_shell(&mut self, message: &Message) {
        if message.parent != self.id || message.kind != "execute_reply" {
            return;
        }
        let Some(reply) = message.content::<ExecuteReply<'_>>() else { return };
        let has_exited = reply.payload.iter().any(Payload::is_exit);
        let outcome = match &*reply.status {
            "ok" => Outcome::Success,
            _ => self.failure(message),
        };
        self.reply = Some(Reply { outcome, has_exited, ends_by: Instant::now() + IDLE_TIMEOUT });
    }

    fn failure(&mut self, reply: &Message) -> Outcome {
        let error = self.error.take().or_else(|| reply.content()).unwrap_or_default();
        let is_stop = error.ename.is_empty() || matches!(&*error.ename, "KeyboardInterrupt" | "CancelledError");
        if is_stop && self.interrupt.is_some() {
            return Outcome::Interrupted;
        }
        Outcome::Error(text(&error))
    }

    /// Takes a message of the iopub socket.
    pub(super) fn on_iopub(&mut self, message: &Message, outbox: &mut Outbox) {
        let is_own = message.parent == self.id;
        if let Some(reply) = self.reply.as_mut().filter(|_| is_own) {
            // As long as messages come, none is dropped.
            reply.ends_by = Instant::now() + IDLE_TIMEOUT;
        }
        // What threads print and show carries the id of the execution that started them. It belongs to the cell that runs now.
        match &*message.kind {
            "stream" if self.is_of_cell => {
                if let Some(stream) = message.content::<Stream<'_>>() {
                    self.transcript.stdout(&stream.text, outbox);
                }
            }
            "display_data" if self.is_of_cell => self.display(message, outbox),
            "execute_result" if self.is_of_cell && is_own => self.display(message, outbox),
            "update_display_data" if self.is_of_cell => {
                if let Some(display) = message.content::<Display<'_>>() {
                    self.transcript.update(display, outbox);
                }
            }
            "clear_output" if self.is_of_cell && is_own => {
                if let Some(clear) = message.content() {
                    self.transcript.clear(&clear, outbox);
                }
            }
            "error" if is_own => self.error = message.content(),
            "execute_input" if is_own => self.has_begun = true,
            "status" if is_own && is_idle(message) => {
                self.idle_since.get_or_insert_with(Instant::now);
            }
            _ => {}
        }
    }

    fn display(&mut self, message: &Message, outbox: &mut Outbox) {
        if let Some(display) = message.content::<Display<'_>>() {
            self.transcript.output(display, outbox);
        }
    }

    /// Returns the time at which it is over at the latest, if there is one yet.
    pub(super) fn ends_by(&self) -> Option<Instant> {
        match (&self.reply, self.idle_since) {
            (Some(reply), _) => Some(reply.ends_by),
            (None, Some(idle_since)) if self.interrupt.is_some() => Some(idle_since + REPLY_TIMEOUT),
            (None, _) => None,
        }
    }

    /// Returns the id of the request if the kernel has not said that it is idle.
    pub(super) fn given_up(self) -> Option<String> {
        self.idle_since.is_none().then_some(self.id)
    }

    /// Returns `true` if the code has called `exit()`.
    pub(super) fn has_exited(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.has_exited)
    }

    /// Returns the outcome once it is over, and tells of it.
    pub(super) fn take_outcome(&mut self, now: Instant, outbox: &mut Outbox) -> Option<Outcome> {
        let ends_by = self.ends_by()?;
        if now >= ends_by && self.reply.is_none() {
            self.transcript.end(outbox);
            return Some(Outcome::Interrupted);
        }
        if self.idle_since.is_none() && now < ends_by {
            return None;
        }
        self.take_last_outcome(outbox)
    }

    /// Returns the outcome when the kernel has ended, if the code had run before.
    pub(super) fn take_last_outcome(&mut self, outbox: &mut Outbox) -> Option<Outcome> {
        self.transcript.end(outbox);
        Some(self.reply.take()?.outcome)
    }
}

fn is_idle(message: &Message) -> bool {
    message.content::<Status<'_>>().is_some_and(|status| status.execution_state == "idle")
}

/// Makes the text of an error: its traceback, or its name and value when there is none.
fn text(error: &ErrorContent) -> String {
    let text = match error.traceback.as_slice() {
        [] if error.ename.is_empty() => "the kernel did not run the code".to_owned(),
        [] => format!("{}: {}", error.ename, error.evalue),
        lines => lines.join("\n"),
    };
    let text = without_colours(&text);
    if text.len() <= 3 * ERROR_PART_BYTES {
        return text;
    }
    let (beginning, end) =
        (text.floor_char_boundary(ERROR_PART_BYTES), text.ceil_char_boundary(text.len() - ERROR_PART_BYTES));
    format!("{}\n[… {} bytes are left out here …]\n{}", &text[..beginning], end - beginning, &text[end..])
}
