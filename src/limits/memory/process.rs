//! Limits that the operating system sets for the process: memory and open files (proc(5), and the kernel's cgroup-v2
//! documentation).

use std::fs;
use std::path::{Path, PathBuf};

/// The memory limit in bytes if none can be read.
const UNKNOWN: usize = 1 << 30;

/// The memory that the process may use, in bytes: the smallest of its own limits, the limits of its control groups and
/// the memory of the machine.
#[must_use]
pub fn limit() -> usize {
    memory(Path::new("/")).unwrap_or(UNKNOWN)
}

/// How many files the process may have open.
#[must_use]
pub fn file_limit() -> Option<usize> {
    limit_of(Path::new("/"), "Max open files")
}

fn memory(root: &Path) -> Option<usize> {
    let own = ["Max data size", "Max address space"].into_iter().filter_map(|name| limit_of(root, name));
    own.chain(groups(root)).chain(machine(root)).min()
}

/// The soft limit with this name; `None` if it is `unlimited` or cannot be read.
fn limit_of(root: &Path, name: &str) -> Option<usize> {
    let limits = fs::read_to_string(root.join("proc/self/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The memory limits of the process's control groups and of their parents, for cgroup versions 2 and 1.
fn groups(root: &Path) -> Vec<usize> {
    let Ok(groups) = fs::read_to_string(root.join("proc/self/cgroup")) else { return Vec::new() };
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (top, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|it| it == "memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let top = root.join(top);
        let folder: PathBuf = top.join(path.trim_start_matches('/'));
        let folders = folder.ancestors().take_while(|folder| folder.starts_with(&top));
        let text = folders.filter_map(|folder| fs::read_to_string(folder.join(file)).ok());
        limits.extend(text.filter_map(|text| text.trim().parse::<usize>().ok()));
    }
    limits
}

fn machine(root: &Path) -> Option<usize> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: usize = line.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
        Max data size             unlimited            unlimited            bytes     \n\
        Max open files            1024                 524288               files     \n\
        Max address space         unlimited            unlimited            bytes     \n";

    #[test]
    fn the_lowest_of_all_memory_limits_applies() {
        let limited = LIMITS.replacen("unlimited ", "268435456 ", 1);
        for (files, expected) in [
            (&[][..], None),
            (&[("proc/meminfo", "MemTotal:       24683212 kB\nMemFree: 1 kB\n")], Some(24_683_212 * 1024)),
            (&[("proc/self/limits", LIMITS)], None),
            (&[("proc/self/limits", &limited), ("proc/meminfo", "MemTotal: 1048576 kB\n")], Some(268_435_456)),
            (&[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "max\n")], None),
            (&[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "536870912\n")], Some(536_870_912)),
            // A parent group may have a lower limit.
            (
                &[
                    ("proc/self/cgroup", "0::/a/b\n"),
                    ("sys/fs/cgroup/a/b/memory.max", "2000\n"),
                    ("sys/fs/cgroup/a/memory.max", "1000\n"),
                    ("sys/fs/cgroup/c/memory.max", "10\n"),
                ],
                Some(1000),
            ),
            (
                &[
                    ("proc/self/cgroup", "7:cpu:/x\n4:blkio,memory:/x\n"),
                    ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "3000\n"),
                ],
                Some(3000),
            ),
            (&[("proc/self/cgroup", "nonsense\n"), ("proc/meminfo", "MemTotal: much\n")], None),
        ] {
            let root = tempfile::tempdir().unwrap();
            for (name, text) in files {
                let file = root.path().join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            assert_eq!(memory(root.path()), expected, "{files:?}");
        }
    }

    #[test]
    fn open_files_are_limited_by_the_soft_limit() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        fs::write(root.path().join("proc/self/limits"), LIMITS).unwrap();
        assert_eq!(limit_of(root.path(), "Max open files"), Some(1024));
    }
}
