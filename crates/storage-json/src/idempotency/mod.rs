//! Idempotency records: in memory, and in a log on disk, `.quire/answers.log`.
//!
//! A change of a notebook with records is prepared in the log before the file is replaced: a line with the records and the
//! state that the file will have (its digest, or that it is gone) is appended and synced. After the change, a line with its
//! outcome is appended. That line is not synced: it survives the death of the process, and becomes durable with the next sync
//! of the log. When the directory is opened, a prepared change without an outcome is decided by the notebook's file. So a
//! record exists after a crash if and only if its change does.
//!
//! The file shows a change only until the notebook's next change. Before that one, the outcome of the change before is
//! synced, whether or not the next one has records. So an edit without a key waits for a sync of the log only if it follows
//! an edit with a key to the same notebook.
//!
//! While the file system does not confirm that a change is durable, its records are withheld: no lookup returns them, and no
//! other change gets their keys.

mod log;
mod record;
mod recovery;
mod state;

use std::io;

use parking_lot::{Condvar, Mutex};
use quire_domain::{NotebookId, Timestamp, UserId};
use quire_storage::{IdempotencyKey, IdempotencyRecord};

pub(crate) use record::FileState;

use self::record::{Line, RecordV1, lines_of};
use self::state::{InFlightChange, State};
use crate::disk::{Folder, KnownFile};
use crate::error::Error;

/// The idempotency records of a directory.
#[derive(Debug)]
pub(crate) struct IdempotencyRecords {
    /// Not held during a sync, only during a rewrite of the log. A panic leaves it consistent, because it is changed only after
    /// the log, in single steps.
    state: Mutex<State>,
    /// Notified when a change ends.
    ended: Condvar,
}

/// A prepared change that has records. When it is dropped without an outcome, the change is aborted.
#[derive(Debug)]
pub(crate) struct PreparedChange<'a> {
    records: &'a IdempotencyRecords,
    number: u64,
}

impl IdempotencyRecords {
    /// The log's file, by which its removal by another program is noticed. `None` also while another call has the state: that
    /// call may be rewriting the log, for as long as the disk takes, and every append notices a loss by itself.
    pub(crate) fn known_log(&self) -> Option<KnownFile> {
        self.state.try_lock().and_then(|state| state.log.known())
    }

    /// Rewrites the log from memory if another program removed it.
    pub(crate) fn restore(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.log.is_lost() { state.rewrite() } else { Ok(()) }
    }

