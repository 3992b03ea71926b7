//! What is known of answers: in memory, and as far as the log says it.

use std::collections::HashMap;
use std::io;

use quire_domain::{NotebookId, Timestamp, UserId};
use quire_storage::{IdempotencyKey, IdempotencyRecord};

use super::log::Log;
use super::record::{FileState, Line, lines_of};

#[derive(Debug)]
pub(super) struct State {
    pub(super) log: Log,
    kept: HashMap<UserId, HashMap<IdempotencyKey, IdempotencyRecord>>,
    /// Changes of which the log does not say that they have happened, from before the directory was opened.
    pub(super) left_open: Vec<(u64, NotebookId, FileState, Vec<IdempotencyRecord>)>,
    /// Changes under way, and those that are unsure, by number.
    pub(super) changing: HashMap<u64, PendingChange>,
    pub(super) last_change: u64,
    /// Changes of which the log does not say yet that they have happened, or that they have not.
    pub(super) unsaid: Vec<(Line, NotebookId)>,
    /// Notebooks of which it is not durable what became of the last change with an answer, and with which part of the log
    /// it will be.
    pub(super) unsettled: HashMap<NotebookId, u64>,
}

/// A change under way, or answers that are being kept without one.
#[derive(Debug)]
pub(super) struct PendingChange {
    pub(super) notebook: Option<NotebookId>,
    pub(super) answers: Vec<IdempotencyRecord>,
    /// Lines of the log about it.
    pub(super) lines: Vec<u8>,
    /// It shows, but may not last.
    pub(super) is_unsure: bool,
}

impl PendingChange {
    fn has(&self, user: &UserId, key: IdempotencyKey) -> bool {
        self.answers.iter().any(|answer| (&answer.user, answer.key) == (user, key))
    }
}

impl State {
    pub(super) fn of(log: Log) -> Self {
        Self {
            log,
            kept: HashMap::new(),
            left_open: Vec::new(),
            changing: HashMap::new(),
            last_change: 0,
            unsaid: Vec::new(),
            unsettled: HashMap::new(),
        }
    }

    pub(super) fn find(&self, user: &UserId, key: IdempotencyKey) -> Option<&IdempotencyRecord> {
        self.kept.get(user)?.get(&key)
    }

    pub(super) fn put(&mut self, answer: IdempotencyRecord) {
        self.kept.entry(answer.user.clone()).or_default().insert(answer.key, answer);
    }

    /// Puts an answer in unless a newer one is there; an older one has expired since.
    pub(super) fn put_unless_newer(&mut self, answer: IdempotencyRecord) {
        if self.find(&answer.user, answer.key).is_none_or(|there| there.at < answer.at) {
            self.put(answer);
        }
    }

    pub(super) fn remove(&mut self, user: &UserId, key: IdempotencyKey) {
        if let Some(mine) = self.kept.get_mut(user) {
            mine.remove(&key);
        }
    }

    /// Forgets what was kept until then; says whether there was any.
    pub(super) fn expire(&mut self, until: Timestamp) -> bool {
        let mut have_expired = false;
        self.kept.retain(|_, mine| {
            let before = mine.len();
            mine.retain(|_, answer| answer.at > until);
            have_expired |= mine.len() < before;
            !mine.is_empty()
        });
        have_expired
    }

    /// Leaves a user the newest answers.
    pub(super) fn trim(&mut self, user: &UserId) {
        if let Some(mine) = self.kept.get_mut(user) {
            trim(mine);
        }
    }

    /// Leaves everybody the newest answers.
    pub(super) fn trim_all(&mut self) {
        self.kept.values_mut().for_each(trim);
    }

    /// Tells whether something under way may come to be kept under the key of this answer.
    pub(super) fn is_open(&self, answer: &IdempotencyRecord) -> bool {
        self.changing.values().any(|open| !open.is_unsure && open.has(&answer.user, answer.key))
    }

    /// Tells whether the answer under this key is held back, because its change is unsure.
    pub(super) fn is_held(&self, user: &UserId, key: IdempotencyKey) -> bool {
        self.changing.values().any(|open| open.is_unsure && open.has(user, key))
    }

