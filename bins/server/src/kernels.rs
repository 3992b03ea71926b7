//! The kernels that cells run in, by the configuration.

use std::sync::Arc;

use quire_execution::{GuardedKernels, KernelOptions, KernelProgram, KernelProvider, KernelUser};
use rustix::process::geteuid;

use crate::config::Config;

/// This program, also if its file has been replaced since it started.
const OWN_PROGRAM: &str = "/proc/self/exe";
const MIB: u64 = 1024 * 1024;

/// Makes the source of kernels; `None` if no cell may be run.
pub(crate) fn provider(config: &Config) -> Option<Arc<dyn KernelProvider>> {
    let options = &config.options;
    let is_development = config.authenticator.is_development();
    if options.read_only || !(is_development || options.allow_execution) {
        return None;
    }
    let program = match &options.kernelspec {
        Some(directory) => KernelProgram::Spec(directory.clone(), Some(options.python.clone())),
        None => KernelProgram::Python(options.python.clone()),
    };
    let mut kernels = KernelOptions::new(OWN_PROGRAM.into(), program);
    kernels.warm_kernels = options.warm_kernels.unwrap_or(usize::from(is_development));
    kernels.max_kernels_per_user = options.user_kernels;
    kernels.max_kernels = options.max_kernels;
    kernels.limits.memory_bytes = options.kernel_memory_mib * MIB;
    kernels.user = KernelUser::of_machine();
    // For root, the kernels' own warning says more.
    if !is_development && kernels.user.is_none() && !geteuid().is_root() {
        tracing::warn!(
            "--allow-execution: code of signed-in users runs as the server's user and can read and change what the server can, notebooks of \
             others and files with secrets included; run the server as root with a user `quire-kernel`, see docs/execution.md"
        );
    }
    let kernels = GuardedKernels::new(kernels);
    kernels.warm_up();
    Some(Arc::new(kernels))
}