    /// Prepares a change of a notebook: makes its records durable, with the state of the file by which recovery decides
    /// whether the change was made. Returns `None` for a change without records.
    pub(crate) fn prepare(
        &self,
        notebooks: &Folder,
        notebook: &NotebookId,
        after: impl FnOnce() -> FileState,
        records: &[IdempotencyRecord],
    ) -> Result<Option<PreparedChange<'_>>, Error> {
        if self.state.lock().has_unconfirmed(notebook) {
            self.confirm(notebooks)?;
        }
        if records.is_empty() {
            self.sync_outcome(notebook)?;
            return Ok(None);
        }
        let after = after();
        let (change, appended) = self.append(Some(notebook), records, |change| {
            let records = records.iter().map(RecordV1::from).collect();
            Line::Prepared { change, notebook: notebook.clone(), after, records }.to_bytes()
        })?;
        self.sync(appended)?;
        Ok(Some(change))
    }

    /// Refuses records whose keys are used.
    pub(crate) fn check_unused(&self, records: &[IdempotencyRecord]) -> Result<(), Error> {
        let state = self.state.lock();
        if records.iter().any(|record| state.is_used(record)) { Err(Error::AlreadyRecorded) } else { Ok(()) }
    }

    /// Stores the records of requests that changed no file.
    pub(crate) fn put(&self, records: &[IdempotencyRecord]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let (change, appended) = self.append(None, records, |_| lines_of(records))?;
        self.sync(appended)?;
        self.state.lock().commit(change.number);
        Ok(())
    }

    /// Appends lines about these records, after all changes in flight with the same keys have ended; fails if a key is used
    /// then.
    fn append(
        &self,
        notebook: Option<&NotebookId>,
        records: &[IdempotencyRecord],
        lines: impl FnOnce(u64) -> serde_json::Result<Vec<u8>>,
    ) -> Result<(PreparedChange<'_>, u64), Error> {
        let is_in_flight = |state: &mut State| records.iter().any(|record| state.is_in_flight(record));
        let mut state = self.state.lock();
        self.ended.wait_while(&mut state, is_in_flight);
        if records.iter().any(|record| state.is_used(record)) {
            return Err(Error::AlreadyRecorded);
        }
        let number = state.last_change + 1;
        let lines = lines(number).map_err(io::Error::from)?;
        state.log_outcomes()?;
        let appended = state.append(&lines)?;
        state.last_change = number;
        state.in_flight.insert(
            number,
            InFlightChange { notebook: notebook.cloned(), records: records.to_vec(), lines, is_unconfirmed: false },
        );
        Ok((PreparedChange { records: self, number }, appended))
    }

    /// Makes the outcome of the notebook's last change with records durable.
    fn sync_outcome(&self, notebook: &NotebookId) -> io::Result<()> {
        let mut state = self.state.lock();
        if !state.has_unsynced_outcome(notebook) {
            return Ok(());
        }
        state.log_outcomes()?;
        let appended = state.log.appended();
        drop(state);
        self.sync(appended)
    }

    /// Makes the first `appended` appends durable.
    fn sync(&self, appended: u64) -> io::Result<()> {
        let sync = {
            let mut state = self.state.lock();
            match state.log.sync()? {
                Some(sync) => sync,
                // Removed from outside since; the rewritten log holds all that was appended, durably.
                None => return state.rewrite(),
            }
        };
        sync.run()?;
        let mut state = self.state.lock();
        state.log.synced(&sync);
        state.unsynced_outcomes.retain(|_, at| *at > appended);
        Ok(())
    }

    /// Syncs the directory of notebooks, and commits the changes that had been unconfirmed for want of that.
    pub(crate) fn confirm(&self, notebooks: &Folder) -> io::Result<()> {
        let unconfirmed = self.state.lock().unconfirmed();
        if unconfirmed.is_empty() {
            return Ok(());
        }
        notebooks.sync()?;
        let mut state = self.state.lock();
        for number in unconfirmed {
            state.commit(number);
        }
        state.try_log_outcomes();
        Ok(())
    }

    /// Returns the record of a user's key, unless it has expired; [`Error::DurabilityUnknown`] while its change is unconfirmed.
    pub(crate) fn find(
        &self,
        notebooks: &Folder,
        user: &UserId,
        key: IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, Error> {
        if self.state.lock().is_withheld(user, key) {
            self.confirm(notebooks).map_err(Error::DurabilityUnknown)?;
        }
        let mut state = self.state.lock();
        if state.find(user, key).is_some_and(|record| record.has_expired(now)) {
            state.remove(user, key);
        }
        Ok(state.find(user, key).cloned())
    }

    /// Deletes expired records, and all but the newest of these users.
    pub(crate) fn delete_old(&self, users: &[UserId], now: Timestamp) -> io::Result<()> {
        let mut state = self.state.lock();
        let oldest = IdempotencyRecord::oldest(now);
        let have_expired = state.expire(oldest);
        // Not logged: the same records are surplus when the log is read again.
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

    /// Holds the state, as a rewrite of the log does.
    #[cfg(test)]
    pub(crate) fn lock_state(&self) -> impl Sized {
        self.state.lock()
    }
}

impl PreparedChange<'_> {
    /// Commits the change, which is in place and durable.
    pub(crate) fn commit(self) {
        let mut state = self.records.state.lock();
        state.commit(self.number);
        state.try_log_outcomes();
    }

    /// Marks the change as in place, but not known to be durable.
    pub(crate) fn durability_unknown(self) {
        self.records.state.lock().mark_unconfirmed(self.number);
    }
}

impl Drop for PreparedChange<'_> {
    fn drop(&mut self) {
        let mut state = self.records.state.lock();
        state.abort(self.number);
        state.try_log_outcomes();
        drop(state);
        self.records.ended.notify_all();
    }
}

#[cfg(test)]
mod tests;
