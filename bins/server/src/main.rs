//! The notebook server.

fn main() {}
