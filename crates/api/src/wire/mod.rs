//! What goes over the wire, apart from the domain's own types, so that neither binds the other.

mod incoming;
mod outgoing;

pub(crate) use incoming::*;
pub(crate) use outgoing::*;
