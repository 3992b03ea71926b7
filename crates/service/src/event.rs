//! What readers and watchers get from a notebook's writer.

use std::fmt;
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
    events: broadcast::Receiver<Arc<Event>>,
    published: watch::Receiver<Arc<Published>>,
}

impl Watch {
    pub(crate) fn new(events: broadcast::Receiver<Arc<Event>>, published: watch::Receiver<Arc<Published>>) -> Self {
        // `events` was subscribed before, so that nothing falls between the two.
        let start = Arc::clone(&published.borrow());
        Self { start, events, published }
    }

    /// The next event; `None` when the notebook is gone or the service has closed. A watcher that was too slow gets one
    /// [`EventKind::Resync`] in place of what it missed, and [`Self::start`] is the state that the next event follows.
    ///
    /// Cancel safe: a dropped future loses no event.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        loop {
            match self.events.recv().await {
                // An event that the start already shows was sent between subscribing and reading.
                Ok(event) if event.seq.number <= self.start.seq.number => {}
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(_)) => {
                    // What is still queued is older than the state that the watcher is about to read.
                    self.events = self.events.resubscribe();
                    self.start = Arc::clone(&self.published.borrow());
                    return Some(Arc::new(Event { seq: self.start.seq, kind: EventKind::Resync }));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
