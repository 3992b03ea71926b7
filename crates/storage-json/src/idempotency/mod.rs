//! Kept answers. They are in memory, and in a log on disk, `.quire/answers.log`, which is written as follows.
//!
//! Before a notebook's file is exchanged, its answers are appended, durably, with what the file will then be: its digest,
//! or that it is gone. When the exchange is done, or has failed, a line says so, which is not waited for: it survives the death of the
//! process, and the next durable write of the log makes it durable. When the directory is opened, answers count whose
//! change is said to have happened, or shows in the notebook's file. So an answer is there after a crash if and only if
//! its change is.
//!
//! Where the file system does not say whether a change will last, its answers are held back, as unsure: no client gets
//! them, and no request has the same effect again, until the file system has said so after all.
//!
//! That a change shows in the file is true only until the next change of the notebook, whether that has an answer or not.
//! Hence, before a notebook's file is changed again, what says that the last change happened is made durable. An edit
//! without a key pays for that only where it follows one with a key to the same notebook.

mod log;
mod record;
mod state;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use quire_domain::{NotebookId, Timestamp, UserId};
use quire_storage::{IdempotencyKey, IdempotencyRecord};

pub(crate) use record::FileState;

use self::log::Log;
use self::record::{AnswerV1, Line, lines_of};
use self::state::{PendingChange, State};
use crate::disk::{Folder, KnownFile};
use crate::error::Error;

/// The answers that are kept in a directory.
#[derive(Debug)]
pub(crate) struct IdempotencyRecords {
    /// Held while the disk is waited for only when the log is rewritten. A panic leaves nothing half done in it: it is changed
    /// only after the log has been, in single steps.
    state: Mutex<State>,
    /// Told whenever a change has ended.
    ended: Condvar,
}

/// A change under way that has answers. Dropped, it has not happened.
#[derive(Debug)]
pub(crate) struct PendingChangeGuard<'a> {
    answers: &'a IdempotencyRecords,
    number: u64,
}

impl IdempotencyRecords {
    /// Reads the answers that are kept in `.quire`. [`Self::decide`] comes next.
    pub(crate) fn open(ours: Arc<Folder>) -> io::Result<Self> {
        let (log, lines) = Log::open(ours)?;
        let as_said = |line: &Line| match line {
            Line::Happened(change) => Some((*change, true)),
            Line::Failed(change) => Some((*change, false)),
            _ => None,
        };
        let said: HashMap<u64, bool> = lines.iter().filter_map(as_said).collect();
        let mut state = State::of(log);
        for line in lines {
            match line {
                Line::Kept(answer) => state.put(answer.into()),
                Line::Before { change, notebook, then, answers } => {
                    state.last_change = state.last_change.max(change);
                    let answers = answers.into_iter().map(IdempotencyRecord::from);
                    match said.get(&change) {
                        Some(true) => answers.for_each(|answer| state.put(answer)),
                        Some(false) => {}
                        None => state.left_open.push((change, notebook, then, answers.collect())),
                    }
                }
                Line::Happened(change) | Line::Failed(change) => state.last_change = state.last_change.max(change),
                Line::Expired(until) => drop(state.expire(until)),
            }
        }
        Ok(Self { state: Mutex::new(state), ended: Condvar::new() })
    }

    /// Decides which of the changes have happened that a crash, or a failure, has left open. `is_so` says whether a
    /// notebook's file shows it.
    ///
    /// # Errors
    /// When it cannot be made durable that they have happened.
    pub(crate) fn decide(&self, notebooks: &Folder, is_so: impl Fn(&NotebookId, FileState) -> bool) -> io::Result<()> {
        let mut state = self.state.lock();
        if !state.left_open.is_empty() {
            // What shows after the death of the process alone may not have been waited for.
            notebooks.sync()?;
        }
        for (change, notebook, then, answers) in std::mem::take(&mut state.left_open) {
            if !is_so(&notebook, then) {
                // Said, so that it does not come to be so later by other hands.
                state.unsaid.push((Line::Failed(change), notebook));
                continue;
            }
            for answer in answers {
                state.put_unless_newer(answer);
            }
            state.unsaid.push((Line::Happened(change), notebook));
        }
        state.try_to_say();
        state.trim_all();
        if state.log.is_wasteful()
            && let Err(error) = state.rewrite()
        {
            tracing::warn!(%error, "cannot rewrite the log of idempotency records");
        }
        Ok(())
    }

    /// The log's file, by which it is noticed that another program removed it. `None` also while another call has the state: it may
    /// be rewriting the log, for as long as the disk takes, and whatever is appended notices a loss by itself.
    pub(crate) fn known_log(&self) -> Option<KnownFile> {
        self.state.try_lock().and_then(|state| state.log.known())
    }

    /// Rewrites the log, if another program removed it: what is in memory is all that it has to say.
    pub(crate) fn restore(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.log.is_lost() { state.rewrite() } else { Ok(()) }
    }

