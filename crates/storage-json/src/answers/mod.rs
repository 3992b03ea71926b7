//! Kept answers. They are in memory, and in a log on disk, `.quire/answers.log`, which is written as follows.
//!
//! Before a notebook's file is exchanged, its answers are appended, durably, with what the file will then be: its digest,
//! or that it is gone. When the exchange is done, a line says so, which is not waited for: it survives the death of the
//! process, and the next durable write of the log makes it durable. When the directory is opened, answers count whose
//! change is said to have happened, or shows in the notebook's file. So an answer is there after a crash if and only if
//! its change is.
//!
//! That a change shows in the file is true only until the next change of the notebook, whether that has an answer or not.
//! Hence, before a notebook's file is changed again, what says that the last change happened is made
//! durable. Who sends no keys never pays for this.

mod log;
mod record;
mod state;

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use quire_domain::{NotebookId, Timestamp, UserId};
use quire_storage::{AnswerKey, KeptAnswer};

pub(crate) use record::Then;

use self::log::Log;
use self::record::{AnswerV1, Line, lines_of};
use self::state::{State, Underway};
use crate::disk::Folder;
use crate::error::Error;

/// The answers that are kept in a directory.
#[derive(Debug)]
pub(crate) struct Answers {
    /// Never held while the disk is waited for, but when the log is written anew.
    state: Mutex<State>,
    /// Told whenever a change has ended.
    ended: Condvar,
}

/// A change under way that has answers. Dropped, it has not happened.
#[derive(Debug)]
pub(crate) struct Changing<'a> {
    answers: &'a Answers,
    number: u64,
}

impl Answers {
    /// Reads the answers that are kept in `.quire`. [`Self::decide`] comes next.
    pub(crate) fn open(ours: Arc<Folder>) -> io::Result<Self> {
        let (log, lines) = Log::open(ours)?;
        let as_said = |line: &Line| if let Line::Happened(change) = line { Some(*change) } else { None };
        let happened: HashSet<u64> = lines.iter().filter_map(as_said).collect();
        let mut state = State::of(log);
        for line in lines {
            match line {
                Line::Kept(answer) => state.put(answer.into()),
                Line::Before { change, notebook, then, answers } => {
                    state.last_change = state.last_change.max(change);
                    let answers = answers.into_iter().map(KeptAnswer::from);
                    if happened.contains(&change) {
                        for answer in answers {
                            state.put(answer);
                        }
                    } else {
                        state.left_open.push((change, notebook, then, answers.collect()));
                    }
                }
                Line::Happened(change) => state.last_change = state.last_change.max(change),
                Line::Expired(until) => drop(state.expire(until)),
            }
        }
        Ok(Self { state: Mutex::new(state), ended: Condvar::new() })
    }

    /// Decides which of the changes have happened that a crash, or a failure, has left open. `is_so` says whether a
    /// notebook's file shows it.
    pub(crate) fn decide(&self, is_so: impl Fn(&NotebookId, Then) -> bool) {
        let mut state = self.state();
        for (change, notebook, then, answers) in std::mem::take(&mut state.left_open) {
            if !is_so(&notebook, then) {
                continue;
            }
            for answer in answers {
                state.put_if_missing(answer);
            }
            state.unsaid.push((change, notebook));
        }
        state.trim_all();
        if state.log.is_wasteful()
            && let Err(error) = state.rewrite()
        {
            tracing::warn!(%error, "cannot write the log of answers anew");
        }
    }

    /// To be called before a notebook's file is changed. Writes down what is to be answered, and how the file will show
    /// then that it was changed; `None` when there is no answer.
    pub(crate) fn begin(
        &self,
        notebook: &NotebookId,
        then: impl FnOnce() -> Then,
        answers: &[KeptAnswer],
    ) -> Result<Option<Changing<'_>>, Error> {
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

    /// Keeps answers to what changed nothing.
    pub(crate) fn keep(&self, answers: &[KeptAnswer]) -> Result<(), Error> {
        if answers.is_empty() {
            return Ok(());
        }
        let (changing, appended) = self.write(None, answers, |_| lines_of(answers))?;
        self.sync(appended)?;
        self.state().end(changing.number);
        Ok(())
    }

    /// Appends what is to be answered, when nothing is kept under any of these answers' keys, and no change is under way
    /// that may decide so.
    fn write(
        &self,
        notebook: Option<&NotebookId>,
        answers: &[KeptAnswer],
        lines: impl FnOnce(u64) -> serde_json::Result<Vec<u8>>,
    ) -> Result<(Changing<'_>, u64), Error> {
        let is_open = |state: &mut State| answers.iter().any(|answer| state.is_open(answer));
        let waited = self.ended.wait_while(self.state(), is_open);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if answers.iter().any(|answer| state.find(&answer.user, answer.key).is_some()) {
            return Err(Error::Answered);
        }
        let number = state.last_change + 1;
        let lines = lines(number).map_err(io::Error::from)?;
        state.say()?;
        let appended = state.log.append(&lines)?;
        state.last_change = number;
        state.changing.insert(number, Underway { notebook: notebook.cloned(), answers: answers.to_vec(), lines });
        Ok((Changing { answers: self, number }, appended))
    }

