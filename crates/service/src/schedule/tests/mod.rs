//! Tests of each rule, of all rules together against a model, and of how work grows.

mod bench;
mod document;
mod fixture;
mod model;
mod programs;
mod rules;
mod writers;
