//! Which process holds a lock, as far as /proc says it: the kernel itself names no holder of an open-file-description lock.

use super::FileId;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// How many descriptors are looked at before the search is given up.
const DESCRIPTORS_MAX: usize = 1 << 16;

/// The process that holds a lock of `kind` (as the kernel spells it) on the file `id`; `None` when no process that this one may look into
/// does. `guess` is looked at first, and believed no more than the others.
pub(super) fn find(id: FileId, kind: &str, guess: Option<u32>) -> Option<u32> {
    let listed = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = listed.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut left = DESCRIPTORS_MAX;
    guess.into_iter().chain([std::process::id()]).chain(all).find(|pid| holds(*pid, id, kind, &mut left))
}

/// Whether a descriptor of the process `pid` carries the lock; `left`: how many descriptors may still be looked at.
fn holds(pid: u32, id: FileId, kind: &str, left: &mut usize) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else { return false };
    let inode = format!(":{} ", id.inode);
    descriptors.flatten().any(|descriptor| {
        let Some(rest) = left.checked_sub(1) else { return false };
        *left = rest;
        let Ok(text) = fs::read_to_string(descriptor.path()) else { return false };
        let is_locked =
            text.lines().any(|line| line.starts_with("lock:") && line.contains(kind) && line.contains(&inode));
        // The kernel spells the device in another way than stat where a file system has several.
        let file = format!("/proc/{pid}/fd/{}", descriptor.file_name().display());
        is_locked && fs::metadata(file).is_ok_and(|found| (found.dev(), found.ino()) == (id.device, id.inode))
    })
}
