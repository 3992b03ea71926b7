//! Running code in kernels. This crate knows cells' code and outputs, and no notebook, store or API.

mod kernel;

pub use kernel::{Execution, Kernel, KernelEvent, KernelProvider, KernelRequest, Outcome, StartError};
