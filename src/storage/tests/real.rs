//! What only real files can show: kinds of files, descriptors, shared pages, forks.

use super::{MIB, UNIT_BYTES, create, make_room_with_blocks_ahead, open, os_error, pattern, read, size, skipped};
use crate::error::ErrorKind;
use crate::storage::Io;
use crate::storage::{OpenMode, open_directory};
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

const BOTH: [Io; 2] = [Io::Auto, Io::Syscall];

#[test]
fn only_regular_files_are_opened() -> io::Result<()> {
    for io in BOTH {
        let directory = tempfile::tempdir()?;
        let storage = open(directory.path(), io)?;
        create(&storage, "file")?;
        symlink("file", directory.path().join("link"))?;
        fs::create_dir(directory.path().join("directory"))?;
        assert!(Command::new("mkfifo").arg(directory.path().join("fifo")).status()?.success());
        for mode in [OpenMode::Read, OpenMode::Write] {
            println!("{io:?} {mode:?}");
            assert_eq!(os_error(storage.open("link", mode)), Some(libc::ELOOP), "symbolic link");
            assert_eq!(os_error(storage.open("directory", mode)), Some(libc::EISDIR), "directory");
            assert_eq!(os_error(storage.open("fifo", mode)), Some(libc::ENXIO), "FIFO");
        }
        for name in ["link", "directory", "fifo"] {
            assert_eq!(os_error(create(&storage, name)), Some(libc::EEXIST), "{name}");
            assert_eq!(storage.metadata(name)?.map(|meta| meta.is_regular), Some(false), "{name}");
        }
        assert_eq!(os_error(storage.open("a\0b", OpenMode::Read)), Some(libc::EINVAL), "a name with a NUL byte");
    }
    Ok(())
}

#[test]
fn directories_are_checked() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let kind_of = |path: &Path, io| open_directory(path, io, true).err().map(|refusal| refusal.kind);
    fs::write(directory.path().join("file"), b"")?;
    assert_eq!(kind_of(&directory.path().join("file"), Io::Auto), Some(ErrorKind::NotRegular), "a file");
    assert_eq!(kind_of(&directory.path().join("file/below"), Io::Auto), Some(ErrorKind::NotRegular), "below a file");
    assert_eq!(kind_of(&directory.path().join("none"), Io::Auto), Some(ErrorKind::NotFound), "nothing");
    assert_eq!(kind_of(Path::new("a\0b"), Io::Auto), Some(ErrorKind::Argument), "a path with a NUL byte");
    assert_eq!(
        kind_of(Path::new("/proc"), Io::Mmap),
        Some(ErrorKind::Unsupported),
        "a file system not known to be safe"
    );
    assert!(open_directory(Path::new("/proc"), Io::Auto, false).is_ok_and(|storage| !storage.maps_files()));
    symlink(directory.path(), directory.path().join("link"))?;
    assert_eq!(kind_of(&directory.path().join("link"), Io::Auto), None, "a symbolic link to a directory");
    Ok(())
}

#[test]
fn the_directory_stays_the_one_opened() -> io::Result<()> {
    let parent = tempfile::tempdir()?;
    let (old, new) = (parent.path().join("old"), parent.path().join("new"));
    fs::create_dir(&old)?;
    let storage = open(&old, Io::Auto)?;
    fs::rename(&old, &new)?;
    create(&storage, "a")?.write_at(0, b"x")?;
    assert_eq!(fs::read(new.join("a"))?, b"x");
    assert_eq!(storage.list()?, ["a"]);
    assert_eq!(storage.path(), old, "the path is for messages");
    Ok(())
}

