//! A socket that has signed in: events of the notebook go out, messages of the client come in.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::{Fuse, FusedFuture as _};
use quire_domain::{CellId, NotebookId, UserId};
use quire_service::{Event, EventKind, Seq, ServiceError, Subscription, Target};
use uuid::Uuid;

use super::end::End;
use super::event_messages::MessagesError;
use super::lifetime::Lifetime;
use super::messages::{self, ClientMessage, resync};
use super::position::Position;
use super::sign_in::inactive;
use super::socket::{Frame, Socket, failed, stopped, unwritable};
use super::timers::{ticks, until};
use super::write_event::write;
use crate::app_state::AppState;
use crate::auth::SignedIn;
use crate::extract::decode;
use crate::problem::Problem;

/// Periods of pings without a sign of life after which the client is gone.
const MAX_MISSED_PINGS: u32 = 3;

impl Socket {
    /// Watches the notebook that the path names.
    pub(crate) async fn watch(
        &mut self,
        path: &str,
        SignedIn { user, expires_at, .. }: SignedIn,
        resume: Option<String>,
    ) -> Result<Infallible, End> {
        // A position that cannot be read is treated as one of another server.
        let elsewhere = Position { seq: Seq { epoch: Uuid::nil(), number: 0 }, seen: None };
        let mut resume = resume.map(|text| text.parse().unwrap_or(elsewhere));
        let state = self.state.clone();
        let opened = state.read(self.open(&user, path, resume.map(Position::last_whole))).await;
        let (id, mut watch) = opened.map_err(|problem| failed(&problem))?;
        let settings = &state.settings.sockets;
        let mut lifetime = Lifetime::new(Instant::now(), expires_at);
        let mut pings = ticks(settings.ping_every);
        let mut inactive = pin!(inactive(&state, &user));
        let mut renewal = pin!(Fuse::terminated());
        let mut running = pin!(Fuse::terminated());
        loop {
            self.outbox.send().await?;
            let idle = self.outbox.is_empty();
            if running.is_terminated()
                && let Some(cell) = self.runs.pop_front()
            {
                running.set(run(&state, &user, &id, cell).fuse());
            }
            tokio::select! {
                frame = self.stream.recv(), if idle && renewal.is_terminated() => {
                    if let Some(frame) = self.received(frame)?
                        && let Some(token) = self.act(&frame)?
                    {
                        // Only further messages of the client wait for this.
                        let state = &state;
                        renewal.set(async move { state.sign_in(&token).await }.fuse());
                    }
                }
                refused = &mut running => {
                    if let Some(problem) = refused {
                        self.outbox.push(messages::error(&problem.to_string()).map_err(unwritable)?);
                    }
                }
                renewed = &mut renewal => {
                    self.heard = Instant::now();
                    self.refresh(renewed, &mut lifetime)?;
                }
                event = next(&mut watch, idle) => {
                    if !self.tell(event, &user, resume.take()).await? {
                        watch.skip_update();
                    }
                }
                // A client that reads is alive.
                () = self.outbox.room() => self.heard = Instant::now(),
                _ = pings.tick() => {
                    // While it is not listened to, it can give no sign.
                    if renewal.is_terminated() && self.heard.elapsed() > settings.ping_every * MAX_MISSED_PINGS {
                        return Err(End::gone());
                    }
                    self.outbox.ping().await?;
                }
                end = &mut inactive => return Err(end),
                () = until(lifetime.ends(settings)) => {
                    // Read only now, because requests are far more frequent than ends of sockets.
                    if let Some(requested) = state.socket_limiter.last_request(&user) {
                        lifetime.prolong(requested);
                    }
                    if lifetime.ends(settings).is_some_and(|end| end <= Instant::now()) {
                        return Err(End::expired());
                    }
                }
                () = stopped(&mut self.stopping) => return Err(End::restart()),
            }
        }
    }

    /// Opens the notebook of the path. Ids in it are not percent-encoded, but browsers encode some characters all the same: an id
    /// of no notebook is decoded and tried again.
    async fn open(
        &self,
        user: &UserId,
        path: &str,
        resume: Option<Seq>,
    ) -> Result<(NotebookId, Subscription), ServiceError> {
        match self.open_exactly(user, path, resume).await {
            Err(ServiceError::UnknownNotebook(_)) if path.contains('%') => {
                let decoded = decode(path).ok_or_else(|| ServiceError::UnknownNotebook(path.to_owned()))?;
                self.open_exactly(user, &decoded, resume).await
            }
            opened => opened,
        }
    }

