//! Kept answers. They are in memory, and in a log on disk, `.quire/answers.log`, which is written as follows.
//!
//! Before a notebook's file is exchanged, its answers are appended, durably, with what the file will then be: its digest,
//! or that it is gone. When the exchange is done, a line says so, which is not waited for: it survives the death of the
//! process, and the next durable write of the log makes it durable. When the directory is opened, answers count whose
//! change is said to have happened, or shows in the notebook's file. So an answer is there after a crash if and only if
//! its change is.
//!
//! That a change shows in the file is true only until the next change of the notebook, whether that has an answer or not.
//! Hence [`Answers::settle`]: before a notebook's file is changed again, what says that the last change happened is made
//! durable. Who sends no keys never pays for this.

mod log;
mod record;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use quire_domain::{NotebookId, Timestamp, UserId};
use quire_storage::{AnswerKey, KeptAnswer};

pub(crate) use record::Then;

use self::log::Log;
use self::record::{AnswerV1, Line};
use crate::disk::Folder;
use crate::error::Error;

/// Whose answer, and which.
type Place = (UserId, AnswerKey);

/// The answers that are kept in a directory.
#[derive(Debug)]
pub(crate) struct Answers {
    state: Mutex<State>,
    /// Told whenever a change has ended.
    ended: Condvar,
}

#[derive(Debug)]
struct State {
    log: Log,
    kept: HashMap<Place, KeptAnswer>,
    /// Changes of which the log does not say that they have happened, from before the directory was opened.
    left_open: Vec<(u64, NotebookId, Then, Vec<KeptAnswer>)>,
    /// Changes under way, by number, and what the log says of each.
    changing: HashMap<u64, (Vec<KeptAnswer>, Vec<u8>)>,
    last_change: u64,
    /// Changes that have happened without the log saying so yet.
    unsaid: Vec<u64>,
    /// Notebooks of which it is not durable that the last change with an answer has happened.
    unsettled: HashSet<NotebookId>,
}

/// A change under way that has answers. Dropped, it has not happened.
#[derive(Debug)]
pub(crate) struct Changing<'a> {
    answers: &'a Answers,
    notebook: NotebookId,
    number: u64,
}

