//! Limiters of what clients may use at once: bytes, requests, sockets.

pub(crate) mod byte_budget;
pub(crate) mod edits_in_flight;
pub(crate) mod in_flight;
pub(crate) mod request_rate;
pub(crate) mod socket_limiter;
