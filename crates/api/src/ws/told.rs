//! What watchers are told of an event, written once for all of them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytestring::ByteString;
use quire_service::Event;

use super::messages::write;

/// The messages of one event, in order.
pub(crate) type Messages = Arc<[ByteString]>;

/// Events kept: watchers are told at about the same time.
const MOST_EVENTS: usize = 32;
/// What is larger is written for each watcher.
const LARGEST_BYTES: usize = 128 * 1024;

/// The messages of the last events of all notebooks. They hold code: no `Debug` of what is in here.
#[derive(Default)]
pub(crate) struct Told {
    /// By the event's number, which no other event of this server has.
    last: Mutex<VecDeque<(u64, Messages)>>,
}

impl Told {
    /// The messages of this event.
    pub(crate) fn of(&self, event: &Event) -> Result<Messages, serde_json::Error> {
        let number = event.seq.number;
        if let Some((_, messages)) = self.lock().iter().rev().find(|(of, _)| *of == number) {
            return Ok(Arc::clone(messages));
        }
        let messages: Messages = write(event)?.into();
        if messages.iter().map(|message| message.len()).sum::<usize>() <= LARGEST_BYTES {
            let mut last = self.lock();
            last.push_back((number, Arc::clone(&messages)));
            if last.len() > MOST_EVENTS {
                last.pop_front();
            }
        }
        Ok(messages)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(u64, Messages)>> {
        // Nothing in here can panic half-way.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Told").field("events", &self.lock().len()).finish()
    }
}
