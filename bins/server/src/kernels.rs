//! The kernels that cells run in, by the configuration.

use std::sync::Arc;

use anyhow::Context as _;
use quire_execution::{GuardedKernels, KernelOptions, KernelProgram, KernelProvider, KernelUser};

use crate::config::Config;

/// The operating system's user of kernels, where the server is root.
const USER: &str = "quire-kernel";

const MIB: u64 = 1024 * 1024;

/// Makes the source of kernels; `None` if no cell may be run.
///
/// # Errors
/// If the operating system does not say which program this is.
pub(crate) fn provider(config: &Config) -> anyhow::Result<Option<Arc<dyn KernelProvider>>> {
    let options = &config.options;
    let is_development = config.authenticator.is_development();
    if options.read_only || !(is_development || options.allow_execution) {
        return Ok(None);
    }
    let program = match &options.kernelspec {
        Some(directory) => KernelProgram::Spec(directory.clone(), Some(options.python.clone())),
        None => KernelProgram::Python(options.python.clone()),
    };
    let guardian = std::env::current_exe().context("cannot find this program to guard kernels")?;
    let mut kernels = KernelOptions::new(guardian, program);
    kernels.warm_kernels = options.warm_kernels.unwrap_or(usize::from(is_development));
    kernels.max_kernels_per_user = options.user_kernels;
    kernels.max_kernels = options.max_kernels;
    kernels.limits.memory_bytes = options.kernel_memory_mib * MIB;
    kernels.user = kernel_user();
    let kernels = GuardedKernels::new(kernels);
    kernels.warm_up();
    Ok(Some(Arc::new(kernels)))
}

/// Returns the user that kernels run as, if the server is root. Says what does not hold without one.
fn kernel_user() -> Option<KernelUser> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    match KernelUser::find(USER) {
        Ok(Some(user)) => Some(user),
        Ok(None) => {
            tracing::warn!(
                "the server is root and there is no user {USER}, so kernels are root too: code in cells can read and change everything on \
                 this machine"
            );
            None
        }
        Err(error) => {
            tracing::warn!(%error, "kernels are root, because the machine's users cannot be read");
            None
        }
    }
}
