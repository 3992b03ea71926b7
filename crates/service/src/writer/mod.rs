//! A notebook's one writer: the task that all its edits go through.
//!
//! What it decides is in [`state`], without I/O, so that tests drive it step by step; the task here receives commands,
//! takes the steps that are decided, and hands back their outcomes.

mod applying;
mod deletion;
mod edits;
mod state;
mod step;
mod taking;
mod telling;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quire_domain::NotebookId;
use quire_storage::Loaded;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use self::state::WriterState;
use self::step::Input;
use crate::ServiceError;
use crate::command::Command;
use crate::context::ServiceContext;
use crate::event_buffer::EventBuffer;
use crate::memory::{self, Charge};
use crate::published::Published;
use crate::registry::{Handle, SlotUse};
use crate::work::Permit;

pub(crate) use self::step::Snapshot;

/// Maximum commands in a writer task's queue; who sends one more waits.
const MAX_QUEUED: usize = 1_024;
/// Maximum edits of one commit.
const MAX_GROUP: usize = 256;
/// Maximum attempts at something that comes second to somebody else's commit again and again.
pub(crate) const ROUNDS: usize = 5;
/// Time after which a writer task that could not read what is stored tries again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Bytes that an active notebook takes beside its content and its events: its task, queue and channels.
pub(crate) const ACTIVE_BYTES: usize = 32 * 1024;

/// The writer task. The order of the fields matters: they are dropped in it. Who waits for `published` to close must
/// then find the notebook gone from the registry, and what is accounted is released when nothing takes it any more.
#[derive(Debug)]
pub(crate) struct Writer {
    registered: SlotUse,
    shared: Arc<ServiceContext>,
    id: NotebookId,
    state: WriterState,
    commands: mpsc::Receiver<Command>,
    published: watch::Sender<Arc<Published>>,
    /// The events for watchers, and the signal that there are more.
    events: Arc<EventBuffer>,
    news: watch::Sender<()>,
    /// As in the [`Handle`].
    used: Arc<AtomicU64>,
    /// Bytes of memory of the notebook, without its events.
    bytes: usize,
    /// The memory that the notebook takes.
    charge: Charge,
}

impl Writer {
    /// Opens what the store gave and starts the writer task for it.
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
        let limits = &shared.limits;
        let open = shared.analyser.open(permit, loaded.notebook, &limits.memory).await?;
        let snapshot = Snapshot::from(&open);
        let (id, owner) = (snapshot.notebook.id.clone(), snapshot.notebook.owner.clone());
        limits.memory.check_one(&id, snapshot.memory_bytes)?;
        let bytes = snapshot.memory_bytes + ACTIVE_BYTES;
        charge.set(bytes);
        // A number of its own, so that no event of an earlier writer task passes for the one that led here: between the two,
        // others may have changed the notebook.
        let seq = shared.sources.next_seq();
        let connection = shared.sealing.shown(&snapshot.notebook);
        let first = Published::new(snapshot, connection, loaded.version, seq);
        let (published, reader) = watch::channel(Arc::new(first));
        let (commands_sender, commands) = mpsc::channel(MAX_QUEUED);
        let (news, _) = watch::channel(());
        let used = Arc::new(AtomicU64::new(shared.registry.tick()));
        let handle = Handle {
            commands: commands_sender,
            published: reader,
            news: news.clone(),
            used: Arc::clone(&used),
            owner,
            account: Arc::clone(charge.account()),
        };
        let writer = Self {
            // From here on nothing waits, so that a cancelled start leaves no trace of a writer task.
            registered: slot.for_writer(),
            shared: Arc::clone(shared),
            id,
            state: WriterState::new(open, loaded.version, (limits.memory.max_of_one(), shared.store.is_shared())),
            commands,
            published,
            events: Arc::new(EventBuffer::since_start(seq.number)),
            news,
            used,
            bytes,
            charge,
        };
        shared.runtime.spawn(writer.run());
        memory::evict_excess(shared);
        Ok(handle)
    }

    async fn run(mut self) {
        let idle = self.shared.limits.idle;
        let mut used = self.used.load(Ordering::Relaxed);
        let mut since = Instant::now();
        let mut looked = since;
        while !self.state.is_gone() {
            let is_due = self.state.in_doubt && looked.elapsed() >= RETRY_AFTER;
            if self.registered.take_hint() || is_due {
                self.work(Input::Look).await;
                looked = Instant::now();
                continue;
            }
            // From the last look, so that no steady stream of commands puts off the next one.
            let wait = if self.state.in_doubt { RETRY_AFTER.saturating_sub(looked.elapsed()) } else { idle };
            match tokio::time::timeout(wait, self.commands.recv()).await {
                Ok(Some(command)) => {
                    since = Instant::now();
                    let was_in_doubt = self.state.in_doubt;
                    if self.handle(command).await {
                        break;
                    }
                    if !was_in_doubt {
                        looked = Instant::now();
                    }
                }
                Ok(None) => break,
                Err(_quiet) => {
                    if since.elapsed() < idle {
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
        // Who comes from now on finds the queue closed and waits for the next writer task; who came before is answered.
        self.commands.close();
        while let Some(command) = self.commands.recv().await {
            self.handle(command).await;
        }
    }

    /// Does what was asked; returns `true` to end.
    async fn handle(&mut self, command: Command) -> bool {
        let mut next = Some(command);
        while let Some(command) = next.take() {
            match command {
                Command::Edit(first) => {
                    // What has queued up while the last commit was under way is made durable by one commit.
                    let mut group = vec![first];
                    while next.is_none() && group.len() < MAX_GROUP {
                        match self.commands.try_recv() {
                            Ok(Command::Edit(edit)) => group.push(edit),
                            Ok(other) => next = Some(other),
                            Err(_) => break,
                        }
                    }
                    self.work(Input::Edits(group)).await;
                }
                Command::Delete(command) => self.work(Input::Delete(command)).await,
                Command::Tell { update, reply } => {
                    let _ = reply.send(self.tell(update)); // nobody may be waiting any more
                }
                Command::Refresh { newer, reply } => {
                    let is_newer = newer.is_some_and(|stored| !self.state.has(&stored));
                    if self.registered.take_hint() || is_newer {
                        self.work(Input::Look).await;
                    }
                    let _ = reply.map(|reply| reply.send(())); // nobody may be waiting any more
                }
                Command::Subscribe { last, reply } => {
                    let _ = reply.send(Ok(self.subscribe(last))); // nobody may be waiting any more
                }
                Command::Retire { even_watched } => {
                    if even_watched || self.news.receiver_count() == 0 {
                        return true;
                    }
                    // A writer task that ends for another reason goes on releasing its memory.
                    if !self.commands.is_closed() {
                        self.charge.account().cancel_eviction();
                    }
                }
                Command::Close => return true,
            }
        }
        false
    }
}
