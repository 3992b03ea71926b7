//! The source of guarded kernels.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rustix::process::geteuid;
use tokio::sync::Notify;
use uuid::Uuid;

use super::admission::Admission;
use super::guarded_kernel::GuardedKernel;
use super::program::Program;
use crate::frame::StartSpec;
use crate::kernel::{Kernel, KernelProvider, KernelRequest, StartError};
use crate::options::KernelOptions;

/// Time from a kernel that is handed out to the start of its replacement, so that this does not slow down the first run.
const REPLACE_AFTER: Duration = Duration::from_millis(500);

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
    /// A kernel that was started ahead is ready, or none is starting any more.
    warmed: Notify,
}

/// Kernels that are started ahead.
#[derive(Debug, Default)]
struct Warm {
    ready: VecDeque<GuardedKernel>,
    is_starting: bool,
    /// Somebody waits for the one that is starting.
    is_awaited: bool,
}

/// The wait for a kernel that is started ahead. It is over when this is dropped, also because nobody wants a kernel any more.
struct Waiting<'a>(&'a Shared);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.warm.lock().is_awaited = false;
    }
}

impl GuardedKernels {
    /// Makes a source of kernels. It starts none yet.
    #[must_use]
    pub fn new(options: KernelOptions) -> Self {
        if options.user.is_none() && geteuid().is_root() {
            tracing::warn!(
                "kernels run as root, like the server: code in cells can read and change everything on this machine, the server's \
                 secrets included; make a user `quire-kernel` for them, or run the server as a user"
            );
        }
        Self {
            shared: Arc::new(Shared {
                options,
                admission: Arc::default(),
                warm: Mutex::default(),
                warmed: Notify::new(),
            }),
        }
    }

    /// Begins to start kernels ahead, as many as the options say. Needs a Tokio runtime.
    pub fn warm_up(&self) {
        Shared::warm_up(&self.shared, Duration::ZERO);
    }
}

#[async_trait]
impl KernelProvider for GuardedKernels {
    async fn start(&self, request: &KernelRequest) -> Result<Box<dyn Kernel>, StartError> {
        let Shared { admission, options, .. } = &*self.shared;
        let permit = admission.when_free(|| admission.admit_user(&request.user, options)).await?;
        let kernel = match self.shared.take_warm().await {
            Some(kernel) => kernel,
            None => self.shared.start().await?,
        };
        kernel.give(permit);
        tracing::info!(notebook = request.notebook, "started a kernel");
        Shared::warm_up(&self.shared, REPLACE_AFTER);
        Ok(Box::new(kernel))
    }
}

impl Shared {
    async fn start(&self) -> Result<GuardedKernel, StartError> {
        let permit = self.admission.when_free(|| self.admission.admit(&self.options)).await?;
        let program = Program::find(&self.options)?;
        let spec = StartSpec {
            command: program.command,
            environment: program.environment,
            directory: self.options.run_directory.join(format!("quire-kernel-{}", Uuid::new_v4().simple())),
            working_directory: self.options.working_directory.clone(),
            font_lists: self.options.font_lists.clone(),
            interrupt_by_message: program.interrupt_by_message,
            user: self.options.user.map(|user| (user.uid, user.gid)),
            limits: self.options.limits,
        };
        GuardedKernel::start(spec, &self.options, permit).await
    }

    /// Takes a kernel that was started ahead, or waits for the one that is starting, unless somebody does already.
    async fn take_warm(&self) -> Option<GuardedKernel> {
        let mut waiting = None;
        loop {
            // Before the look, since what is told is told to those who wait.
            let warmed = self.warmed.notified();
            {
                let mut warm = self.warm.lock();
                // Those that have ended since are dropped.
                while let Some(mut kernel) = warm.ready.pop_front() {
                    if kernel.is_alive() {
                        return Some(kernel);
                    }
                }
                if !warm.is_starting || (warm.is_awaited && waiting.is_none()) {
                    return None;
                }
                warm.is_awaited = true;
            }
            waiting.get_or_insert_with(|| Waiting(self));
            warmed.await;
        }
    }

    /// Starts kernels until enough are ready; one task at a time. A failure ends it: the next start by a user tries again.
    fn warm_up(shared: &Arc<Self>, after: Duration) {
        // Not kept alive by the task: when the source is dropped, so are its kernels.
        let weak = Arc::downgrade(shared);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            if !weak.upgrade().is_some_and(|shared| shared.begin_warming()) {
                return;
            }
            while let Some(shared) = weak.upgrade() {
                let started = shared.start().await;
                let mut warm = shared.warm.lock();
                let is_last = match started {
                    Ok(kernel) => {
                        warm.ready.push_back(kernel);
                        warm.ready.len() >= shared.options.warm_kernels
                    }
                    Err(error) => {
                        // Without a Python, each run says so; the server is as it is meant to be.
                        tracing::info!(%error, "no kernel could be started ahead");
                        true
                    }
                };
                warm.is_starting = !is_last;
                shared.warmed.notify_one();
                if is_last {
                    return;
                }
            }
        });
    }

    /// Returns `true` if the caller is to start kernels ahead.
    fn begin_warming(&self) -> bool {
        let mut warm = self.warm.lock();
        let begins = !warm.is_starting && warm.ready.len() < self.options.warm_kernels;
        warm.is_starting |= begins;
        begins
    }
}