    /// Writes down, before a notebook's file is changed, what is to be answered, and how the file will show then that it was
    /// changed; `None` when there is no answer.
    pub(crate) fn begin(
        &self,
        notebooks: &Folder,
        notebook: &NotebookId,
        then: impl FnOnce() -> FileState,
        answers: &[IdempotencyRecord],
    ) -> Result<Option<PendingChangeGuard<'_>>, Error> {
        if self.state.lock().is_unsure(notebook) {
            self.confirm(notebooks)?;
        }
        if answers.is_empty() {
            self.settle(notebook)?;
            return Ok(None);
        }
        let then = then();
        let (changing, appended) = self.write(Some(notebook), answers, |change| {
            let answers = answers.iter().map(AnswerV1::from).collect();
            Line::Before { change, notebook: notebook.clone(), then, answers }.to_bytes()
        })?;
        self.sync(appended)?;
        Ok(Some(changing))
    }

    /// Refuses answers under whose keys others are kept.
    pub(crate) fn check_free(&self, answers: &[IdempotencyRecord]) -> Result<(), Error> {
        let state = self.state.lock();
        if answers.iter().any(|answer| state.has(answer)) { Err(Error::AlreadyRecorded) } else { Ok(()) }
    }

    /// Keeps answers to what changed nothing.
    pub(crate) fn keep(&self, answers: &[IdempotencyRecord]) -> Result<(), Error> {
        if answers.is_empty() {
            return Ok(());
        }
        let (changing, appended) = self.write(None, answers, |_| lines_of(answers))?;
        self.sync(appended)?;
        self.state.lock().end(changing.number);
        Ok(())
    }

    /// Appends what is to be answered, when nothing is kept under any of these answers' keys, and no change is under way
    /// that may decide so.
    fn write(
        &self,
        notebook: Option<&NotebookId>,
        answers: &[IdempotencyRecord],
        lines: impl FnOnce(u64) -> serde_json::Result<Vec<u8>>,
    ) -> Result<(PendingChangeGuard<'_>, u64), Error> {
        let is_open = |state: &mut State| answers.iter().any(|answer| state.is_open(answer));
        let mut state = self.state.lock();
        self.ended.wait_while(&mut state, is_open);
        if answers.iter().any(|answer| state.has(answer)) {
            return Err(Error::AlreadyRecorded);
        }
        let number = state.last_change + 1;
        let lines = lines(number).map_err(io::Error::from)?;
        state.say()?;
        let appended = state.append(&lines)?;
        state.last_change = number;
        state.changing.insert(
            number,
            PendingChange { notebook: notebook.cloned(), answers: answers.to_vec(), lines, is_unsure: false },
        );
        Ok((PendingChangeGuard { answers: self, number }, appended))
    }

    /// Makes it durable that the last change of a notebook that had an answer has happened.
    fn settle(&self, notebook: &NotebookId) -> io::Result<()> {
        let mut state = self.state.lock();
        if !state.is_unsettled(notebook) {
            return Ok(());
        }
        state.say()?;
        let appended = state.log.appended();
        drop(state);
        self.sync(appended)
    }

    /// Makes durable what has been appended until then.
    fn sync(&self, appended: u64) -> io::Result<()> {
        let sync = {
            let mut state = self.state.lock();
            match state.log.sync()? {
                Some(sync) => sync,
                // Removed from outside since; rewritten, it holds all that was appended, durably.
                None => return state.rewrite(),
            }
        };
        sync.run()?;
        let mut state = self.state.lock();
        state.log.synced(&sync);
        state.unsettled.retain(|_, said| *said > appended);
        Ok(())
    }

    /// Makes durable what is unsure, if the file system does by now.
    pub(crate) fn confirm(&self, notebooks: &Folder) -> io::Result<()> {
        let unsure = self.state.lock().unsure();
        if unsure.is_empty() {
            return Ok(());
        }
        notebooks.sync()?;
        let mut state = self.state.lock();
        for number in unsure {
            state.end(number);
        }
        state.try_to_say();
        Ok(())
    }

    /// The answer that is kept there, unless it has expired by now; [`Error::DurabilityUnknown`] while its change is.
    pub(crate) fn find(
        &self,
        notebooks: &Folder,
        user: &UserId,
        key: IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, Error> {
        if self.state.lock().is_held(user, key) {
            self.confirm(notebooks).map_err(Error::DurabilityUnknown)?;
        }
        let mut state = self.state.lock();
        if state.find(user, key).is_some_and(|answer| answer.has_expired(now)) {
            state.remove(user, key);
        }
        Ok(state.find(user, key).cloned())
    }

    /// Forgets what has expired, and what is too much of these users.
    pub(crate) fn forget(&self, users: &[UserId], now: Timestamp) -> io::Result<()> {
        let mut state = self.state.lock();
        let oldest = IdempotencyRecord::oldest(now);
        let have_expired = state.expire(oldest);
        // What is too much is found again when the log is read, so it need not say so.
        for user in users {
            state.trim(user);
        }
        if state.log.is_wasteful() {
            return state.rewrite();
        }
        if have_expired {
            let line = Line::Expired(oldest).to_bytes()?;
            state.append(&line)?;
        }
        Ok(())
    }

    /// Holds the state as if the log was being rewritten.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> impl Sized {
        self.state.lock()
    }
}

impl PendingChangeGuard<'_> {
    /// The change has happened, durably.
    pub(crate) fn happened(self) {
        let mut state = self.answers.state.lock();
        state.end(self.number);
        state.try_to_say();
    }

    /// The change shows, but may not last.
    pub(crate) fn unsure(self) {
        self.answers.state.lock().hold(self.number);
    }
}

impl Drop for PendingChangeGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.answers.state.lock();
        state.give_up(self.number);
        state.try_to_say();
        drop(state);
        self.answers.ended.notify_all();
    }
}

#[cfg(test)]
mod tests;
