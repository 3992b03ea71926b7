//! The program that guards the tests' kernels, as `quire-server` does those of a server.

use std::process::ExitCode;

fn main() -> ExitCode {
    quire_execution::guard()
}
