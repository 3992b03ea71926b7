//! Recovery of the records from the log when a directory is opened.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use quire_domain::NotebookId;
use quire_storage::IdempotencyRecord;

use super::IdempotencyRecords;
use super::log::Log;
use super::record::{FileState, Line};
use super::state::State;
use crate::disk::Folder;

impl IdempotencyRecords {
    /// Reads the log in `.quire`. [`Self::recover`] must follow, once the notebooks' files are known.
    pub(crate) fn open(ours: Arc<Folder>) -> io::Result<Self> {
        let (log, lines) = Log::open(ours)?;
        let outcome = |line: &Line| match line {
            Line::Committed(change) => Some((*change, true)),
            Line::Aborted(change) => Some((*change, false)),
            _ => None,
        };
        let outcomes: HashMap<u64, bool> = lines.iter().filter_map(outcome).collect();
        let mut state = State::new(log);
        for line in lines {
            match line {
                Line::Record(record) => state.put(record.into()),
                Line::Prepared { change, notebook, after, records } => {
                    state.last_change = state.last_change.max(change);
                    let records = records.into_iter().map(IdempotencyRecord::from);
                    match outcomes.get(&change) {
                        Some(true) => records.for_each(|record| state.put(record)),
                        Some(false) => {}
                        None => state.undecided.push((change, notebook, after, records.collect())),
                    }
                }
                Line::Committed(change) | Line::Aborted(change) => state.last_change = state.last_change.max(change),
                Line::Expired(until) => drop(state.expire(until)),
            }
        }
        Ok(Self { state: Mutex::new(state), ended: Condvar::new() })
    }

    /// Decides the prepared changes that the log has no outcome of, after a crash or a failure. `is_in_state` returns whether a
    /// notebook's file is in the state that the change would have left.
    ///
    /// # Errors
    /// When the names of the notebooks' files cannot be synced.
    pub(crate) fn recover(
        &self,
        notebooks: &Folder,
        is_in_state: impl Fn(&NotebookId, FileState) -> bool,
    ) -> io::Result<()> {
        let mut state = self.state.lock();
        if !state.undecided.is_empty() {
            // After the death of the process alone, a change that the files show may not have been synced.
            notebooks.sync()?;
        }
        for (change, notebook, after, records) in std::mem::take(&mut state.undecided) {
            if !is_in_state(&notebook, after) {
                // Logged, so that an edit from outside that leaves the same state later does not commit it.
                state.unlogged_outcomes.push((Line::Aborted(change), notebook));
                continue;
            }
            for record in records {
                state.put_unless_newer(record);
            }
            state.unlogged_outcomes.push((Line::Committed(change), notebook));
        }
        state.try_log_outcomes();
        state.trim_all();
        if state.log.is_wasteful()
            && let Err(error) = state.rewrite()
        {
            tracing::warn!(%error, "cannot rewrite the log of idempotency records");
        }
        Ok(())
    }
}