    async fn open_exactly(
        &self,
        user: &UserId,
        id: &str,
        resume: Option<Seq>,
    ) -> Result<(NotebookId, Subscription), ServiceError> {
        let service = &self.state.service;
        let id = service.resolve(user, id)?;
        let watch = match resume {
            Some(last) => service.resume(user, &id, last).await?,
            None => service.watch(user, &id).await?,
        };
        Ok((id, watch))
    }

    /// Queues the messages of an event. `resume` is the client's position, at the first event. Returns `false` if the client is not told of
    /// an update of a run.
    async fn tell(&mut self, event: Option<Arc<Event>>, user: &UserId, resume: Option<Position>) -> Result<bool, End> {
        // Without an event, the notebook's writer task has ended: the server stops, or the notebook was evicted.
        let event = &event.ok_or_else(|| if *self.stopping.borrow() { End::restart() } else { End::evicted() })?;
        match &event.kind {
            EventKind::Changed(_) | EventKind::Transient(_) | EventKind::Recovered(_) => {
                let seen = resume.filter(|position| position.seq == event.seq).and_then(|position| position.seen);
                match self.sockets.event_messages.of(event, user, &self.state.response_bytes).await {
                    Ok(messages) => self.outbox.push_event(messages, seen.unwrap_or(0)),
                    Err(MessagesError::Exceeded) if matches!(event.kind, EventKind::Transient(_)) => return Ok(false),
                    // The client reads the notebook again after that.
                    Err(MessagesError::Exceeded) => self.outbox.push(resync(event.seq).map_err(unwritable)?),
                    Err(MessagesError::Unwritable(error)) => return Err(unwritable(error)),
                }
            }
            EventKind::Resync => {
                for message in write(event).map_err(unwritable)? {
                    self.outbox.push(message);
                }
            }
            EventKind::Deleted => return Err(End::refused("The notebook is gone: it was deleted.")),
        }
        Ok(true)
    }

    /// Handles a message of the client. Returns the token of a renewed sign-in.
    fn act(&mut self, frame: &Frame) -> Result<Option<String>, End> {
        let said = match frame {
            Frame::Text(text) => serde_json::from_str(text).ok(),
            Frame::Binary => None,
        };
        match said {
            Some(ClientMessage::RefreshAuth { token }) => return Ok(Some(token)),
            Some(ClientMessage::RunCell { cell_id }) => self.queue_run(&cell_id)?,
            Some(ClientMessage::Unknown) => {} // it may be of a later version
            Some(ClientMessage::Authenticate { .. }) => {
                let message = messages::error("You have signed in; to renew that, send refresh_auth.");
                self.outbox.push(message.map_err(unwritable)?);
            }
            None => {
                let message =
                    messages::error("This is no message: it must be a JSON object with a `type` and its fields.");
                self.outbox.push(message.map_err(unwritable)?);
            }
        }
        Ok(None)
    }
}

/// Asks the service to run a cell, after the user's edits that are in flight. Returns the problem, if there is one that the client cannot
/// know of: a cell may have been deleted meanwhile.
async fn run(state: &AppState, user: &UserId, id: &NotebookId, cell: CellId) -> Option<Problem> {
    state.edits_in_flight.ended(user).await;
    match state.read(state.service.run(user, id, Target::Cells(vec![cell]))).await {
        Err(problem) if problem.name() != "unknown_cell" => Some(problem),
        _ => None,
    }
}

/// Waits for the next event if the client has read those before it; otherwise only for the end of the events, so that a client
/// that does not read holds no evicted notebook in memory.
///
/// Cancel safe: a dropped future loses no event.
async fn next(watch: &mut Subscription, has_read: bool) -> Option<Arc<Event>> {
    if has_read {
        return watch.next().await;
    }
    watch.ended().await;
    loop {
        match watch.next().await {
            Some(event) if !matches!(event.kind, EventKind::Deleted) => {}
            last => return last,
        }
    }
}
