//! Running cells, with the real server and a real kernel.

mod elsewhere;
mod kernels;
mod notebook;
mod order;
mod requests;
mod results;
