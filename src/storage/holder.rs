//! Which process holds a lock, as far as /proc says it: the kernel itself names no holder of an open-file-description
//! lock.

use super::names::{self, CName};
use super::{FileId, sys};
use crate::format::name::FileName;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::ControlFlow::{self, Break, Continue};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

/// How many descriptors are looked at before the search is given up.
const DESCRIPTORS_MAX: usize = 1 << 16;
/// How many bytes are read of the text about a descriptor. For a file, that text has some hundred bytes and a line for
/// each lock.
const TEXT_BYTES_MAX: usize = 4096;

/// The process that holds a lock of `kind` (as the kernel spells it) on the file `id`. `None` when no process that this
/// one may look into holds it. The process `guess` is looked at first, and must hold the lock like any other.
pub(super) fn find(id: FileId, kind: &str, guess: Option<u32>) -> Option<u32> {
    let mut left = DESCRIPTORS_MAX;
    let mut holds_it = |pid: u32| holds(pid, id, kind, &mut left).then_some(pid);
    let likely = guess.into_iter().chain([std::process::id()]).find_map(&mut holds_it);
    likely.or_else(|| find_name(format_args!("/proc"), |name| holds_it(name.parse().ok()?)))
}

/// Whether a descriptor of the process `pid` carries the lock; `left`: how many descriptors may still be looked at.
fn holds(pid: u32, id: FileId, kind: &str, left: &mut usize) -> bool {
    let inode = FileName::of(format_args!(":{} ", id.inode));
    let carries_it = |descriptor: &str| {
        let rest = left.checked_sub(1)?;
        *left = rest;
        let mut text = [0; TEXT_BYTES_MAX];
        let mut lines = read(&FileName::of(format_args!("/proc/{pid}/fdinfo/{descriptor}")), &mut text)?.lines();
        lines.find(|line| line.starts_with("lock:") && line.contains(kind) && line.contains(&*inode))?;
        // On a file system with several devices, this text has another device number than `stat` gives.
        let found = fs::metadata(FileName::of(format_args!("/proc/{pid}/fd/{descriptor}"))).ok()?;
        ((found.dev(), found.ino()) == (id.device, id.inode)).then_some(())
    };
    find_name(format_args!("/proc/{pid}/fdinfo"), carries_it).is_some()
}

/// The text at the beginning of the file at `path`, as far as it fits into `text`.
fn read<'a>(path: &FileName, text: &'a mut [u8]) -> Option<&'a str> {
    let (mut file, mut length) = (File::open(path).ok()?, 0);
    loop {
        match file.read(&mut text[length..]).ok()? {
            0 => return str::from_utf8(&text[..length]).ok(),
            more => length += more,
        }
    }
}

/// The first result of `found` for a name in `directory`; `None` where the directory cannot be read.
fn find_name<T>(directory: fmt::Arguments<'_>, mut found: impl FnMut(&str) -> Option<T>) -> Option<T> {
    let mut answer = None;
    let visit = |name: &str| -> io::Result<ControlFlow<()>> {
        answer = found(name);
        Ok(if answer.is_some() { Break(()) } else { Continue(()) })
    };
    let path = CName::new(&FileName::of(directory)).ok()?;
    names::visit_names(sys::open_directory(&path).ok()?.as_fd(), visit).ok()?;
    answer
}
