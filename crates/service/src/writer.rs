//! A notebook's one writer: the task that all its edits go through.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quire_domain::{Change, Notebook, NotebookId, OpenNotebook, ShownConnection, UserId};
use quire_storage::{Delete, Loaded, StoreError, Version};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::analyser::Analyser;
use crate::command::Command;
use crate::conflict::{Deletions, Expected};
use crate::connection::Sealing;
use crate::event::{Event, EventKind, Published, Seq, Watch};
use crate::event_buffer::EventBuffer;
use crate::idempotency::{CleanupTrigger, IdempotencyContext, InFlightKeys};
use crate::memory::{self, Charge, Memory};
use crate::quota::Quotas;
use crate::registry::{Handle, Registry, SlotUse};
use crate::work::{Kind, Lanes, Permit, Store};
use crate::{Clock, ServiceError};

/// Commands that may wait for a writer; who sends one more waits too.
const QUEUE: usize = 1_024;
/// Edits that one commit takes at most.
const GROUP: usize = 256;
/// How often something is tried again because somebody else's commit came first.
pub(crate) const ROUNDS: usize = 5;
/// How long a writer that could not read what is stored waits before it tries again.
const AGAIN: Duration = Duration::from_secs(1);
/// Bytes that an active notebook takes beside its content and its events: its task, queue and channels.
pub(crate) const ACTIVE_BYTES: usize = 32 * 1024;

/// What all writers of a service share.
#[derive(Debug)]
pub(crate) struct ServiceContext {
    pub(crate) store: Store,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) analyser: Analyser,
    pub(crate) sealing: Sealing,
    pub(crate) quotas: Quotas,
    pub(crate) memory: Arc<Memory>,
    pub(crate) registry: Arc<Registry>,
    /// The last probe of whether the service gets to its work; it is under way as long as its sender lives.
    pub(crate) probe: Mutex<Option<watch::Receiver<bool>>>,
    /// Where writers run: not on the runtime of whoever asked first, which may end before the service.
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) idle: Duration,
    pub(crate) epoch: Uuid,
    /// The number of the last event of any notebook.
    pub(crate) events: AtomicU64,
    pub(crate) in_flight: Arc<InFlightKeys>,
    pub(crate) cleanup: CleanupTrigger,
}

