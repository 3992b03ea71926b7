//! The command and the environment of a kernel.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::kernel::StartError;
use crate::options::{KernelOptions, KernelProgram};

/// Folders of programs, after the Python's own.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How a kernel is started and interrupted.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) command: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) interrupt_by_message: bool,
}

/// The file `kernel.json` of an installed kernel.
#[derive(Deserialize)]
struct KernelSpec {
    argv: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    interrupt_mode: Option<String>,
}

impl Program {
    /// Finds the program.
    ///
    /// # Errors
    /// [`StartError::NotInstalled`] says what is missing.
    pub(super) fn find(options: &KernelOptions) -> Result<Self, StartError> {
        let (python, spec) = match &options.program {
            KernelProgram::Missing(why) => return Err(StartError::NotInstalled(why.clone())),
            KernelProgram::Python(python) => (Some(find_python(python)?), None),
            KernelProgram::Spec(directory, python) => {
                let python = python.as_deref().map(find_python).transpose()?;
                let spec = KernelSpec::read(&find_spec(directory, python.as_deref()))?;
                (python, Some(spec))
            }
        };
        let mut environment = environment(python.as_deref());
        let (command, interrupt_by_message) = match spec {
            None => {
                let python = python.unwrap_or_default().to_string_lossy().into_owned();
                (
                    vec![
                        python,
                        "-m".to_owned(),
                        "ipykernel_launcher".to_owned(),
                        "-f".to_owned(),
                        "{connection_file}".to_owned(),
                    ],
                    false,
                )
            }
            Some((spec, directory)) => {
                environment.extend(spec.env);
                let mut command: Vec<String> =
                    spec.argv.iter().map(|part| part.replace("{resource_dir}", &directory.to_string_lossy())).collect();
                if let (Some(first), Some(python)) = (command.first_mut(), python)
                    && matches!(first.as_str(), "python" | "python3")
                {
                    *first = python.to_string_lossy().into_owned();
                }
                (command, spec.interrupt_mode.as_deref() == Some("message"))
            }
        };
        environment.extend(options.environment.iter().cloned());
        Ok(Self { command, environment, interrupt_by_message })
    }
}

impl KernelSpec {
    fn read(directory: &Path) -> Result<(Self, PathBuf), StartError> {
        let path = directory.join("kernel.json");
        let not_installed = |why: &dyn std::fmt::Display| {
            StartError::NotInstalled(format!("the kernel {} cannot be used: {why}", path.display()))
        };
        let text = fs::read(&path).map_err(|error| not_installed(&error))?;
        let spec: Self = serde_json::from_slice(&text).map_err(|error| not_installed(&error))?;
        if spec.argv.is_empty() {
            return Err(not_installed(&"it names no program"));
        }
        Ok((spec, directory.to_owned()))
    }
}

/// Returns the path of a Python. Links are not followed: a virtual environment is known by the path.
fn find_python(python: &Path) -> Result<PathBuf, StartError> {
    let found = if python.components().count() == 1 {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders).map(|folder| folder.join(python)).find(|path| path.is_file())
    } else {
        std::path::absolute(python).ok().filter(|path| path.is_file())
    };
    found.ok_or_else(|| {
        let why =
            format!("there is no Python at {}: name one that has ipykernel installed (--python)", python.display());
        StartError::NotInstalled(why)
    })
}

/// Returns the directory of an installed kernel. A name is looked for where Jupyter installs kernels: for this Python, for the user, for the
/// machine.
fn find_spec(spec: &Path, python: Option<&Path>) -> PathBuf {
    let prefix = python.and_then(Path::parent).and_then(Path::parent).map(|prefix| prefix.join("share"));
    let home = std::env::home_dir().map(|home| home.join(".local/share"));
    let machine = ["/usr/local/share", "/usr/share"].map(PathBuf::from);
    let mut folders =
        prefix.into_iter().chain(home).chain(machine).map(|share| share.join("jupyter/kernels").join(spec));
    let is_name = spec.components().count() == 1;
    folders.find(|folder| is_name && folder.join("kernel.json").is_file()).unwrap_or_else(|| spec.to_owned())
}

/// Makes the environment of a kernel, which has nothing of the server's.
fn environment(python: Option<&Path>) -> Vec<(String, String)> {
    let own = python.and_then(Path::parent).map(|folder| format!("{}:", folder.display())).unwrap_or_default();
    let variables = [
        ("PATH", format!("{own}{PATH}")),
        ("LANG", "C.UTF-8".to_owned()),
        ("MPLBACKEND", "module://matplotlib_inline.backend_inline".to_owned()),
        ("PLOTLY_RENDERER", "plotly_mimetype".to_owned()),
    ];
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
