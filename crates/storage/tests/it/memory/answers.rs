//! Kept answers in memory.

use quire_domain::{Timestamp, UserId};
use quire_storage::{IdempotencyKey, IdempotencyRecord, StoreError};

use super::{Kept, MemoryStore};
use crate::faults::Fault;

impl MemoryStore {
    fn answer_key(&self, user: &UserId, key: &IdempotencyKey) -> (UserId, IdempotencyKey) {
        let user = if self.is(Fault::SharesAnswers) { UserId::new("any").unwrap() } else { user.clone() };
        (user, *key)
    }

    /// Refuses what comes with the key of a kept answer.
    pub(super) fn check_answers(&self, kept: &Kept, answers: &[IdempotencyRecord]) -> Result<(), StoreError> {
        let is_kept =
            |answer: &IdempotencyRecord| kept.answers.contains_key(&self.answer_key(&answer.user, &answer.key));
        if answers.iter().any(is_kept) && !self.is(Fault::AppliesTwins) {
            return Err(StoreError::AlreadyRecorded);
        }
        Ok(())
    }

    pub(super) fn put_answers(&self, kept: &mut Kept, answers: &[IdempotencyRecord]) {
        for answer in answers {
            let key = self.answer_key(&answer.user, &answer.key);
            kept.answers.insert(key, answer.clone());
        }
    }

    pub(super) fn find_answer(
        &self,
        kept: &mut Kept,
        user: &UserId,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Option<IdempotencyRecord> {
        let key = self.answer_key(user, key);
        if kept.answers.get(&key)?.has_expired(now) && !self.is(Fault::KeepsAnswersForEver) {
            kept.answers.remove(&key);
        }
        kept.answers.get(&key).cloned()
    }

    pub(super) fn trim_answers(&self, kept: &mut Kept, users: &[UserId], now: Timestamp) {
        kept.answers.retain(|_, answer| !answer.has_expired(now));
        for user in users {
            let mut mine: Vec<_> = kept.answers.values().filter(|answer| answer.user == *user).cloned().collect();
            mine.sort_by_key(|answer| answer.at);
            if !self.is(Fault::ForgetsTheNewestAnswers) {
                mine.reverse();
            }
            for answer in mine.iter().skip(IdempotencyRecord::MAX) {
                kept.answers.remove(&self.answer_key(&answer.user, &answer.key));
            }
        }
    }
}
