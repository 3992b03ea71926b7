//! The source of guarded kernels.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use rustix::process::geteuid;
use uuid::Uuid;

use super::admission::Admission;
use super::guarded_kernel::GuardedKernel;
use super::program::Program;
use crate::frame::StartSpec;
use crate::kernel::{Kernel, KernelProvider, KernelRequest, StartError};
use crate::options::KernelOptions;

/// Jupyter kernels, each below a guardian of its own, so that all its processes end when it does, and when the server does.
///
/// The process becomes the sub-reaper of its descendants: what a killed guardian leaves behind is found.
#[derive(Debug)]
pub struct GuardedKernels {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: KernelOptions,
    admission: Arc<Admission>,
    warm: Mutex<Warm>,
}

/// Kernels that were started ahead.
#[derive(Debug, Default)]
struct Warm {
    ready: VecDeque<GuardedKernel>,
    is_starting: bool,
}

impl GuardedKernels {
    /// Makes a source of kernels. It starts none yet.
    #[must_use]
    pub fn new(options: KernelOptions) -> Self {
        if options.user.is_none() && geteuid().is_root() {
            tracing::warn!(
                "kernels run as root, like the server: code in cells can read and change everything on this machine, the server's \
                 secrets included; make a user for them, or run the server as a user"
            );
        }
        Self { shared: Arc::new(Shared { options, admission: Arc::default(), warm: Mutex::default() }) }
    }

    /// Begins to start kernels ahead, as many as the options say. Needs a Tokio runtime.
    pub fn warm_up(&self) {
        Shared::warm_up(&self.shared);
    }
}

#[async_trait]
impl KernelProvider for GuardedKernels {
    async fn start(&self, request: &KernelRequest) -> Result<Box<dyn Kernel>, StartError> {
        let options = &self.shared.options;
        let ready = self.shared.take_ready();
        let mut kernel = match ready {
            Some(kernel) => kernel,
            None => self.shared.start().await?,
        };
        let given = kernel.give_to(&request.user, options);
        match given {
            Ok(()) => {
                self.warm_up();
                Ok(Box::new(kernel))
            }
            Err(error) => {
                self.shared.warm.lock().ready.push_back(kernel);
                Err(error)
            }
        }
    }
}

impl Shared {
    async fn start(&self) -> Result<GuardedKernel, StartError> {
        let permit = self.admission.admit(&self.options)?;
        let program = Program::find(&self.options)?;
        let spec = StartSpec {
            command: program.command,
            environment: program.environment,
            directory: self.options.run_directory.join(format!("quire-kernel-{}", Uuid::new_v4().simple())),
            working_directory: self.options.working_directory.clone(),
            interrupt_by_message: program.interrupt_by_message,
            user: self.options.user.map(|user| (user.uid, user.gid)),
            limits: self.options.limits,
        };
        GuardedKernel::start(spec, &self.options, permit).await
    }

    /// Takes a kernel that was started ahead. Those that have ended since are dropped.
    fn take_ready(&self) -> Option<GuardedKernel> {
        let mut warm = self.warm.lock();
        while let Some(mut kernel) = warm.ready.pop_front() {
            if kernel.is_alive() {
                return Some(kernel);
            }
        }
        None
    }

    /// Starts kernels until enough are ready; one task at a time. A failure ends it: the next start by a user tries again.
    fn warm_up(shared: &Arc<Self>) {
        if std::mem::replace(&mut shared.warm.lock().is_starting, true) {
            return;
        }
        // Not kept alive by the task: when the source is dropped, so are its kernels.
        let weak = Arc::downgrade(shared);
        tokio::spawn(async move {
            while let Some(shared) = weak.upgrade() {
                if shared.warm.lock().ready.len() >= shared.options.warm_kernels {
                    shared.warm.lock().is_starting = false;
                    return;
                }
                match shared.start().await {
                    Ok(kernel) => shared.warm.lock().ready.push_back(kernel),
                    Err(error) => {
                        tracing::warn!(%error, "no kernel could be started ahead");
                        shared.warm.lock().is_starting = false;
                        return;
                    }
                }
            }
        });
    }
}
