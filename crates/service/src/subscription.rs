//! Following what happens to a notebook.

use std::sync::Arc;

use tokio::sync::watch;

use crate::event::{Event, EventKind, Seq};
use crate::event_buffer::{EventBuffer, NextEvent};
use crate::published::Published;

/// A watcher's view of one notebook: its state when the watching began, then every event after it, in order.
#[derive(Debug)]
pub struct Subscription {
    /// The notebook when watching began, until it is taken or the first event is asked for.
    start: Option<Arc<Published>>,
    /// The number of the last event that the watcher has had; absent when it cannot be told what it has missed.
    seen: Option<u64>,
    buffer: Arc<EventBuffer>,
    /// Changes when there are more events, and closes when there will be none.
    news: watch::Receiver<()>,
    published: watch::Receiver<Arc<Published>>,
}

impl Subscription {
    /// A watcher that has had the events up to `last`, or to now; called by the writer task, so that no event comes in between.
    pub(crate) fn new(
        buffer: Arc<EventBuffer>,
        news: watch::Receiver<()>,
        published: watch::Receiver<Arc<Published>>,
        last: Option<Seq>,
    ) -> Self {
        let start = Arc::clone(&published.borrow());
        let seen = match last {
            None => Some(buffer.last()),
            Some(last) if last.epoch == start.seq.epoch && last.number <= buffer.last() => Some(last.number),
            Some(_elsewhere) => None,
        };
        Self { start: Some(start), seen, buffer, news, published }
    }

    /// Takes the state that the first event follows, unless the subscription goes on after an earlier one. A subscription does not keep it
    /// when events are asked for, so that it does not hold what has long been replaced; `None` then.
    pub fn take_start(&mut self) -> Option<Arc<Published>> {
        self.start.take()
    }

    /// Waits until there will be no more events: [`Self::next`] then gives those that are left without waiting.
    ///
    /// Cancel safe: a dropped future loses no event.
    pub async fn ended(&mut self) {
        while self.news.changed().await.is_ok() {}
    }

    /// The next event; `None` when the notebook is gone, left memory for want of room, or the service has closed. A watcher
    /// that was too slow gets one [`EventKind::Resync`] in place of what it missed, which has the state that the next event
    /// follows.
    ///
    /// Cancel safe: a dropped future loses no event.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        self.start = None;
        let mut is_over = false;
        loop {
            match self.seen.map_or(NextEvent::Lost, |seen| self.buffer.after(seen)) {
                NextEvent::Event(event) => {
                    self.seen = Some(event.seq.number);
                    return Some(event);
                }
                NextEvent::Lost => {
                    let now = Arc::clone(&self.published.borrow());
                    self.seen = Some(now.seq.number);
                    return Some(resync(&now));
                }
                NextEvent::Nothing if is_over => return None,
                // What was kept before the end is looked for once more after it.
                NextEvent::Nothing => is_over = self.news.changed().await.is_err(),
            }
        }
    }
}

/// The event in place of those that led to this state.
fn resync(state: &Published) -> Arc<Event> {
    Arc::new(Event { seq: state.seq, kind: EventKind::Resync, notebook: state.notebook.clone() })
}
