//! The domain from outside: the graph and open notebooks, against examples and against a model.

#![expect(clippy::unwrap_used, reason = "these are all tests, also the helpers that clippy cannot tell")]

mod deep;
mod graph;
mod graph_properties;
mod mask;
mod model;
mod notation;
mod open;
mod run_digests;
mod sealing;
