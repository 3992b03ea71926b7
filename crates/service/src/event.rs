//! What readers and watchers get from a notebook's writer.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use quire_domain::{Change, Notebook, ShownConnection};
use quire_storage::Version;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use uuid::Uuid;

/// An event's number: `<instance epoch>-<n>`, opaque to clients. Numbers of one instance grow, with gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seq {
    /// New at every start of a service.
    pub epoch: Uuid,
    /// Grows by at least one from event to event.
    pub number: u64,
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch.simple(), self.number)
    }
}

/// A text that is no event's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the number of an event")]
pub struct InvalidSeq;

impl FromStr for Seq {
    type Err = InvalidSeq;

    fn from_str(text: &str) -> Result<Self, InvalidSeq> {
        let (epoch, number) = text.split_once('-').ok_or(InvalidSeq)?;
        let seq = Self {
            epoch: Uuid::try_parse(epoch).map_err(|_unlike| InvalidSeq)?,
            number: number.parse().map_err(|_unlike| InvalidSeq)?,
        };
        // One spelling each: what other text means the same was not made here.
        if seq.to_string() == text { Ok(seq) } else { Err(InvalidSeq) }
    }
}

/// A notebook as readers see it: durable, whole, never half an edit.
#[derive(Clone, Debug)]
pub struct Published {
    /// The notebook.
    pub notebook: Notebook,
    /// What its owner is shown of its connection string. What is in `notebook` is for the store alone.
    pub connection: Option<ShownConnection>,
    /// The store's version of this content.
    pub version: Version,
    /// The last event that led here.
    pub seq: Seq,
}

/// Something that happened to a notebook.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its number.
    pub seq: Seq,
    /// What happened.
    pub kind: EventKind,
    /// The notebook right after it; what is not in the change can be looked up here.
    pub notebook: Notebook,
}

/// What happened to a notebook.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// It changed; the change is durable.
    Changed(Arc<Change>),
    /// It was deleted; nothing follows.
    Deleted,
    /// Events were lost on the way to this watcher: it must read the notebook again.
    Resync,
}

/// A watcher's view of one notebook: its state when the watching began, then every event after it, in order.
#[derive(Debug)]
pub struct Watch {
    /// The notebook when watching began, or after the last [`EventKind::Resync`].
    pub start: Arc<Published>,
    /// What a watcher that has been here before is told first: the events between the last one that it saw and `start`, or
    /// one [`EventKind::Resync`].
    missed: VecDeque<Arc<Event>>,
    events: broadcast::Receiver<Arc<Event>>,
    published: watch::Receiver<Arc<Published>>,
}

impl Watch {
    pub(crate) fn new(events: broadcast::Receiver<Arc<Event>>, published: watch::Receiver<Arc<Published>>) -> Self {
        // `events` was subscribed before, so that nothing falls between the two.
        let start = Arc::clone(&published.borrow());
        Self { start, missed: VecDeque::new(), events, published }
    }

    /// The same for a watcher that comes back: `missed` are the events since it was last here, `None` when they are not
    /// known.
    pub(crate) fn resumed(mut self, missed: Option<VecDeque<Arc<Event>>>) -> Self {
        self.missed = missed.unwrap_or_else(|| VecDeque::from([resync(&self.start)]));
        self
    }

    /// The next event; `None` when the notebook is gone or the service has closed. A watcher that was too slow gets one
    /// [`EventKind::Resync`] in place of what it missed, and [`Self::start`] is the state that the next event follows.
    ///
    /// Cancel safe: a dropped future loses no event.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        if let Some(event) = self.missed.pop_front() {
            return Some(event);
        }
        loop {
            match self.events.recv().await {
                // An event that the start already shows was sent between subscribing and reading.
                Ok(event) if event.seq.number <= self.start.seq.number => {}
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(_)) => {
                    // What is still queued is older than the state that the watcher is about to read.
                    self.events = self.events.resubscribe();
                    self.start = Arc::clone(&self.published.borrow());
                    return Some(resync(&self.start));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

/// What a watcher is told in place of the events that led to this state.
fn resync(state: &Published) -> Arc<Event> {
    Arc::new(Event { seq: state.seq, kind: EventKind::Resync, notebook: state.notebook.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        let seq = Seq { epoch: Uuid::from_u128(7), number: 42 };
        assert_eq!(seq.to_string().parse(), Ok(seq));
        let epoch = seq.epoch.simple();
        let upper = Uuid::from_u128(0xab).simple().to_string().to_uppercase();
        let hyphens = seq.epoch.hyphenated();
        for bad in [
            String::new(),
            "-1".to_owned(),
            format!("{epoch}-"),
            format!("{epoch}-+1"),
            format!("{epoch}-01"),
            format!("{epoch}-1 "),
            format!("{epoch}-18446744073709551616"),
            format!("{hyphens}-1"),
            format!("{upper}-1"),
        ] {
            assert_eq!(bad.parse::<Seq>(), Err(InvalidSeq), "{bad}");
        }
    }
}
