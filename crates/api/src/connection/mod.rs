//! The client's connection: its address, the state that the listener and the API share, and the timeout.

pub(crate) mod client_address;
pub(crate) mod client_timeout;
pub(crate) mod handle;