    /// Makes it durable that the last change of a notebook that had an answer has happened.
    fn settle(&self, notebook: &NotebookId) -> io::Result<()> {
        let mut state = self.state();
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
        let syncing = self.state().log.syncing()?;
        syncing.run()?;
        let mut state = self.state();
        state.log.is_named = true;
        state.unsettled.retain(|_, said| *said > appended);
        Ok(())
    }

    /// The answer that is kept there, unless it has expired by now.
    pub(crate) fn find(&self, user: &UserId, key: AnswerKey, now: Timestamp) -> Option<KeptAnswer> {
        let mut state = self.state();
        if state.find(user, key)?.has_expired(now) {
            state.remove(user, key);
        }
        state.find(user, key).cloned()
    }

    /// Forgets what has expired, and what is too much of these users.
    pub(crate) fn forget(&self, users: &[UserId], now: Timestamp) -> io::Result<()> {
        let mut state = self.state();
        let oldest = KeptAnswer::oldest(now);
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
            state.log.append(&line)?;
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is changed only after the log has been, in single steps: a panic leaves nothing half done in it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changing<'_> {
    /// The change has happened.
    pub(crate) fn happened(self) {
        let mut state = self.answers.state();
        state.end(self.number);
        if let Err(error) = state.say() {
            // It shows in the file; before that is changed again, the log must say it.
            tracing::warn!(%error, "cannot write that an answered change has happened");
        }
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.answers.state().changing.remove(&self.number);
        self.answers.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use quire_storage::RequestDigest;
    use tempfile::TempDir;

    use super::*;
    use crate::digest::Digest;

    fn answer(key: u8) -> KeptAnswer {
        let (user, outcome) = (UserId::new("ann").unwrap(), "{}".into());
        KeptAnswer {
            user,
            key: AnswerKey([key; 32]),
            request: RequestDigest([0; 32]),
            outcome,
            at: Timestamp::default(),
        }
    }

    /// After a loss of power the file shows only its last change; that the one before happened must be durable by then.
    #[test]
    fn what_says_that_a_change_happened_is_durable_before_the_next() {
        let dir = TempDir::new().unwrap();
        let answers = Answers::open(Arc::new(Folder::open(dir.path()).unwrap())).unwrap();
        let (one, other) = (NotebookId::new("one").unwrap(), NotebookId::new("other").unwrap());
        let then = || Then::Content(Digest::of(b"then"));
        let is_unsettled = |notebook: &NotebookId| answers.state().is_unsettled(notebook);
        answers.begin(&one, then, &[answer(1)]).unwrap().unwrap().happened();
        assert!(is_unsettled(&one));
        assert!(answers.begin(&other, then, &[]).unwrap().is_none());
        assert!(is_unsettled(&one), "who sends no keys does not wait for those of others");
        assert!(answers.begin(&one, then, &[]).unwrap().is_none());
        assert!(!is_unsettled(&one));
        answers.begin(&one, then, &[answer(2)]).unwrap().unwrap().happened();
        let under_way = answers.begin(&other, then, &[answer(3)]).unwrap().unwrap();
        assert!(!is_unsettled(&one), "any durable write of the log is good for all");
        drop(under_way);
        assert!(answers.find(&answer(3).user, answer(3).key, Timestamp::default()).is_none());
    }

    /// A second request waits for the first, and is decided by what became of it.
    #[test]
    fn of_two_under_one_key_the_second_waits() {
        for happens in [true, false] {
            let dir = TempDir::new().unwrap();
            let answers = Answers::open(Arc::new(Folder::open(dir.path()).unwrap())).unwrap();
            let (one, other) = (NotebookId::new("one").unwrap(), NotebookId::new("other").unwrap());
            let first = answers.begin(&one, || Then::Gone, &[answer(1)]).unwrap().unwrap();
            let second = std::thread::scope(|scope| {
                let second = scope.spawn(|| answers.begin(&other, || Then::Gone, &[answer(1)]).map(|_| ()));
                // Whether it has begun to wait by now or not, the outcome is the same.
                std::thread::yield_now();
                if happens {
                    first.happened();
                } else {
                    drop(first);
                }
                second.join().unwrap()
            });
            assert_eq!(matches!(second, Err(Error::Answered)), happens, "{second:?}");
        }
    }
}
