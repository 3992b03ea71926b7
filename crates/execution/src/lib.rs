//! Running code in kernels. This crate knows cells' code and outputs, and no notebook, store or API.
//!
//! [`GuardedKernels`] are Jupyter kernels, each below a process of its own, the guardian, which runs [`guard`].

mod frame;
mod guarded;
mod guardian;
mod kernel;
mod options;
mod protect;

pub use guarded::GuardedKernels;
pub use guardian::{GUARD_ARGUMENT, guard};
pub use kernel::{Execution, Kernel, KernelEvent, KernelProvider, KernelRequest, Outcome, StartError};
pub use options::{KernelOptions, KernelProgram, KernelUser, Limits};
pub use protect::protect_memory;
