//! What readers and watchers get from a writer task.

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
    /// A new watcher's view. Made by the writer task, so that it cannot fall between a state and its events, nor between the
    /// decision to end for want of watchers and the end.
    pub(super) fn subscribe(&self, last: Option<Seq>) -> Option<Subscription> {
        if self.state.is_gone() || self.commands.is_closed() {
            return None;
        }
        Some(Subscription::new(Arc::clone(&self.events), self.news.subscribe(), self.published.subscribe(), last))
    }

    /// Tells watchers something of a run, after everything that was told before.
    pub(super) fn tell(&mut self, update: Arc<RunUpdate>) -> Result<Seq, ServiceError> {
        self.state.check_present()?;
        if self.state.open.cell(&update.cell).is_none() {
            return Err(ServiceError::UnknownCell(update.cell.clone()));
        }
        let (seq, notebook) = (self.shared.sources.next_seq(), self.published.borrow().notebook.clone());
        self.tell_events(vec![Arc::new(Event { seq, kind: EventKind::Transient(update), notebook })]);
        self.account();
        Ok(seq)
    }

    /// Lets everybody see what has just become durable.
    pub(super) fn publish(&mut self, Publication { changes, snapshot, version }: Publication) {
        let event = |(change, notebook)| {
            let seq = self.shared.sources.next_seq();
            Arc::new(Event { seq, kind: EventKind::Changed(change), notebook })
        };
        let events: Vec<_> = changes.into_iter().map(event).collect();
        let seq = events.last().map_or_else(|| self.published.borrow().seq, |event| event.seq);
        let connection = self.shown_connection(&snapshot);
        self.bytes = snapshot.memory_bytes + ACTIVE_BYTES;
        // The state first: whoever has heard of an event and then reads must find it.
        self.published.send_replace(Arc::new(Published::new(snapshot, connection, version, seq)));
        self.tell_events(events);
        self.account();
    }

    /// Tells watchers that the database has lost history, and which notebook holds what it lost.
    pub(super) fn tell_recovered(&self, copy: NotebookId) {
        tracing::error!(
            notebook = %self.id, copy = %copy,
            "the database has an earlier state of this notebook than it had acknowledged; the later one is kept as a copy"
        );
        let (seq, notebook) = (self.shared.sources.next_seq(), self.published.borrow().notebook.clone());
        self.tell_events(vec![Arc::new(Event { seq, kind: EventKind::Recovered(copy), notebook })]);
    }

    fn tell_events(&self, events: Vec<Arc<Event>>) {
        self.events.push(events);
        self.news.send_replace(());
    }

    /// Accounts the memory that the notebook and its events take now.
    fn account(&self) {
        self.charge.set(self.bytes + self.events.bytes());
        memory::evict_excess(&self.shared);
    }

    /// Returns the connection string as its owner is shown it, opened anew only when it is another one.
    fn shown_connection(&self, snapshot: &Snapshot) -> Option<ShownConnection> {
        let published = self.published.borrow();
        if published.notebook.connection == snapshot.notebook.connection {
            return published.connection.clone();
        }
        self.shared.sealing.shown(&snapshot.notebook)
    }

    pub(super) fn vanish(&mut self, notebook: Notebook) {
        // Before anybody is told: who then asks again must not find the old state.
        self.commands.close();
        let seq = self.shared.sources.next_seq();
        self.tell_events(vec![Arc::new(Event { seq, kind: EventKind::Deleted, notebook })]);
    }
}
