//! The start of a kernel's process: its directory, its connection file, and a step in between that sets what the kernel inherits.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, lchown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use jupyter_protocol::ConnectionInfo;
use rustix::fs::OFlags;
use rustix::process::{
    Resource, Rlimit, Signal, getppid, getrlimit, nice, set_parent_process_death_signal, setrlimit, setsid,
};
use rustix::thread::set_no_new_privs;
use serde::{Deserialize, Serialize};

use crate::frame::StartSpec;
use crate::options::Limits;

/// First argument of the step in between.
pub(super) const LAUNCH_ARGUMENT: &str = "launch";
/// The variable that tells code in which kernel it runs. Its value is the name of the kernel's directory.
const KERNEL: &str = "QUIRE_KERNEL";
/// How much kernels stand back for other processes: about a third of their processor time.
const NICENESS: i32 = 5;
/// The own program of this process, also if its file has been replaced, and if another user cannot reach it.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// Maximum number of files among which lists of fonts are looked for.
const MAX_LOOKED_AT: usize = 1_000;
/// Maximum number of lists of fonts that are copied.
const MAX_FONT_LISTS: usize = 8;
/// Maximum bytes of a list of fonts that is copied.
const MAX_FONT_LIST_BYTES: u64 = 8 * 1024 * 1024;

/// What the step in between does before it becomes the kernel.
#[derive(Serialize, Deserialize)]
struct Preparation {
    /// The guardian's id.
    parent: u32,
    limits: Limits,
    /// The kernel has a user of its own, whose processes the system can count.
    has_own_user: bool,
}

/// Makes the kernel's own directory, with the connection file. Returns the path of that.
///
/// The directory is given to the kernel's user last of all: until then, nobody but this process can put a link in the place of what is made
/// in it.
pub(super) fn make_directory(spec: &StartSpec, info: &ConnectionInfo) -> io::Result<PathBuf> {
    for directory in
        [&spec.directory, &spec.directory.join("home"), &spec.directory.join("work"), &spec.directory.join("tmp")]
    {
        DirBuilder::new().mode(0o700).create(directory).map_err(|error| {
            io::Error::other(format!("its directory {} cannot be made: {error}", directory.display()))
        })?;
    }
    // A kernel without them works.
    let _ = spec.font_lists.as_deref().map(|from| copy_font_lists(spec, from));
    let path = spec.directory.join("connection.json");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(&serde_json::to_vec(info)?)?;
    for made in ["connection.json", "home", "work", "tmp", ""] {
        own(&spec.directory.join(made), spec)?;
    }
    Ok(path)
}

/// Copies Matplotlib's lists of fonts. Without them, Matplotlib makes new ones.
fn copy_font_lists(spec: &StartSpec, from: &Path) -> io::Result<()> {
    let is_list = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("fontlist-"));
    let files = fs::read_dir(from)?.flatten().take(MAX_LOOKED_AT).map(|entry| entry.path());
    let lists: Vec<PathBuf> = files.filter(|path| is_list(path)).take(MAX_FONT_LISTS).collect();
    let cache = spec.directory.join("home/.cache");
    let to = cache.join("matplotlib");
    for directory in [&cache, &to] {
        DirBuilder::new().mode(0o700).create(directory)?;
    }
    for list in lists {
        // Code in cells may be able to put anything there: what is no file of a usual size is left out, and nothing is waited for.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let Ok(flags) = i32::try_from(flags.bits()) else { continue };
        let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(&list) else { continue };
        if !file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_FONT_LIST_BYTES) {
            continue;
        }
        let copy = to.join(list.file_name().unwrap_or_default());
        let mut written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&copy)?;
        io::copy(&mut file.take(MAX_FONT_LIST_BYTES), &mut written)?;
        own(&copy, spec)?;
    }
    own(&to, spec)?;
    own(&cache, spec)
}

/// Gives a file, or a link itself, to the user that the kernel runs as.
fn own(path: &Path, spec: &StartSpec) -> io::Result<()> {
    spec.user.map_or(Ok(()), |(uid, gid)| lchown(path, Some(uid), Some(gid)))
}