    /// Tells whether there is an answer under the key of this one. What is unsure is not told, and not done once more either.
    pub(super) fn has(&self, answer: &IdempotencyRecord) -> bool {
        self.find(&answer.user, answer.key).is_some() || self.is_held(&answer.user, answer.key)
    }

    /// Tells whether an answered change of this notebook is unsure.
    pub(super) fn is_unsure(&self, notebook: &NotebookId) -> bool {
        self.changing.values().any(|open| open.is_unsure && open.notebook.as_ref() == Some(notebook))
    }

    /// The answered changes that are unsure.
    pub(super) fn unsure(&self) -> Vec<u64> {
        self.changing.iter().filter(|(_, open)| open.is_unsure).map(|(number, _)| *number).collect()
    }

    /// Marks what was under way as unsure.
    pub(super) fn hold(&mut self, number: u64) {
        if let Some(open) = self.changing.get_mut(&number) {
            open.is_unsure = true;
        }
    }

    /// Ends what is still under way as not happened.
    pub(super) fn give_up(&mut self, number: u64) {
        if self.changing.get(&number).is_some_and(|open| !open.is_unsure)
            && let Some(PendingChange { notebook: Some(notebook), .. }) = self.changing.remove(&number)
        {
            self.unsaid.push((Line::Failed(number), notebook));
        }
    }

    /// Ends what was under way as happened.
    pub(super) fn end(&mut self, number: u64) {
        let Some(PendingChange { notebook, answers, .. }) = self.changing.remove(&number) else { return };
        for answer in answers {
            self.put(answer);
        }
        self.unsaid.extend(notebook.map(|notebook| (Line::Happened(number), notebook)));
    }

    /// Tells whether the log does not say durably what became of the last change of the notebook that had an answer.
    pub(super) fn is_unsettled(&self, notebook: &NotebookId) -> bool {
        self.unsettled.contains_key(notebook) || self.unsaid.iter().any(|(_, unsaid)| unsaid == notebook)
    }

    /// Appends lines to the log, without waiting for the disk, but when the log was removed or replaced from outside: then
    /// it is rewritten first. Returns the number of appends until now.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<u64> {
        if let Some(appended) = self.log.append(lines)? {
            return Ok(appended);
        }
        self.rewrite()?;
        self.log.append(lines)?.ok_or_else(|| io::Error::other("answers.log is being removed by another program"))
    }

    /// Appends which changes have happened and which have not, without waiting for the disk.
    pub(super) fn say(&mut self) -> io::Result<()> {
        if self.unsaid.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        for (line, _) in &self.unsaid {
            lines.extend(line.to_bytes()?);
        }
        let appended = self.append(&lines)?;
        self.unsettled.extend(self.unsaid.drain(..).map(|(_, notebook)| (notebook, appended)));
        Ok(())
    }

    /// Tries [`Self::say`]; where it fails, the files show it, and before they are changed again, it is said.
    pub(super) fn try_to_say(&mut self) {
        if let Err(error) = self.say() {
            tracing::warn!(%error, "cannot write what became of an answered change");
        }
    }

    /// Rewrites the log: what is kept, and what is under way.
    pub(super) fn rewrite(&mut self) -> io::Result<()> {
        let mut lines = lines_of(self.kept.values().flat_map(HashMap::values))?;
        for open in self.changing.values() {
            lines.extend_from_slice(&open.lines);
        }
        self.log.rewrite(&lines)?;
        // What has happened is kept as such, and of what has not there is no word any more.
        self.unsaid.clear();
        self.unsettled.clear();
        Ok(())
    }
}

fn trim(mine: &mut HashMap<IdempotencyKey, IdempotencyRecord>) {
    let surplus = mine.len().saturating_sub(IdempotencyRecord::MAX);
    if surplus == 0 {
        return;
    }
    let mut by_age: Vec<(Timestamp, IdempotencyKey)> = mine.values().map(|answer| (answer.at, answer.key)).collect();
    by_age.sort_unstable();
    for (_, key) in by_age.into_iter().take(surplus) {
        mine.remove(&key);
    }
}
