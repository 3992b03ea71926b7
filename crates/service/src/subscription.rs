//! Subscriptions to the events of a notebook.

use std::sync::Arc;

use tokio::sync::watch;

use crate::event::{Event, EventKind, Seq};
use crate::event_buffer::{EventBuffer, NextEvent};
use crate::published::Published;

/// A watcher's subscription to one notebook: the state at its beginning, then every later event in order.
#[derive(Debug)]
pub struct Subscription {
    /// The state at the beginning, until it is taken or the first event is read.
    start: Option<Arc<Published>>,
    /// The number of the last event that the watcher has seen; absent if the missed events are unknown.
    seen: Option<u64>,
    /// The number of the last event of which the watcher may not know, or the last that it was told as a whole. Runs that began earlier are told
    /// whole when they end.
    missed: u64,
    buffer: Arc<EventBuffer>,
    /// The signal of further events, which closes after the last one.
    news: watch::Receiver<()>,
    published: watch::Receiver<Arc<Published>>,
}

impl Subscription {
    /// Creates a subscription to the events after `last`, or from now on. Called by the writer task, so that no event comes in
    /// between.
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
        // What a watcher knows of a run that has begun before is uncertain: it may have read an earlier state, or missed a part.
        let missed = seen.unwrap_or_else(|| buffer.last());
        Self { start: Some(start), seen, missed, buffer, news, published }
    }

    /// Takes the state before the first event. Returns `None` after the first call of [`Self::next`], which drops the state, so
    /// that the subscription does not hold a replaced one.
    pub fn take_start(&mut self) -> Option<Arc<Published>> {
        self.start.take()
    }

    /// Takes note that the watcher was not told the last event, an update of a run: it is told the results whole.
    pub fn skip_update(&mut self) {
        self.missed = self.missed.max(self.seen.unwrap_or_default());
    }

    /// Waits until the notebook publishes no more events. [`Self::next`] then returns the remaining ones without waiting.
    ///
    /// Cancel safe: a dropped future loses no event.
    pub async fn ended(&mut self) {
        while self.news.changed().await.is_ok() {}
    }

    /// Returns the next event; `None` if the notebook was deleted or evicted, or the service has closed. A watcher that was too
    /// slow gets one [`EventKind::Resync`] in place of the missed events, with the state before the next event.
    ///
    /// Cancel safe: a dropped future loses no event.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        self.start = None;
        let mut is_over = false;
        loop {
            match self.seen.map_or(NextEvent::Lost, |seen| self.buffer.after(seen)) {
                NextEvent::Event(event) => {
                    let evicted = self.buffer.updates_from();
                    if self.seen.is_some_and(|seen| seen < evicted) {
                        self.missed = self.missed.max(evicted);
                    }
                    self.seen = Some(event.seq.number);
                    return Some(as_known(event, self.missed));
                }
                NextEvent::Lost => {
                    let now = Arc::clone(&self.published.borrow());
                    self.seen = Some(now.seq.number);
                    self.missed = now.seq.number;
                    return Some(resync(&now));
                }
                NextEvent::Nothing if is_over => return None,
                // The buffer is read once more after the end, because events may have been added before it.
                NextEvent::Nothing => is_over = self.news.changed().await.is_err(),
            }
        }
    }
}

/// Returns the event for a watcher that has missed updates up to the event with this number.
fn as_known(event: Arc<Event>, missed: u64) -> Arc<Event> {
    if event.told.iter().all(|told| told.since > missed) {
        return event;
    }
    let told = event.told.iter().filter(|told| told.since > missed).cloned().collect();
    Arc::new(Event { told, ..(*event).clone() })
}

/// Returns the event in place of the missed events before this state.
fn resync(state: &Published) -> Arc<Event> {
    Event::new(state.seq, EventKind::Resync, state.notebook.clone())
}
