//! Kernels as they are: a real ipykernel, below a real guardian.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod basics;
mod bounds;
mod ending;
mod interrupting;
mod kernels;
mod outputs;
mod starting;
