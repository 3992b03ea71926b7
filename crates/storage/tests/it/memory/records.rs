//! Idempotency records in memory.

use quire_domain::{Timestamp, UserId};
use quire_storage::{IdempotencyKey, IdempotencyRecord, RecordLookup, StoreError};

use super::{Contents, MemoryStore};
use crate::faults::Fault;

impl MemoryStore {
    fn record_key(&self, user: &UserId, key: &IdempotencyKey) -> (UserId, IdempotencyKey) {
        let user = if self.is(Fault::SharesRecords) { UserId::new("any").unwrap() } else { user.clone() };
        (user, *key)
    }

    /// Refuses what comes with the key of a stored record.
    pub(super) fn check_records(&self, contents: &Contents, records: &[IdempotencyRecord]) -> Result<(), StoreError> {
        let is_stored =
            |record: &IdempotencyRecord| contents.records.contains_key(&self.record_key(&record.user, &record.key));
        if records.iter().any(is_stored) && !self.is(Fault::AppliesRepetitions) {
            return Err(StoreError::AlreadyRecorded);
        }
        Ok(())
    }

    pub(super) fn insert_records(&self, contents: &mut Contents, records: &[IdempotencyRecord]) {
        for record in records {
            let key = self.record_key(&record.user, &record.key);
            contents.records.insert(key, record.clone());
        }
    }

    pub(super) fn find_record(&self, contents: &mut Contents, lookup: RecordLookup<'_>) -> Option<IdempotencyRecord> {
        let key = self.record_key(lookup.user, &lookup.key);
        if contents.records.get(&key)?.has_expired(lookup.now) && !self.is(Fault::KeepsRecordsForEver) {
            contents.records.remove(&key);
        }
        contents.records.get(&key).cloned()
    }

    pub(super) fn delete_old(&self, contents: &mut Contents, users: &[UserId], now: Timestamp) {
        contents.records.retain(|_, record| !record.has_expired(now));
        for user in users {
            let mut mine: Vec<_> = contents.records.values().filter(|record| record.user == *user).cloned().collect();
            mine.sort_by_key(|record| record.at);
            if !self.is(Fault::DeletesTheNewestRecords) {
                mine.reverse();
            }
            for record in mine.iter().skip(IdempotencyRecord::MAX) {
                contents.records.remove(&self.record_key(&record.user, &record.key));
            }
        }
    }
}
