//! Extractors: what handlers take from a request. Every failure is a [`Problem`](crate::problem::Problem).

pub(crate) mod body;
pub(crate) mod path;
pub(crate) mod receiving;
