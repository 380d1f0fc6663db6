//! Full disks and limits of the process: refusals that change nothing, and success once there is room.

use super::{UNIT_BYTES, create, make_room_with_blocks_ahead, open, os_error, read, size, skipped};
use crate::storage::Arc;
use crate::storage::Io;
use crate::storage::simulated::Simulated;
use crate::storage::{OpenMode, Storage};
use std::env;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;

/// Shows a test that it runs in the child made for it, under the conditions it needs.
const CHILD: &str = "IMMUTA_TEST_CHILD";
/// Shows such a child where its file system is mounted.
const MOUNTED: &str = "IMMUTA_TEST_DIRECTORY";
/// How the shell says that a file system cannot be mounted here.
const CANNOT_MOUNT: i32 = 77;

/// Whether this is the child that [`run_child`] made for `what`.
pub(super) fn in_child(what: &str) -> bool {
    env::var_os(CHILD).is_some_and(|value| value == what)
}

/// The command that runs the test `path` (with its crate's name in front) again, alone, from a shell `script` that ends
/// in `exec "$@"`.
fn child(path: &str, what: &str, script: &str) -> io::Result<Command> {
    let test = path.split_once("::").map_or(path, |(_crate, test)| test);
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(env::current_exe()?);
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, what);
    // For coverage runs: under the limits that the child exists for, it could not write its own profile.
    command.env("LLVM_PROFILE_FILE", "/dev/null");
    Ok(command)
}

/// Runs the test `path` again, alone, in a child made by the shell `script`.
pub(super) fn run_child(path: &str, what: &str, script: &str) -> io::Result<()> {
    let status = child(path, what, script)?.status()?;
    assert!(status.success(), "the child failed: {status}");
    Ok(())
}

/// Fills the disk beside a ballast file, looks at what the refusal left, and goes on once the ballast is gone.
fn fill_and_go_on(storage: &Arc<dyn Storage>) -> io::Result<()> {
    let ballast = create(storage, "ballast")?;
    ballast.write_at(0, &vec![1; 400 << 10])?;
    let file = create(storage, "a")?;
    file.write_at(0, &[0; 8])?;
    let mut tail = file.tail()?;
    let (mut end, record) = (8, vec![7; 50_000]);
    let refusal = loop {
        let size_before = size(&file)?;
        match tail.make_room(end, end + 50_000) {
            Ok(()) => {
                tail.put(end, &[&record])?;
                end += 50_000;
            }
            Err(refusal) => {
                assert_eq!(size(&file)?, size_before, "a refused extension leaves the size alone");
                break refusal;
            }
        }
        assert!(end < 2 << 20, "the disk must become full");
    };
    assert_eq!(refusal.raw_os_error(), Some(libc::ENOSPC));
    assert!(end > 300_000, "and not before it is: {end}");
    let left = usize::try_from(tail.room_end() - end).unwrap_or(0);
    tail.put(end, &[&vec![8; left]])?;
    assert_eq!(os_error(tail.make_room(end, end + (64 << 20))), Some(libc::ENOSPC), "refused again");
    assert_eq!(read(&file, end, left)?, vec![8; left], "room made earlier is still room");

    ballast.set_size(0)?;
    tail.make_room(end, end + 50_000)?;
    tail.put(end, &[&record])?;
    assert_eq!(read(&file, end, 50_000)?, record, "the same succeeds once there is room");
    assert!(size(&file)?.is_multiple_of(UNIT_BYTES));
    Ok(())
}

/// On a disk without room, a page that has no block yet is refused when it is mapped, instead of faulting when it is
/// stored to.
fn pages_need_room_too(storage: &Arc<dyn Storage>) -> io::Result<()> {
    let ballast = create(storage, "more ballast")?;
    while ballast.write_at(size(&ballast)?, &[1; 4096]).is_ok() {}
    let page = create(storage, "page")?;
    page.set_size(4096)?;
    assert_eq!(os_error(page.shared_page()), Some(libc::ENOSPC));
    assert_eq!(os_error(page.commit_word(true)), Some(libc::ENOSPC));
    storage.open("a", OpenMode::Write)?.set_size(0)?;
    page.commit_word(true)?.store(1)
}

