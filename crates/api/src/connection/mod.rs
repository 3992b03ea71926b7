//! The client's connection: its address, its state as the listener and the API share it, and limits on its time.

pub(crate) mod client_address;
pub(crate) mod client_timeout;
pub(crate) mod handle;
