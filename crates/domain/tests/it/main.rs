//! The domain from outside: the graph and open notebooks, against examples and against a model.

mod deep;
mod graph;
mod graph_properties;
mod model;
mod notation;
mod open;
