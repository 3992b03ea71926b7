//! The memory that is available to the process.

use std::fs;
use std::path::Path;

const MIB: u64 = 1024 * 1024;
/// The available MiB if they cannot be determined, as on systems without `/proc`.
const UNKNOWN_MIB: usize = 2 * 1024;

/// Returns the MiB that the process may use: the minimum of the machine's memory, the limits of its control groups and the
/// limit of its address space.
pub(crate) fn available_mib() -> usize {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let group = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let least = [
        physical(&read("/proc/meminfo")),
        address_space(&read("/proc/self/limits")),
        control_groups(&read("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"), group),
    ];
    let least = least.into_iter().flatten().min().map(|bytes| bytes / MIB);
    least.map_or(UNKNOWN_MIB, |mib| usize::try_from(mib).unwrap_or(usize::MAX))
}

/// Returns the machine's memory, from `/proc/meminfo`.
fn physical(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Returns the soft limit of the address space (`RLIMIT_AS`), from `/proc/self/limits`.
fn address_space(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok() // or "unlimited"
}

/// Returns the minimum of the limits of the process's control group and those above it. Version 2 has one group, in `root`;
/// version 1 has one for memory, in `root/memory`. In a container, `root` is the group itself, and the path in `groups` may not
/// be below it.
fn control_groups(groups: &str, root: &Path, read: impl Fn(&Path) -> String) -> Option<u64> {
    let limits = groups.lines().flat_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let (root, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            others if others.split(',').any(|one| one == "memory") => (root.join("memory"), "memory.limit_in_bytes"),
            _ => return Vec::new(),
        };
        let group = root.join(path.trim_start_matches('/'));
        let groups = group.ancestors().take_while(|group| group.starts_with(&root));
        groups.filter_map(|group| read(&group.join(file)).trim().parse().ok()).collect::<Vec<u64>>()
    });
    limits.min() // "max" is no number; version 1 writes a very large one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_and_the_limits_of_the_process_are_read() {
        assert_eq!(physical("MemTotal:       16384 kB\nMemFree:  1 kB\n"), Some(16 * MIB));
        assert_eq!(physical(""), None);
        let limits = |soft: &str| {
            format!("Limit   Soft Limit  Hard Limit  Units\nMax address space   {soft}  unlimited  bytes\n")
        };
        assert_eq!(address_space(&limits("1073741824")), Some(1024 * MIB));
        assert_eq!(address_space(&limits("unlimited")), None);
        assert!(available_mib() > 0);
    }

    #[test]
    fn the_least_limit_of_the_groups_above_counts() {
        let files = |path: &Path| match path.to_str().unwrap() {
            "/root/a/b/memory.max" => "max\n".to_owned(),
            "/root/a/memory.max" => "1000\n".to_owned(),
            "/root/memory.max" => "3000\n".to_owned(),
            "/root/memory/c/memory.limit_in_bytes" => "9223372036854771712\n".to_owned(),
            "/root/memory/memory.limit_in_bytes" => "2000\n".to_owned(),
            _ => String::new(),
        };
        let root = Path::new("/root");
        assert_eq!(control_groups("0::/a/b\n", root, files), Some(1000));
        assert_eq!(control_groups("0::/\n", root, files), Some(3000));
        // In a container, the path is the host's, and the root is the container's own group.
        assert_eq!(control_groups("0::/elsewhere/x\n", root, files), Some(3000));
        let of_1 = "5:cpu,cpuacct:/c\n4:memory:/c\n1:name=systemd:/c\n";
        assert_eq!(control_groups(of_1, root, files), Some(2000));
        assert_eq!(control_groups("4:cpu:/a\n", root, files), None);
    }
}