impl Answers {
    /// Reads the answers that are kept in `.quire`. [`Self::decide`] comes next.
    pub(crate) fn open(ours: Arc<Folder>) -> io::Result<Self> {
        let (log, lines) = Log::open(ours)?;
        let as_said = |line: &Line| if let Line::Happened(change) = line { Some(*change) } else { None };
        let happened: HashSet<u64> = lines.iter().filter_map(as_said).collect();
        let mut state = State {
            log,
            kept: HashMap::new(),
            left_open: Vec::new(),
            changing: HashMap::new(),
            last_change: 0,
            unsaid: Vec::new(),
            unsettled: HashSet::new(),
        };
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
                Line::Expired(until) => state.kept.retain(|_, answer| answer.at > until),
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
                state.kept.entry((answer.user.clone(), answer.key)).or_insert(answer);
            }
            state.unsaid.push(change);
            state.unsettled.insert(notebook);
        }
        let users: HashSet<UserId> = state.kept.keys().map(|(user, _)| user.clone()).collect();
        state.trim(users.iter());
        if state.log.is_wasteful()
            && let Err(error) = state.rewrite()
        {
            tracing::warn!(%error, "cannot write the log of answers anew");
        }
    }

    /// Writes down what is to be answered when a notebook's file has been changed; before it is. Nothing is written, and
    /// `None` returned, when there are no answers.
    pub(crate) fn begin(
        &self,
        notebook: &NotebookId,
        then: Then,
        answers: &[KeptAnswer],
    ) -> Result<Option<Changing<'_>>, Error> {
        if answers.is_empty() {
            return Ok(None);
        }
        let mut state = self.free(answers)?;
        let number = state.last_change + 1;
        let lines = answers.iter().map(AnswerV1::from).collect();
        let line = Line::Before { change: number, notebook: notebook.clone(), then, answers: lines };
        let line = line.to_bytes().map_err(io::Error::from)?;
        state.say()?;
        state.log.append(&line, true)?;
        state.unsettled.clear();
        state.last_change = number;
        state.changing.insert(number, (answers.to_vec(), line));
        drop(state);
        Ok(Some(Changing { answers: self, notebook: notebook.clone(), number }))
    }

    /// Keeps answers to what changed nothing.
    pub(crate) fn keep(&self, answers: &[KeptAnswer]) -> Result<(), Error> {
        if answers.is_empty() {
            return Ok(());
        }
        let mut state = self.free(answers)?;
        let lines = lines_of(answers)?;
        state.say()?;
        state.log.append(&lines, true)?;
        state.unsettled.clear();
        for answer in answers {
            state.put(answer.clone());
        }
        Ok(())
    }

    /// To be called before a notebook's file is changed, whether there is an answer to that or not.
    pub(crate) fn settle(&self, notebook: &NotebookId) -> io::Result<()> {
        let mut state = self.state();
        if !state.unsettled.contains(notebook) {
            return Ok(());
        }
        state.say()?;
        state.log.sync()?;
        state.unsettled.clear();
        Ok(())
    }

    /// The answer that is kept there, unless it has expired by now.
    pub(crate) fn find(&self, user: &UserId, key: AnswerKey, now: Timestamp) -> Option<KeptAnswer> {
        let mut state = self.state();
        let place = (user.clone(), key);
        if state.kept.get(&place)?.has_expired(now) {
            state.kept.remove(&place);
        }
        state.kept.get(&place).cloned()
    }

    /// Forgets what has expired, and what is too much of these users.
    pub(crate) fn forget(&self, users: &[UserId], now: Timestamp) -> io::Result<()> {
        let mut state = self.state();
        let before = state.kept.len();
        state.kept.retain(|_, answer| !answer.has_expired(now));
        let has_expired = state.kept.len() < before;
        // What is too much is found again when the log is read, so it need not say so.
        state.trim(users.iter());
        if state.log.is_wasteful() {
            return state.rewrite();
        }
        if has_expired {
            let line = Line::Expired(KeptAnswer::oldest(now)).to_bytes()?;
            state.log.append(&line, false)?;
        }
        Ok(())
    }

    /// The state, when nothing is kept under any of these answers' keys, and no change is under way that may decide so.
    fn free(&self, answers: &[KeptAnswer]) -> Result<MutexGuard<'_, State>, Error> {
        let is_one = |other: &KeptAnswer| answers.iter().any(|mine| (&mine.user, mine.key) == (&other.user, other.key));
        let is_open = |state: &mut State| state.changing.values().any(|(changing, _)| changing.iter().any(is_one));
        let waited = self.ended.wait_while(self.state(), is_open);
        let state = waited.unwrap_or_else(PoisonError::into_inner);
        let is_kept = |answer: &KeptAnswer| state.kept.contains_key(&(answer.user.clone(), answer.key));
        if answers.iter().any(is_kept) { Err(Error::Answered) } else { Ok(state) }
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
        let Some((answers, _)) = state.changing.remove(&self.number) else { return };
        for answer in answers {
            state.put(answer);
        }
        state.unsaid.push(self.number);
        state.unsettled.insert(self.notebook.clone());
        if let Err(error) = state.say() {
            // It shows in the file; before that is changed again, the log must say it.
            tracing::warn!(notebook = %self.notebook, %error, "cannot write that an answered change has happened");
        }
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.answers.state().changing.remove(&self.number);
        self.answers.ended.notify_all();
    }
}

impl State {
    fn put(&mut self, answer: KeptAnswer) {
        self.kept.insert((answer.user.clone(), answer.key), answer);
    }

    /// Appends which changes have happened, without waiting for the disk.
    fn say(&mut self) -> io::Result<()> {
        if self.unsaid.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        for change in &self.unsaid {
            lines.extend(Line::Happened(*change).to_bytes()?);
        }
        self.log.append(&lines, false)?;
        self.unsaid.clear();
        Ok(())
    }

    /// Writes the log anew: what is kept, and what is under way.
    fn rewrite(&mut self) -> io::Result<()> {
        let mut lines = lines_of(self.kept.values())?;
        for (_, line) in self.changing.values() {
            lines.extend_from_slice(line);
        }
        self.log.rewrite(&lines)?;
        // What has happened is kept as such.
        self.unsaid.clear();
        self.unsettled.clear();
        Ok(())
    }

    /// Leaves these users their newest answers.
    fn trim<'a>(&mut self, users: impl Iterator<Item = &'a UserId>) {
        for user in users {
            let mine = self.kept.iter().filter(|((owner, _), _)| owner == user);
            let mut mine: Vec<(Timestamp, AnswerKey)> = mine.map(|((_, key), answer)| (answer.at, *key)).collect();
            let surplus = mine.len().saturating_sub(KeptAnswer::MOST);
            mine.sort_unstable();
            for (_, key) in mine.into_iter().take(surplus) {
                self.kept.remove(&(user.clone(), key));
            }
        }
    }
}

fn lines_of<'a>(answers: impl IntoIterator<Item = &'a KeptAnswer>) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for answer in answers {
        lines.extend(Line::Kept(AnswerV1::from(answer)).to_bytes()?);
    }
    Ok(lines)
}
