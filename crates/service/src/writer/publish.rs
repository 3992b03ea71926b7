//! Publication of states and events to readers and watchers.

use std::sync::Arc;

use quire_domain::{Notebook, NotebookId, ShownConnection};

use super::step::{Publication, Snapshot};
use super::{ACTIVE_BYTES, Writer};
use crate::ServiceError;
use crate::event::{Event, EventKind, RunUpdate, Seq};
use crate::memory;
use crate::published::Published;
use crate::subscription::Subscription;

impl Writer {
    /// Creates a subscription. Runs in the writer task, so that it cannot come between a state and its events, nor between
    /// the decision to end without watchers and the end.
    pub(super) fn subscribe(&self, last: Option<Seq>) -> Option<Subscription> {
        if self.state.has_ended() || self.commands.is_closed() {
            return None;
        }
        Some(Subscription::new(Arc::clone(&self.events), self.news.subscribe(), self.published.subscribe(), last))
    }

    /// Sends an update of a run to watchers, after all earlier events.
    pub(super) fn tell(&mut self, update: Arc<RunUpdate>) -> Result<Seq, ServiceError> {
        self.state.check_present()?;
        if self.state.open.cell(&update.cell).is_none() {
            return Err(ServiceError::UnknownCell(update.cell.clone()));
        }
        let seq = self.shared.sources.next_seq();
        self.live.add(&update, seq.number);
        let published = Arc::clone(&self.published.borrow());
        let shown = self.live.shown(&published.stored);
        // No message of it needs the notebook with its results so far, which change with each update.
        let event = Event::new(seq, EventKind::Transient(update), published.stored.clone());
        self.published.send_replace(Arc::new(published.shown_as(shown, seq)));
        self.tell_events(vec![event]);
        self.account();
        Ok(seq)
    }

    /// Publishes a durable state and its events.
    pub(super) fn publish(&mut self, Publication { changes, snapshot, version }: Publication) {
        let are_results = changes.iter().all(|(change, _)| change.is_results());
        let mut events = Vec::with_capacity(changes.len());
        for (change, notebook) in changes {
            let seq = self.shared.sources.next_seq();
            let told = self.live.settle(&change);
            let notebook = self.live.shown_in(notebook, &change);
            events.push(Arc::new(Event { seq, kind: EventKind::Changed(change), notebook, told }));
        }
        let before = Arc::clone(&self.published.borrow());
        let seq = events.last().map_or(before.seq, |event| event.seq);
        let connection = self.shown_connection(&snapshot);
        self.bytes = snapshot.memory_bytes + ACTIVE_BYTES;
        let shown = self.live.shown(&snapshot.notebook);
        let mut published = Published::new(snapshot, connection, version, seq);
        if are_results {
            published = published.with_graph_of(&before);
        }
        // The state is published first, so that a watcher that reads after an event finds its change.
        self.published.send_replace(Arc::new(if shown.1 { published.shown_as(shown, seq) } else { published }));
        self.tell_events(events);
        self.account();
    }

    /// Tells watchers that the database has lost history, and the id of the notebook with the lost state.
    pub(super) fn tell_recovered(&self, copy: NotebookId) {
        tracing::error!(
            notebook = %self.id, copy = %copy,
            "the database has an earlier state of this notebook than it had acknowledged; the later one is kept as a copy"
        );
        let (seq, notebook) = (self.shared.sources.next_seq(), self.published.borrow().notebook.clone());
        self.tell_events(vec![Event::new(seq, EventKind::Recovered(copy), notebook)]);
    }

    fn tell_events(&self, events: Vec<Arc<Event>>) {
        self.events.push(events);
        self.news.send_replace(());
    }

    /// Accounts the memory of the notebook and its events.
    fn account(&self) {
        self.charge.set(self.bytes + self.events.bytes() + self.live.bytes());
        memory::evict_excess(&self.shared);
    }

    /// Returns the masked connection string, opened again only if it has changed.
    fn shown_connection(&self, snapshot: &Snapshot) -> Option<ShownConnection> {
        let published = self.published.borrow();
        if published.notebook.connection == snapshot.notebook.connection {
            return published.connection.clone();
        }
        self.shared.sealing.shown(&snapshot.notebook)
    }

    pub(super) fn end_deleted(&mut self, notebook: Notebook) {
        self.shared.runs.end(&self.id);
        // The queue is closed before the event, so that a watcher that reads after it does not find the old state.
        self.commands.close();
        let seq = self.shared.sources.next_seq();
        self.tell_events(vec![Event::new(seq, EventKind::Deleted, notebook)]);
    }
}