/// Starts the kernel, in a session of its own. To be called on a thread that lives as long as the guardian: the kernel dies
/// with it.
pub(super) fn spawn(spec: &StartSpec, connection_file: &Path) -> io::Result<Child> {
    let preparation =
        Preparation { parent: std::process::id(), limits: spec.limits, has_own_user: spec.user.is_some() };
    let connection_file = connection_file.to_string_lossy();
    let command_line = spec.command.iter().map(|part| part.replace("{connection_file}", &connection_file));
    let mut command = Command::new(OWN_PROGRAM);
    command
        .arg(super::GUARD_ARGUMENT)
        .arg(LAUNCH_ARGUMENT)
        .arg(serde_json::to_string(&preparation)?)
        .args(command_line);
    command.env_clear();
    command.env("HOME", spec.directory.join("home")).env("TMPDIR", spec.directory.join("tmp"));
    command.envs(spec.environment.iter().map(|(name, value)| (name, value)));
    command.env(KERNEL, spec.directory.file_name().unwrap_or_default());
    // A kernel ends when this is not its parent any more.
    command.env("JPY_PARENT_PID", std::process::id().to_string());
    command.current_dir(spec.working_directory.as_deref().unwrap_or(&spec.directory.join("work")));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    if let Some((uid, gid)) = spec.user {
        command.uid(uid).gid(gid); // without other groups
    }
    command.spawn()
}

/// Sets what the kernel inherits, then becomes the kernel. Returns only if that fails.
pub(super) fn launch(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let failed = |why: &dyn std::fmt::Display| {
        let _ = writeln!(io::stderr(), "{why}");
        ExitCode::from(127)
    };
    let preparation = arguments.next().and_then(|text| serde_json::from_str(text.to_str()?).ok());
    let (Some(preparation), Some(program)) = (preparation, arguments.next()) else {
        return failed(&"this is started by quire-server only");
    };
    if let Err(error) = prepare(&preparation) {
        return failed(&format_args!("the limits of the kernel cannot be set: {error}"));
    }
    let error = Command::new(&program).args(arguments).exec();
    failed(&format_args!("{} cannot be started: {error}", program.display()))
}

fn prepare(preparation: &Preparation) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // If the guardian has ended before this was set, the kernel must not start.
    if getppid().is_none_or(|parent| parent.as_raw_nonzero().get().cast_unsigned() != preparation.parent) {
        return Err(io::Error::other("the guardian has ended"));
    }
    // Away from the server's terminal, and a mark that what descends from the kernel cannot take off.
    setsid()?;
    // No program that it starts gives it the rights of another user.
    set_no_new_privs(true)?;
    // First in line when memory is short. Not before now, since a child of a process that is not dumpable may not write it. A system
    // without it has no such line.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    // Behind the server and the guardians when the processors are busy. One that was started with less stays there.
    nice(NICENESS)?;
    // Where Linux shares the processors out between sessions, this one has to stand back as a whole.
    let _ = fs::write("/proc/self/autogroup", NICENESS.to_string());
    let limits = &preparation.limits;
    let mut all = vec![
        (Resource::Core, 0),
        (Resource::As, limits.address_space_bytes),
        (Resource::Nofile, limits.open_files),
        (Resource::Fsize, limits.file_bytes),
    ];
    if preparation.has_own_user {
        // Of all kernels together, hence many times what one may have; the guardian counts those of one.
        all.push((Resource::Nproc, limits.processes as u64 * 16));
    }
    for (resource, limit) in all {
        limit_to(resource, limit, limit)?;
    }
    // At the first, the signal that says why; at the second, the end.
    limit_to(Resource::Cpu, limits.cpu_seconds, limits.cpu_seconds + 2)?;
    Ok(())
}

fn limit_to(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    // A limit of the server's own that is lower stays.
    let now = getrlimit(resource).maximum;
    let at_most = |limit: u64| Some(now.map_or(limit, |now| now.min(limit)));
    setrlimit(resource, Rlimit { current: at_most(current), maximum: at_most(maximum) })?;
    Ok(())
}