#[test]
fn descriptors_are_closed_on_exec_and_no_standard_streams() -> io::Result<()> {
    // A process of its own, so that its standard input can be closed: the next free descriptor is 0.
    if super::limits::in_child("descriptors") {
        let directory = tempfile::tempdir()?;
        crate::storage::sys::close_standard_input();
        assert!(fs::read_link("/proc/self/fd/0").is_err(), "0 is free");
        let storage = open(directory.path(), Io::Auto)?;
        let file = create(&storage, "a")?;
        assert!(file.try_lock()?);
        let mut ours = 0;
        for entry in fs::read_dir("/proc/self/fd")? {
            let entry = entry?;
            let Ok(target) = fs::read_link(entry.path()) else { continue };
            if !target.starts_with(directory.path()) {
                continue;
            }
            ours += 1;
            let number = entry.file_name();
            assert!(number.to_string_lossy().parse::<i32>().is_ok_and(|number| number >= 3), "{number:?}");
            let info = fs::read_to_string(Path::new("/proc/self/fdinfo").join(&number))?;
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
            let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
            assert!(flags.is_some_and(|flags| flags & libc::O_CLOEXEC != 0), "{number:?}: {info}");
        }
        assert_eq!(ours, 3, "the directory, the file, its lock");
        return Ok(());
    }
    let here = concat!(module_path!(), "::descriptors_are_closed_on_exec_and_no_standard_streams");
    super::limits::run_child(here, "descriptors", r#"exec "$@""#)
}

#[test]
fn the_shared_page_is_shared() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let storage = open(directory.path(), Io::Auto)?;
    let file = create(&storage, "a")?;
    if !storage.maps_files() {
        skipped("the shared page", "no mappings on this file system");
        return Ok(());
    }
    file.set_size(4095)?;
    assert!(file.shared_page().is_err(), "a page needs 4096 bytes");
    file.set_size(4096)?;
    let (Some(ours), Some(theirs)) = (file.shared_page()?, storage.open("a", OpenMode::Write)?.shared_page()?) else {
        return Err(io::Error::other("the mapping engine has shared pages"));
    };
    ours.u32_at(4092).store(7, Ordering::Release);
    ours.u64_at(8).fetch_add(9, Ordering::AcqRel);
    assert_eq!((theirs.u32_at(4092).load(Ordering::Acquire), theirs.u64_at(8).load(Ordering::Acquire)), (7, 9));
    assert_eq!(read(&file, 4092, 4)?, [7, 0, 0, 0]);
    for offset in [4096, 4093, 2, usize::MAX] {
        let outcome = std::panic::catch_unwind(|| theirs.u32_at(offset).load(Ordering::Relaxed));
        assert!(outcome.is_err(), "no word at {offset}");
    }
    let reader = storage.open("a", OpenMode::Read)?;
    assert_eq!(os_error(reader.shared_page()), Some(libc::EACCES), "who may not write shares nothing");
    Ok(())
}

#[test]
fn room_lies_on_blocks_of_its_own() -> io::Result<()> {
    for io in BOTH {
        let directory = tempfile::tempdir()?;
        let storage = open(directory.path(), io)?;
        let file = create(&storage, "a")?;
        file.set_size(20 * UNIT_BYTES)?; // a hole, as an earlier extension without preallocation leaves it
        file.tail()?.make_room(100, 10 * UNIT_BYTES)?;
        let blocks_bytes = fs::metadata(directory.path().join("a"))?.blocks() * 512;
        assert!(blocks_bytes >= 10 * UNIT_BYTES, "{io:?}: {blocks_bytes} bytes of blocks");
    }
    Ok(())
}

/// The lines of `/proc/self/smaps` about the mappings of `path`.
fn mappings(path: &Path) -> io::Result<Vec<String>> {
    let all = fs::read_to_string("/proc/self/smaps")?;
    let mut is_ours = false;
    let is_about_path = |line: &&str| {
        if line.split_whitespace().next().is_some_and(|word| word.contains('-')) {
            is_ours = line.ends_with(&path.display().to_string());
        }
        is_ours
    };
    Ok(all.lines().filter(is_about_path).map(str::to_string).collect())
}

/// How much of the mappings of `path` is in memory and needs no fault, in bytes.
fn mapped_bytes(path: &Path) -> io::Result<u64> {
    let lines = mappings(path)?;
    let sizes = lines.iter().filter_map(|line| line.strip_prefix("Rss:"));
    Ok(sizes.map(|size| size.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10).sum())
}

/// For each mapping of `path`: whether it was advised with `MADV_SEQUENTIAL`.
fn advised_sequential(path: &Path) -> io::Result<Vec<bool>> {
    let lines = mappings(path)?;
    let flags = lines.iter().filter_map(|line| line.strip_prefix("VmFlags:"));
    Ok(flags.map(|flags| flags.split_whitespace().any(|flag| flag == "sr")).collect())
}

