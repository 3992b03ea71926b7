//! WebSockets: events of a notebook, sent as they happen. `docs/websocket.md` describes them for clients.

mod end;
mod event_messages;
mod flow;
mod frames;
mod lifetime;
mod messages;
mod outbox;
mod position;
mod sign_in;
mod socket;
mod sockets;
mod timers;
pub(crate) mod upgrade;
mod watching;
mod write_event;

pub(crate) use sockets::Sockets;
pub(crate) use upgrade::configure;
