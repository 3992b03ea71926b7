//! The records in memory, and the part of them that the log does not have yet.

use std::collections::HashMap;
use std::io;

use quire_domain::{NotebookId, Timestamp, UserId};
use quire_storage::{IdempotencyKey, IdempotencyRecord};

use super::log::Log;
use super::record::{FileState, Line, lines_of};

#[derive(Debug)]
pub(super) struct State {
    pub(super) log: Log,
    records: HashMap<UserId, HashMap<IdempotencyKey, IdempotencyRecord>>,
    /// Prepared changes from before the directory was opened of which the log has no outcome.
    pub(super) undecided: Vec<(u64, NotebookId, FileState, Vec<IdempotencyRecord>)>,
    /// Changes in flight, and unconfirmed ones, by number.
    pub(super) in_flight: HashMap<u64, InFlightChange>,
    pub(super) last_change: u64,
    /// Outcomes that have not been appended to the log yet.
    pub(super) unlogged_outcomes: Vec<(Line, NotebookId)>,
    /// Notebooks whose last outcome is in the log but not synced, with the number of the append that has it.
    pub(super) unsynced_outcomes: HashMap<NotebookId, u64>,
}

/// A change in flight, or records that are being stored without one.
#[derive(Debug)]
pub(super) struct InFlightChange {
    pub(super) notebook: Option<NotebookId>,
    pub(super) records: Vec<IdempotencyRecord>,
    /// Lines of the log about it.
    pub(super) lines: Vec<u8>,
    /// Set when the change is in place, but not known to be durable.
    pub(super) is_unconfirmed: bool,
}

impl InFlightChange {
    fn has(&self, user: &UserId, key: IdempotencyKey) -> bool {
        self.records.iter().any(|record| (&record.user, record.key) == (user, key))
    }
}

impl State {
    pub(super) fn new(log: Log) -> Self {
        Self {
            log,
            records: HashMap::new(),
            undecided: Vec::new(),
            in_flight: HashMap::new(),
            last_change: 0,
            unlogged_outcomes: Vec::new(),
            unsynced_outcomes: HashMap::new(),
        }
    }

    pub(super) fn find(&self, user: &UserId, key: IdempotencyKey) -> Option<&IdempotencyRecord> {
        self.records.get(user)?.get(&key)
    }

    pub(super) fn put(&mut self, record: IdempotencyRecord) {
        self.records.entry(record.user.clone()).or_default().insert(record.key, record);
    }

    /// Puts a record in unless a newer one has its key; an older one has expired since.
    pub(super) fn put_unless_newer(&mut self, record: IdempotencyRecord) {
        if self.find(&record.user, record.key).is_none_or(|there| there.at < record.at) {
            self.put(record);
        }
    }

    pub(super) fn remove(&mut self, user: &UserId, key: IdempotencyKey) {
        if let Some(of_user) = self.records.get_mut(user) {
            of_user.remove(&key);
        }
    }

    /// Deletes the records of up to this time. Returns whether there were any.
    pub(super) fn expire(&mut self, until: Timestamp) -> bool {
        let mut have_expired = false;
        self.records.retain(|_, of_user| {
            let before = of_user.len();
            of_user.retain(|_, record| record.at > until);
            have_expired |= of_user.len() < before;
            !of_user.is_empty()
        });
        have_expired
    }

    /// Deletes all but the newest records of a user.
    pub(super) fn trim(&mut self, user: &UserId) {
        if let Some(of_user) = self.records.get_mut(user) {
            trim(of_user);
        }
    }

    /// Deletes all but the newest records of every user.
    pub(super) fn trim_all(&mut self) {
        self.records.values_mut().for_each(trim);
    }

    /// Returns whether a change in flight may come to use the key of this record.
    pub(super) fn is_in_flight(&self, record: &IdempotencyRecord) -> bool {
        self.in_flight.values().any(|change| !change.is_unconfirmed && change.has(&record.user, record.key))
    }

    /// Returns whether the record of this key is withheld, because its change is unconfirmed.
    pub(super) fn is_withheld(&self, user: &UserId, key: IdempotencyKey) -> bool {
        self.in_flight.values().any(|change| change.is_unconfirmed && change.has(user, key))
    }