#[test]
fn pages_that_were_cut_off_are_made_writable_again() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let storage = open(directory.path(), Io::Mmap)?;
    let file = create(&storage, "a")?;
    let mut tail = file.tail()?;
    tail.make_room(0, 3 * MIB)?;
    let path = directory.path().canonicalize()?.join("a");
    assert!(mapped_bytes(&path)? >= 3 * MIB, "made writable");
    // As when an extension is refused after some of its pages were made.
    file.set_size(4)?;
    tail.make_room(4, 8 * MIB)?;
    assert!(mapped_bytes(&path)? >= 8 * MIB, "all of it, though a part was writable before: {}", mapped_bytes(&path)?);
    Ok(())
}

#[test]
fn room_made_ahead_too_late_leaves_what_was_stored() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let storage = open(directory.path(), Io::Mmap)?;
    let file = create(&storage, "a")?;
    let mut tail = file.tail()?;
    tail.make_room(0, 254 * MIB)?;
    tail.make_room(0, 254 * MIB + 1)?;
    let late = tail.room_ahead(254 * MIB).expect("room up to the end of the window, at 256 MiB");
    // The next record begins in the same room, and needs a window of its own.
    let (begin, end) = (256 * MIB - 9, 257 * MIB);
    tail.make_room(begin, end)?;
    let bytes = pattern(7, usize::try_from(end - begin).unwrap());
    tail.put(begin, &[&bytes])?;
    assert!(late.make(|| true));
    assert!(read(&file, begin, bytes.len())? == bytes, "zeros went over what was stored");
    Ok(())
}

#[test]
fn room_made_ahead_after_the_tail_is_gone_does_not_extend_the_file() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let storage = open(directory.path(), Io::Mmap)?;
    let file = create(&storage, "a")?;
    let mut tail = file.tail()?;
    make_room_with_blocks_ahead(tail.as_mut())?;
    let late = tail.room_ahead(40 * MIB).expect("room to make");
    drop(tail);
    file.set_size(5)?;
    assert!(!late.make(|| true), "there is no file where the room would be");
    assert_eq!(size(&file)?, 5);
    Ok(())
}

#[test]
#[allow(unsafe_code, reason = "dup2")]
fn room_made_ahead_never_writes_to_a_file_that_got_the_descriptor() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let storage = open(directory.path(), Io::Mmap)?;
    let file = create(&storage, "a")?;
    let mut tail = file.tail()?;
    make_room_with_blocks_ahead(tail.as_mut())?;
    let late = tail.room_ahead(40 * MIB).expect("room to make");
    let path = directory.path().canonicalize()?.join("a");
    let other = fs::File::create_new(directory.path().join("other"))?;
    other.set_len(100 * MIB)?;
    let numbers = fs::read_dir("/proc/self/fd")?.filter_map(|entry| Some(entry.ok()?.path()));
    let ours: Vec<_> = numbers.filter(|number| fs::read_link(number).is_ok_and(|target| target == path)).collect();
    assert!(!ours.is_empty());
    for number in ours {
        let number = number.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap();
        // SAFETY: as a host that closes what it does not know, and opens a file of its own. Both numbers are open.
        assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), number) }, number);
    }
    assert!(late.make(|| true), "the mapping is still of the log's file");
    assert_eq!(other.metadata()?.blocks(), 0, "nothing was written");
    Ok(())
}

#[test]
fn only_a_window_where_a_reader_goes_on_is_advised_sequential() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let storage = open(directory.path(), Io::Mmap)?;
    let file = create(&storage, "a")?;
    let path = directory.path().canonicalize()?.join("a");
    file.set_size(900 * MIB)?;
    // Windows have 64 MiB, and begin at a multiple of 2 MiB.
    let loads = [
        (0, "the first window", false),
        (64 * MIB - 4, "across its end, into a window from 62 to 126 MiB", true),
        (126 * MIB - 8, "at the end of the same window", true),
        (126 * MIB - 4, "across its end, into a window that ends at 188 MiB", true),
        (200 * MIB, "beyond its end, but not far", false),
        (263 * MIB, "in the same window", false),
        (265 * MIB, "where only records of other readers are left out", true),
        (0, "back at the beginning, in a window over the whole file", false),
        (800 * MIB, "in the same window", false),
    ];
    let mut view = file.view()?;
    for (offset, place, is_advised) in loads {
        file.write_at(offset, b"somebyte")?;
        view.load(offset, 8, offset + 8)?;
        assert_eq!(view.loaded(), b"somebyte", "{place}");
        assert_eq!(advised_sequential(&path)?, [is_advised], "{place}");
    }
    Ok(())
}
