//! A notebook's writer task, which makes all its changes.
//!
//! The decisions are in [`state`], a state machine without I/O that tests drive step by step. The task receives commands,
//! executes the steps that are decided, and returns their outcomes to the state machine.

mod attempt;
mod deletion;
mod edits;
mod execute;
mod live;
mod publish;
mod state;
mod step;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quire_domain::NotebookId;
use quire_storage::Loaded;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use self::live::LiveResults;
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

/// Maximum commands in a writer task's queue. The sender of a further one waits.
const MAX_QUEUED: usize = 1_024;
/// Maximum edits of one commit.
const MAX_GROUP: usize = 256;
/// Maximum attempts at a change when commits of other servers are stored first.
pub(crate) const ROUNDS: usize = 5;
/// Time after which a writer task retries a failed load.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Bytes of an active notebook besides its content and its events: its task, queue and channels.
pub(crate) const ACTIVE_BYTES: usize = 32 * 1024;

/// The writer task. The fields are dropped in their order: a task that waits for `published` to close must find that
/// the notebook has left the registry, and the charge is released last, when no memory is in use any more.
#[derive(Debug)]
pub(crate) struct Writer {
    registered: SlotUse,
    shared: Arc<ServiceContext>,
    id: NotebookId,
    state: WriterState,
    commands: mpsc::Receiver<Command>,
    published: watch::Sender<Arc<Published>>,
    live: LiveResults,
    /// The events for watchers. `news` signals further ones.
    events: Arc<EventBuffer>,
    news: watch::Sender<()>,
    /// The time of the last access, as in the [`Handle`].
    used: Arc<AtomicU64>,
    /// Bytes of memory of the notebook without its events.
    bytes: usize,
    /// The memory that the notebook takes.
    charge: Charge,
    /// The time of the last refresh, or of the command that made one necessary.
    refreshed_at: Instant,
}

impl Writer {
    /// Opens a loaded notebook and starts its writer task.
    ///
    /// # Errors
    /// Returns [`ServiceError::NotebookTooLarge`] if the analysed notebook takes more memory than one notebook may take. The
    /// charge before that is an estimate without the analysis.
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
        // The state gets a new number, because other servers may have changed the notebook since the last event of the
        // earlier writer task.
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
            // No await follows, so a cancelled start leaves no trace of a writer task.
            registered: slot.for_writer(),
            shared: Arc::clone(shared),
            id,
            state: WriterState::new(open, loaded.version, (limits.memory.max_of_one(), shared.store.is_shared())),
            commands,
            published,
            live: LiveResults::default(),
            events: Arc::new(EventBuffer::since_start(seq.number)),
            news,
            used,
            bytes,
            refreshed_at: Instant::now(),
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
        while !self.state.has_ended() {
            let is_due = self.state.in_doubt || self.registered.is_hinted();
            if is_due && !self.has_just_failed() {
                self.refresh().await;
                continue;
            }
            // The time counts from the last refresh, so a steady stream of commands does not delay the next one.
            let wait = if self.state.in_doubt { RETRY_AFTER.saturating_sub(self.refreshed_at.elapsed()) } else { idle };
            match tokio::time::timeout(wait, self.commands.recv()).await {
                Ok(Some(command)) => {
                    since = Instant::now();
                    let was_in_doubt = self.state.in_doubt;
                    if self.handle(command).await {
                        break;
                    }
                    if !was_in_doubt {
                        self.refreshed_at = Instant::now();
                    }
                }
                Ok(None) => break,
                Err(_quiet) => {
                    if since.elapsed() < idle {
                        continue;
                    }
                    // Readers send no commands, so accesses are counted.
                    let before = std::mem::replace(&mut used, self.used.load(Ordering::Relaxed));
                    if before == used && self.news.receiver_count() == 0 {
                        break;
                    }
                    since = Instant::now();
                }
            }
        }
        // Work that needs memory waits for the memory that is released here.
        self.charge.account().begin_eviction();
        // A later command finds the queue closed and waits for the next writer task. Queued commands are executed.
        self.commands.close();
        while let Some(command) = self.commands.recv().await {
            self.handle(command).await;
        }
    }

    /// Returns `true` if the last refresh failed, so recently that it is not retried yet, whatever asks for it.
    fn has_just_failed(&self) -> bool {
        self.state.in_doubt && self.refreshed_at.elapsed() < RETRY_AFTER
    }

    async fn refresh(&mut self) {
        self.registered.take_hint();
        self.drive(Input::Refresh).await;
        self.refreshed_at = Instant::now();
    }

    /// Executes a command. Returns `true` if the task has to end.
    async fn handle(&mut self, command: Command) -> bool {
        let mut next = Some(command);
        while let Some(command) = next.take() {
            match command {
                Command::Edit(first) => {
                    // Edits that were queued while the last commit was in flight become durable together.
                    let mut group = vec![first];
                    while next.is_none() && group.len() < MAX_GROUP {
                        match self.commands.try_recv() {
                            Ok(Command::Edit(edit)) => group.push(edit),
                            Ok(other) => next = Some(other),
                            Err(_) => break,
                        }
                    }
                    self.drive(Input::Edits(group)).await;
                }
                Command::Delete(command) => self.drive(Input::Delete(command)).await,
                Command::Tell { update, reply } => {
                    let _ = reply.send(self.tell(update)); // the caller may be gone
                }
                Command::Refresh { newer, reply } => {
                    let is_newer = newer.is_some_and(|stored| !self.state.has(&stored));
                    if (is_newer || self.registered.is_hinted()) && !self.has_just_failed() {
                        self.refresh().await;
                    }
                    let _ = reply.map(|reply| reply.send(!self.state.in_doubt)); // the caller may be gone
                }
                Command::Subscribe { last, reply } => {
                    let _ = reply.send(Ok(self.subscribe(last))); // the caller may be gone
                }
                Command::Barrier { reply } => drop(reply.send(Ok(()))), // the caller may be gone
                Command::Retire { even_watched } => {
                    if even_watched || self.news.receiver_count() == 0 {
                        return true;
                    }
                    // A writer task that ends for another reason continues to release its memory.
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