    /// Returns whether the key of this record is used, be it by one that is withheld.
    pub(super) fn is_used(&self, record: &IdempotencyRecord) -> bool {
        self.find(&record.user, record.key).is_some() || self.is_withheld(&record.user, record.key)
    }

    /// Returns whether a change of this notebook is unconfirmed.
    pub(super) fn has_unconfirmed(&self, notebook: &NotebookId) -> bool {
        self.in_flight.values().any(|change| change.is_unconfirmed && change.notebook.as_ref() == Some(notebook))
    }

    /// Returns the numbers of the unconfirmed changes.
    pub(super) fn unconfirmed(&self) -> Vec<u64> {
        self.in_flight.iter().filter(|(_, change)| change.is_unconfirmed).map(|(number, _)| *number).collect()
    }

    pub(super) fn mark_unconfirmed(&mut self, number: u64) {
        if let Some(change) = self.in_flight.get_mut(&number) {
            change.is_unconfirmed = true;
        }
    }

    /// Aborts a change, unless it has been committed or is unconfirmed.
    pub(super) fn abort(&mut self, number: u64) {
        if self.in_flight.get(&number).is_some_and(|change| !change.is_unconfirmed)
            && let Some(InFlightChange { notebook: Some(notebook), .. }) = self.in_flight.remove(&number)
        {
            self.unlogged_outcomes.push((Line::Aborted(number), notebook));
        }
    }

    /// Commits a change: its records can be found from now on.
    pub(super) fn commit(&mut self, number: u64) {
        let Some(InFlightChange { notebook, records, .. }) = self.in_flight.remove(&number) else { return };
        for record in records {
            self.put(record);
        }
        self.unlogged_outcomes.extend(notebook.map(|notebook| (Line::Committed(number), notebook)));
    }

    /// Returns whether the outcome of the notebook's last change with records is not durable in the log.
    pub(super) fn has_unsynced_outcome(&self, notebook: &NotebookId) -> bool {
        self.unsynced_outcomes.contains_key(notebook) || self.unlogged_outcomes.iter().any(|(_, of)| of == notebook)
    }

    /// Appends lines to the log, without a sync; a log that was removed or replaced from outside is rewritten first. Returns
    /// the number of appends so far.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<u64> {
        if let Some(appended) = self.log.append(lines)? {
            return Ok(appended);
        }
        self.rewrite()?;
        self.log.append(lines)?.ok_or_else(|| io::Error::other("answers.log is being removed by another program"))
    }

    /// Appends the outcomes that are not in the log yet, without a sync.
    pub(super) fn log_outcomes(&mut self) -> io::Result<()> {
        if self.unlogged_outcomes.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        for (line, _) in &self.unlogged_outcomes {
            lines.extend(line.to_bytes()?);
        }
        let appended = self.append(&lines)?;
        self.unsynced_outcomes.extend(self.unlogged_outcomes.drain(..).map(|(_, notebook)| (notebook, appended)));
        Ok(())
    }

    /// Tries [`Self::log_outcomes`]. After a failure, the notebooks' files show the outcomes, and before those files are
    /// changed, the outcomes are logged.
    pub(super) fn try_log_outcomes(&mut self) {
        if let Err(error) = self.log_outcomes() {
            tracing::warn!(%error, "cannot log the outcome of a change with an idempotency record");
        }
    }

    /// Rewrites the log with the records and the changes in flight.
    pub(super) fn rewrite(&mut self) -> io::Result<()> {
        let mut lines = lines_of(self.records.values().flat_map(HashMap::values))?;
        for change in self.in_flight.values() {
            lines.extend_from_slice(&change.lines);
        }
        self.log.rewrite(&lines)?;
        // The records of committed changes are in it as such, and aborted changes no longer are.
        self.unlogged_outcomes.clear();
        self.unsynced_outcomes.clear();
        Ok(())
    }
}

fn trim(of_user: &mut HashMap<IdempotencyKey, IdempotencyRecord>) {
    let surplus = of_user.len().saturating_sub(IdempotencyRecord::MAX);
    if surplus == 0 {
        return;
    }
    let mut by_age: Vec<(Timestamp, IdempotencyKey)> = of_user.values().map(|record| (record.at, record.key)).collect();
    by_age.sort_unstable();
    for (_, key) in by_age.into_iter().take(surplus) {
        of_user.remove(&key);
    }
}
