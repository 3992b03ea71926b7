//! The server's side of guarded kernels.

mod admission;
mod guarded_kernel;
mod orphans;
mod program;
mod provider;
mod relay;
mod spawner;

pub use provider::GuardedKernels;