#[test]
fn a_full_simulated_disk_refuses_and_recovers() -> io::Result<()> {
    let disk = Simulated::new();
    disk.set_capacity(1 << 20);
    fill_and_go_on(&disk.storage())?;
    disk.set_capacity(0);
    assert_eq!(os_error(create(&disk.storage(), "b")?.write_at(0, b"x")), Some(libc::ENOSPC));
    disk.set_capacity(u64::MAX);
    disk.storage().open("b", OpenMode::Write)?.write_at(0, b"x")
}

/// Runs the test `path` again, alone, with a new file system of type `kind` on [`MOUNTED`]; says so where that is not
/// allowed.
fn run_mounted(path: &str, kind: &str, options: &str) -> io::Result<()> {
    if !Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success()) {
        skipped(path, "no mount name spaces here");
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let mount = format!(r#"mount -t {kind} -o {options} {kind} "${MOUNTED}" || exit {CANNOT_MOUNT}; exec "$@""#);
    let script = format!(r#"exec unshare -rm sh -c '{mount}' sh "$@""#);
    let status = child(path, kind, &script)?.env(MOUNTED, directory.path()).status()?;
    if status.code() == Some(CANNOT_MOUNT) {
        skipped(path, format_args!("cannot mount {kind} here"));
    } else {
        assert!(status.success(), "the child failed: {status}");
    }
    Ok(())
}

/// The directory of the file system that [`run_mounted`] made.
fn open_mounted(io: Io) -> io::Result<Arc<dyn Storage>> {
    let directory = env::var_os(MOUNTED).ok_or(io::ErrorKind::NotFound)?;
    open(Path::new(&directory), io)
}

#[test]
fn a_full_file_system_refuses_and_recovers() -> io::Result<()> {
    if !in_child("tmpfs") {
        let here = concat!(module_path!(), "::a_full_file_system_refuses_and_recovers");
        return run_mounted(here, "tmpfs", "size=1m");
    }
    for io in [Io::Mmap, Io::Syscall] {
        println!("engine {io:?}");
        let storage = open_mounted(io)?;
        fill_and_go_on(&storage)?;
        if io == Io::Mmap {
            pages_need_room_too(&storage)?;
        }
        storage.list()?.iter().try_for_each(|name| storage.remove(name))?;
    }
    Ok(())
}

#[test]
fn where_nothing_can_be_preallocated_the_size_has_to_do() -> io::Result<()> {
    if !in_child("ramfs") {
        let here = concat!(module_path!(), "::where_nothing_can_be_preallocated_the_size_has_to_do");
        return run_mounted(here, "ramfs", "mode=0700");
    }
    let storage = open_mounted(Io::Auto)?;
    assert!(!storage.maps_files(), "not a file system known to be safe for mappings");
    let file = create(&storage, "a")?;
    let refusal = crate::storage::sys::allocate(std::fs::File::create(storage.path().join("probe"))?.as_fd(), 0, 1);
    assert_eq!(os_error(refusal), Some(libc::EOPNOTSUPP), "it cannot preallocate");
    let mut tail = file.tail()?;
    tail.make_room(0, UNIT_BYTES + 1)?;
    assert_eq!((size(&file)?, tail.room_end()), (2 * UNIT_BYTES, 2 * UNIT_BYTES));
    tail.put(UNIT_BYTES - 1, &[b"ab"])?;
    assert_eq!(read(&file, UNIT_BYTES - 1, 3)?, b"ab\0");
    file.set_size(UNIT_BYTES)?;
    tail.make_room(UNIT_BYTES, UNIT_BYTES + 1)?;
    assert_eq!(read(&file, UNIT_BYTES - 1, 2)?, b"a\0", "extended again with zeros");
    Ok(())
}

#[test]
fn the_file_size_limit_is_an_error_and_no_signal() -> io::Result<()> {
    if !in_child("fsize") {
        let here = concat!(module_path!(), "::the_file_size_limit_is_an_error_and_no_signal");
        return run_child(here, "fsize", r#"ulimit -f 700; exec "$@""#);
    }
    let limit = crate::storage::sys::file_size_limit();
    assert!(limit < 1 << 20, "the child runs under a limit: {limit}");
    for io in [Io::Auto, Io::Syscall] {
        println!("engine {io:?}, limit {limit} bytes");
        let directory = tempfile::tempdir()?;
        let storage = open(directory.path(), io)?;
        let file = create(&storage, "a")?;
        let mut tail = file.tail()?;
        let last = limit - limit % UNIT_BYTES;
        tail.make_room(0, last - UNIT_BYTES + 1)?;
        assert_eq!(size(&file)?, last, "extended as far as the limit allows");
        for to in [last + 1, limit + 1] {
            assert_eq!(os_error(tail.make_room(0, to)), Some(libc::EFBIG), "to {to}");
            assert_eq!(size(&file)?, last, "unchanged");
        }
        tail.put(last - 1, &[b"x"])?;
        assert_eq!(os_error(file.write_at(limit, b"x")), Some(libc::EFBIG));
        assert_eq!(os_error(file.write_at(limit - 1, b"xy")), Some(libc::EFBIG));
        assert_eq!(os_error(file.write_at(u64::MAX, b"xy")), Some(libc::EFBIG));
        assert_eq!(os_error(file.set_size(limit + 1)), Some(libc::EFBIG));
        assert_eq!(size(&file)?, last, "unchanged");
    }
    Ok(())
}

#[test]
fn room_is_made_ahead_without_zeros_where_the_limit_was_lowered_meanwhile() -> io::Result<()> {
    if !in_child("fsize lowered") {
        let here = concat!(module_path!(), "::room_is_made_ahead_without_zeros_where_the_limit_was_lowered_meanwhile");
        return run_child(here, "fsize lowered", r#"exec "$@""#);
    }
    let directory = tempfile::tempdir()?;
    let storage = open(directory.path(), Io::Auto)?;
    let file = create(&storage, "a")?;
    let mut tail = file.tail()?;
    make_room_with_blocks_ahead(tail.as_mut())?;
    let Some(room) = tail.room_ahead(40 << 20) else {
        assert!(!storage.maps_files());
        return Ok(());
    };
    let own = format!("--pid={}", std::process::id());
    assert!(Command::new("prlimit").args([own.as_str(), "--fsize=65536"]).status()?.success());
    assert!(room.make(|| true), "a write beyond the limit would raise SIGXFSZ");
    Ok(())
}

#[test]
fn little_address_space_means_small_windows() -> io::Result<()> {
    if !in_child("address space") {
        let here = concat!(module_path!(), "::little_address_space_means_small_windows");
        return run_child(here, "address space", r#"ulimit -v 60000; exec "$@""#);
    }
    let directory = tempfile::tempdir()?;
    let storage = open(directory.path(), Io::Auto)?;
    let file = create(&storage, "a")?;
    let (mut tail, mut view) = (file.tail()?, file.view()?);
    for step in 0..40 {
        let offset = step * (1 << 20);
        tail.make_room(offset, offset + 8)?;
        tail.put(offset, &[b"somebyte"])?;
        view.load(offset, 8, offset + 8)?;
        assert_eq!(view.loaded(), b"somebyte", "at {offset}");
    }
    file.set_size(1 << 30)?; // a window over all of it cannot be had
    for offset in [0, 39 << 20, 1 << 20, 30 << 20] {
        view.load(offset, 8, 40 << 20)?;
        assert_eq!(view.loaded(), b"somebyte", "after a jump to {offset}");
    }
    file.set_size(40 << 20)?;
    if storage.maps_files() {
        let (size_before, room_before) = (size(&file)?, tail.room_end());
        assert_eq!(os_error(tail.make_room(39 << 20, 139 << 20)), Some(libc::ENOMEM), "a window that cannot be had");
        assert_eq!((size(&file)?, tail.room_end()), (size_before, room_before), "leaves size and room as they were");
        tail.put(room_before - 4, &[b"room"])?;
        file.set_size(1 << 30)?;
        let refusal = os_error(view.load(0, 1 << 29, 1 << 29));
        assert_eq!(refusal, Some(libc::ENOMEM), "what does not fit at all is an error");
    }
    Ok(())
}
