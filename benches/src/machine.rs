//! What the figures were measured on.

use serde::Serialize;
use std::fs;
use std::path::Path;
use std::process::Command;

#[derive(Debug, Serialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_bytes: u64,
    pub kernel: String,
    /// Of the directory that the logs were written into.
    pub file_system: String,
    /// As `2026-01-31`, in UTC.
    pub date: String,
}

impl Machine {
    /// This machine; `directory` is absolute.
    pub fn here(directory: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let memory_kib: u64 = field(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
        Self {
            cpu: field(&read("/proc/cpuinfo"), "model name").to_string(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_bytes: memory_kib * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_string(),
            file_system: file_system(&read("/proc/self/mountinfo"), directory).to_string(),
            date: today(),
        }
    }
}

/// The value of the first line `NAME : VALUE`.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_once(':')).map_or("unknown", |(_, value)| value.trim())
}

/// The type of the file system on which a directory lies, from the lines of `mountinfo`: the mount point is the fifth
/// word, the type the first after a lone `-`. Of two mounts in one place the later one counts.
fn file_system<'a>(mountinfo: &'a str, directory: &Path) -> &'a str {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        Some((Path::new(before.split(' ').nth(4)?), after.split(' ').next()?))
    });
    let around = mounts.filter(|(point, _)| directory.starts_with(point));
    around.max_by_key(|(point, _)| point.components().count()).map_or("unknown", |(_, name)| name)
}

fn today() -> String {
    let output = Command::new("date").args(["-u", "+%F"]).output();
    output.map_or_else(|_| "unknown".to_string(), |output| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
        21 1 254:0 / / rw,relatime - ext4 /dev/root rw\n\
        30 21 0:25 / /tmp rw shared:5 - tmpfs tmpfs rw\n\
        31 21 0:26 / /tmp rw - xfs /dev/sdb rw\n";

    #[test]
    fn the_file_system_is_that_of_the_innermost_mount() {
        assert_eq!(file_system(MOUNTS, Path::new("/home/log")), "ext4");
        assert_eq!(file_system(MOUNTS, Path::new("/tmp/log")), "xfs");
        assert_eq!(file_system(MOUNTS, Path::new("/tmpfiles")), "ext4");
    }

    #[test]
    fn a_field_is_found_by_its_name() {
        assert_eq!(field("MemTotal:  16 kB\nMemFree: 3 kB", "MemFree"), "3 kB");
        assert_eq!(field("", "MemFree"), "unknown");
    }
}