impl ServiceContext {
    fn next_seq(&self) -> Seq {
        Seq { epoch: self.epoch, number: self.events.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}

/// The writer's own state. The order of the fields matters: they are dropped in it. Who waits for `published` to close must
/// then find the notebook gone from the registry, and what is accounted is released when nothing takes it any more.
#[derive(Debug)]
pub(crate) struct Writer {
    registered: SlotUse,
    pub(crate) shared: Arc<ServiceContext>,
    pub(crate) open: OpenNotebook,
    pub(crate) deletions: Deletions,
    /// Set when it is not known what is stored: it must be read before anything else is stored.
    pub(crate) in_doubt: bool,
    /// Set when the notebook is no longer here.
    gone: Option<Gone>,
    commands: mpsc::Receiver<Command>,
    published: watch::Sender<Arc<Published>>,
    /// What watchers are told, and that there is more of it.
    recent: Arc<EventBuffer>,
    news: watch::Sender<()>,
    /// As in the [`Handle`].
    used: Arc<AtomicU64>,
    /// What the notebook takes of the memory for all.
    charge: Charge,
}

/// The reason why a writer has its notebook no more.
#[derive(Clone, Copy, Debug)]
enum Gone {
    /// It was deleted, or is another notebook now.
    Deleted,
    /// Others have made more of it than one notebook may take of the memory.
    TooLarge { bytes: usize, max: usize },
}

impl Writer {
    /// Opens what the store gave and starts the writer for it.
    ///
    /// # Errors
    /// [`ServiceError::NotebookTooLarge`] when the notebook turns out to take more memory than one may; what was charged for
    /// it before is only what could be told without analysing it.
    pub(crate) async fn start(
        shared: &Arc<ServiceContext>,
        slot: &SlotUse,
        loaded: Loaded,
        permit: Permit,
        charge: Charge,
    ) -> Result<Handle, ServiceError> {
        let open = shared.analyser.open(permit, loaded.notebook, &shared.memory).await?;
        shared.memory.check_one(&open.notebook().id, open.memory_bytes())?;
        charge.set(open.memory_bytes() + ACTIVE_BYTES);
        // A number of its own, so that no event of an earlier writer passes for the one that led here: between the two,
        // others may have changed the notebook.
        let seq = shared.next_seq();
        let connection = shared.sealing.shown(open.notebook());
        let first = Published::new(&open, connection, loaded.version, seq);
        let (published, reader) = watch::channel(Arc::new(first));
        let (commands_sender, commands) = mpsc::channel(QUEUE);
        let (news, _) = watch::channel(());
        let used = Arc::new(AtomicU64::new(shared.registry.tick()));
        let handle = Handle {
            commands: commands_sender,
            published: reader,
            news: news.clone(),
            used: Arc::clone(&used),
            owner: open.notebook().owner.clone(),
            account: Arc::clone(charge.account()),
        };
        let writer = Self {
            // From here on nothing waits, so that a cancelled start leaves no trace of a writer.
            registered: slot.for_writer(),
            shared: Arc::clone(shared),
            deletions: Deletions::from(open.notebook().revision),
            open,
            in_doubt: false,
            gone: None,
            commands,
            published,
            recent: Arc::new(EventBuffer::since_start(seq.number)),
            news,
            used,
            charge,
        };
        shared.runtime.spawn(writer.run());
        memory::evict_excess(shared);
        Ok(handle)
    }

    pub(crate) fn id(&self) -> &NotebookId {
        &self.open.notebook().id
    }

    async fn run(mut self) {
        let mut used = self.used.load(Ordering::Relaxed);
        let mut since = Instant::now();
        while self.gone.is_none() {
            if self.registered.take_hint() {
                self.doubt().await;
                continue;
            }
            let wait = if self.in_doubt { AGAIN } else { self.shared.idle };
            match tokio::time::timeout(wait, self.commands.recv()).await {
                Ok(Some(command)) => {
                    since = Instant::now();
                    if self.handle(command).await {
                        break;
                    }
                }
                Ok(None) => break,
                Err(_quiet) => {
                    if self.in_doubt {
                        self.doubt().await;
                    }
                    if since.elapsed() < self.shared.idle {
                        continue;
                    }
                    // Readers send no commands, so their questions are counted.
                    let before = std::mem::replace(&mut used, self.used.load(Ordering::Relaxed));
                    if before == used && self.news.receiver_count() == 0 {
                        break;
                    }
                    since = Instant::now();
                }
            }
        }
        // Whoever needs room waits for what is released here.
        self.charge.account().begin_eviction();
        // Who comes from now on finds the queue closed and waits for the next writer; who came before is answered.
        self.commands.close();
        while let Some(command) = self.commands.recv().await {
            self.handle(command).await;
        }
    }

    /// Does what was asked; returns whether to end.
    async fn handle(&mut self, command: Command) -> bool {
        let mut next = Some(command);
        while let Some(command) = next.take() {
            match command {
                Command::Edit(first) => {
                    // What has queued up while the last commit was under way is made durable by one commit.
                    let mut group = vec![first];
                    while next.is_none() && group.len() < GROUP {
                        match self.commands.try_recv() {
                            Ok(Command::Edit(edit)) => group.push(edit),
                            Ok(other) => next = Some(other),
                            Err(_) => break,
                        }
                    }
                    self.commit_group(group).await;
                }
                Command::Delete { user, expected, context, reply } => {
                    let answer = self.delete(&user, expected, context).await;
                    let _ = reply.send(answer); // nobody may be waiting any more
                }
                Command::Refresh { reply } => {
                    if self.registered.take_hint() {
                        self.doubt().await;
                    }
                    let _ = reply.map(|reply| reply.send(())); // nobody may be waiting any more
                }
                Command::Watch { last, reply } => {
                    let _ = reply.send(Ok(self.watch(last))); // nobody may be waiting any more
                }
                Command::Retire { even_watched } => {
                    if even_watched || self.news.receiver_count() == 0 {
                        return true;
                    }
                    // A writer that ends for another reason goes on releasing its memory.
                    if !self.commands.is_closed() {
                        self.charge.account().cancel_eviction();
                    }
                }
                Command::Close => return true,
            }
        }
        false
    }

    /// Refuses whoever is not the owner, and everybody once the notebook is gone.
    pub(crate) fn check_access(&self, user: &UserId) -> Result<(), ServiceError> {
        match self.gone {
            Some(Gone::Deleted) => return Err(ServiceError::UnknownNotebook(self.id().to_string())),
            Some(Gone::TooLarge { bytes, max }) => {
                return Err(ServiceError::NotebookTooLarge { id: self.id().clone(), bytes, max });
            }
            None => {}
        }
        if self.open.notebook().owner != *user {
            return Err(ServiceError::Foreign(self.id().clone()));
        }
        Ok(())
    }

    /// A new watcher's view. Made by the writer, so that it cannot fall between a state and its events, nor between the
    /// decision to end for want of watchers and the end.
    fn watch(&self, last: Option<Seq>) -> Option<Watch> {
        if self.gone.is_some() || self.commands.is_closed() {
            return None;
        }
        Some(Watch::new(Arc::clone(&self.recent), self.news.subscribe(), self.published.subscribe(), last))
    }

    async fn delete(
        &mut self,
        user: &UserId,
        expected: Expected,
        context: Option<Arc<IdempotencyContext>>,
    ) -> Result<(), ServiceError> {
        let now = self.shared.clock.now();
        let answer = context.map(|context| context.answer(self.id(), &(), now)).transpose()?;
        for _ in 0..ROUNDS {
            // Another server may have changed it since, and given it another owner; what is deleted is gone.
            self.refresh().await?;
            self.check_access(user)?;
            let notebook = self.open.notebook();
            if let Some(expected) = expected.state().filter(|_| expected.is_other(notebook.base())) {
                let changed = self.deletions.changed_since(expected, notebook, &[]);
                return Err(ServiceError::Conflict { expected, current: notebook.revision, changed });
            }
            let store = self.shared.store.for_writer(user).await;
            let delete = Delete { id: self.id(), base: notebook.base(), record: answer.as_ref() };
            let outcome = store.delete(delete).await;
            drop(store);
            match &outcome {
                Ok(()) | Err(StoreError::NotFound { .. }) => self.vanish(),
                // Changed by somebody else just now.
                Err(StoreError::RevisionMismatch { .. }) => continue,
                // It may be gone all the same.
                Err(_) => self.doubt().await,
            }
            return Ok(outcome?);
        }
        Err(ServiceError::Contended(self.id().clone()))
    }

    /// Finds out what is stored now, after a call of unknown outcome or a hint. Where that fails it is tried again, and until
    /// it is known nothing else is stored.
    pub(crate) async fn doubt(&mut self) {
        let Err(error) = self.refresh().await else { return };
        let error = &error as &dyn std::error::Error;
        if std::mem::replace(&mut self.in_doubt, true) {
            tracing::debug!(notebook = %self.id(), error, "still cannot read what is stored now");
        } else {
            tracing::warn!(notebook = %self.id(), error, "cannot read what is stored now; trying again");
        }
    }

    /// Reads what is stored and, if it is not what was published, takes it over and tells the watchers the difference.
    pub(crate) async fn refresh(&mut self) -> Result<(), StoreError> {
        if self.gone.is_some() {
            return Ok(());
        }
        let owner = self.open.notebook().owner.clone();
        // Before loading, so that what is loaded does not wait in memory.
        let permit = self.shared.lanes.of(Kind::Refresh).enter_always(&owner, 1).await;
        let Some(loaded) = self.shared.store.for_writer(&owner).await.load(self.id()).await? else {
            self.vanish();
            return Ok(());
        };
        self.in_doubt = false;
        if loaded.version == self.published.borrow().version {
            return Ok(());
        }
        if loaded.notebook.owner != owner || loaded.notebook.life != self.open.notebook().life {
            // Another user's now, or another notebook: the next one who asks gets a writer that knows no other.
            self.vanish();
            return Ok(());
        }
        let version = loaded.version;
        let reopened = match self.shared.memory.check_one(self.id(), loaded.notebook.memory_bytes()) {
            Ok(()) => {
                let known = Arc::clone(&self.published.borrow());
                self.shared.analyser.reopen(permit, loaded.notebook, known, &self.shared.memory).await
            }
            Err(too_large) => Err(too_large),
        };
        let change;
        (self.open, change) = match reopened {
            Ok(reopened) => reopened,
            Err(ServiceError::Store(error)) => return Err(error),
            Err(too_large) => {
                self.leave(&too_large);
                return Ok(());
            }
        };
        if let Some(change) = &change {
            self.deletions.note(change);
        }
        let step = change.map(|change| (Arc::new(change), self.open.notebook().clone()));
        self.publish(step.into_iter().collect(), version);
        Ok(())
    }

    /// Lets everybody see what has just become durable: each change, with the notebook right after it.
    pub(crate) fn publish(&mut self, steps: Vec<(Arc<Change>, Notebook)>, version: Version) {
        let event = |(change, notebook)| {
            Arc::new(Event { seq: self.shared.next_seq(), kind: EventKind::Changed(change), notebook })
        };
        let events: Vec<_> = steps.into_iter().map(event).collect();
        let seq = events.last().map_or_else(|| self.published.borrow().seq, |event| event.seq);
        // The state first: whoever has heard of an event and then reads must find it.
        let published = Published::new(&self.open, self.shown_connection(), version, seq);
        self.published.send_replace(Arc::new(published));
        self.recent.push(events);
        self.news.send_replace(());
        self.charge.set(self.open.memory_bytes() + self.recent.bytes() + ACTIVE_BYTES);
        memory::evict_excess(&self.shared);
    }

    /// What the owner is shown of the connection string, opened anew only when it is another one.
    fn shown_connection(&self) -> Option<ShownConnection> {
        let (published, notebook) = (self.published.borrow(), self.open.notebook());
        if published.notebook.connection == notebook.connection {
            return published.connection.clone();
        }
        self.shared.sealing.shown(notebook)
    }

    /// Ends the notebook here because it cannot be taken over as it is now. Requests that wait are told why; watchers come
    /// again and are told too.
    fn leave(&mut self, why: &ServiceError) {
        tracing::warn!(notebook = %self.id(), error = %why, "a notebook that was changed elsewhere leaves memory");
        self.gone = Some(match why {
            ServiceError::NotebookTooLarge { bytes, max, .. } => Gone::TooLarge { bytes: *bytes, max: *max },
            _ => Gone::Deleted,
        });
        self.commands.close();
    }

    /// Ends the notebook here: nobody finds this writer any more, and watchers are told.
    fn vanish(&mut self) {
        self.gone = Some(Gone::Deleted);
        // Before anybody is told: who then asks again must not find the old state.
        self.commands.close();
        let notebook = self.open.notebook().clone();
        let event = Event { seq: self.shared.next_seq(), kind: EventKind::Deleted, notebook };
        self.recent.push(vec![Arc::new(event)]);
        self.news.send_replace(());
    }
}
