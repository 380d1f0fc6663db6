//! What every engine must do when bytes are put and viewed, run against each of them; and what the tests share.

use super::simulated::Simulated;
use super::{File, OpenMode, Storage, open_directory};
use crate::storage::Arc;
use crate::storage::Io;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

mod files;
mod interrupted;
mod limits;
mod real;

const UNIT_BYTES: u64 = 64 << 10;
const MIB: u64 = 1 << 20;

/// Opens a directory as the real engines do, with the failure as plain input or output error.
fn open(path: &Path, io: Io) -> io::Result<Arc<dyn Storage>> {
    open_directory(path, io, true).map_err(io::Error::other)
}

/// Prints that this machine does not allow a test or a part of it, for `tests/run` to count. The line bypasses the
/// harness, which hides what a test prints.
fn skipped(what: &str, why: impl Display) {
    let _ = writeln!(io::stdout(), "SKIPPED: {what}: {why}");
}

/// Runs `check` in an empty directory of each engine.
fn on_each_engine(check: impl Fn(&Arc<dyn Storage>) -> io::Result<()>) -> io::Result<()> {
    for io in [Io::Mmap, Io::Syscall] {
        let directory = tempfile::tempdir()?;
        match open(directory.path(), io) {
            Ok(storage) => {
                println!("engine {io:?}");
                assert_eq!(storage.maps_files(), io == Io::Mmap);
                check(&storage)?;
            }
            Err(refusal) => skipped(&format!("engine {io:?}"), refusal),
        }
    }
    println!("engine simulated");
    check(&Simulated::new().storage())
}

fn create(storage: &Arc<dyn Storage>, name: &str) -> io::Result<Arc<dyn File>> {
    storage.open(name, OpenMode::CreateNew)
}

fn size(file: &Arc<dyn File>) -> io::Result<u64> {
    Ok(file.metadata()?.size_bytes)
}

fn read(file: &Arc<dyn File>, offset: u64, size_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0xEE; size_bytes];
    let count = file.read_at(offset, &mut bytes)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// `size_bytes` bytes that differ from their neighbours and from `seed` to `seed`, and repeat at no power of two.
fn pattern(seed: usize, size_bytes: usize) -> Vec<u8> {
    let block: Vec<u8> =
        (0..4099).filter_map(|index| u8::try_from((index * 31 + index / 256 + seed * 7) % 251).ok()).collect();
    let mut bytes = block.repeat(size_bytes / block.len() + 1);
    bytes.truncate(size_bytes);
    bytes
}

fn os_error<T>(outcome: io::Result<T>) -> Option<i32> {
    outcome.err().and_then(|failure| failure.raw_os_error())
}

fn kind<T>(outcome: io::Result<T>) -> Option<io::ErrorKind> {
    outcome.err().map(|failure| failure.kind())
}

#[test]
fn what_is_put_is_read_back_in_every_way() -> io::Result<()> {
    on_each_engine(|storage| {
        let file = create(storage, "a")?;
        file.write_at(0, &[0; 8])?;
        let mut tail = file.tail()?;
        let small: Vec<Vec<u8>> = (0..1500).map(|seed| pattern(seed, seed % 7)).collect();
        let parts: Vec<&[u8]> = small.iter().map(Vec::as_slice).collect();
        let whole = parts.concat();
        let end = 8 + whole.len() as u64;
        tail.make_room(8, end)?;
        tail.put(8, &parts)?;
        tail.put(8, &[])?;
        tail.put(end, &[&[]])?;
        assert_eq!(read(&file, 8, whole.len())?, whole, "read by call");
        let mut view = file.view()?;
        view.load(8, whole.len(), end)?;
        assert_eq!(view.loaded(), whole, "read through a view");
        let middle = pattern(9, 9);
        tail.put(10, &[&middle])?;
        let other = storage.open("a", OpenMode::Read)?;
        assert_eq!(read(&other, 10, 9)?, middle, "read through another open file");
        assert_eq!(read(&other, end, 3)?, [0; 3], "zeros beyond what was put");
        assert_eq!(other.metadata()?.id, file.metadata()?.id);
        Ok(())
    })
}

#[test]
fn files_grow_in_units_of_64_kib() -> io::Result<()> {
    on_each_engine(|storage| {
        let file = create(storage, "a")?;
        file.write_at(0, &[0; 8])?;
        let mut tail = file.tail()?;
        assert_eq!(tail.room_end(), 0, "no room before it is made");
        tail.make_room(8, 27)?;
        assert_eq!(size(&file)?, UNIT_BYTES, "a new log is one unit long");
        let mut end = 8;
        for seed in 0..60 {
            let bytes = pattern(seed, seed * 3001 + 1);
            let next = end + bytes.len() as u64;
            tail.make_room(end, next)?;
            tail.put(end, &[&bytes])?;
            assert!(size(&file)?.is_multiple_of(UNIT_BYTES), "a multiple of 64 KiB");
            assert!(tail.room_end() >= next && tail.room_end() <= size(&file)?, "room lies in the file");
            assert_eq!(read(&file, end, bytes.len())?, bytes);
            end = next;
        }
        assert!(size(&file)? <= end + end / 4 + 2 * UNIT_BYTES, "not extended without measure");
        Ok(())
    })
}

#[test]
fn records_larger_than_a_window_and_far_apart() -> io::Result<()> {
    on_each_engine(|storage| {
        let file = create(storage, "a")?;
        let mut tail = file.tail()?;
        let mut view = file.view()?;
        let large = pattern(1, 70 << 20);
        let offset = 63 * MIB + 5;
        let end = offset + large.len() as u64;
        file.set_size(offset)?;
        tail.make_room(offset, end)?;
        tail.put(offset, &[&large])?;
        view.load(offset, large.len(), end)?;
        assert!(view.loaded() == large, "70 MiB across the borders of windows");
        for place in [end, 150 * MIB + 1, 151 * MIB, 220 * MIB - 2] {
            tail.make_room(place, place + 9)?;
            tail.put(place, &[b"far", b" apart"])?;
            view.load(place, 9, place + 9)?;
            assert_eq!(view.loaded(), b"far apart", "at {place}");
        }
        view.load(offset + 17, 4, end)?;
        assert_eq!(Some(view.loaded()), large.get(17..21), "back again");
        Ok(())
    })
}

#[test]
fn bytes_outside_the_room_are_refused() -> io::Result<()> {
    on_each_engine(|storage| {
        let file = create(storage, "a")?;
        file.write_at(0, &[0; 100])?;
        let mut tail = file.tail()?;
        assert_eq!(kind(tail.put(0, &[b"x"])), Some(io::ErrorKind::InvalidInput), "no room made");
        tail.make_room(100, 200)?;
        let end = tail.room_end();
        for offset in [0, 99, end, end - 1, u64::MAX, u64::MAX - 1] {
            assert_eq!(kind(tail.put(offset, &[b"x", b"y"])), Some(io::ErrorKind::InvalidInput), "at {offset}");
        }
        assert_eq!(read(&file, 0, 300)?, [0; 300], "nothing was written");
        assert!(tail.make_room(300, 200).is_err(), "a range that ends before it begins");
        for to in [u64::MAX, u64::MAX - UNIT_BYTES] {
            assert!(tail.make_room(100, to).is_err(), "no file reaches to {to}");
        }
        assert_eq!(size(&file)?, UNIT_BYTES, "and the size is what it was");
        tail.put(end - 1, &[b"z"])
    })
}

#[test]
fn a_cut_takes_the_room_away() -> io::Result<()> {
    on_each_engine(|storage| {
        let file = create(storage, "a")?;
        let mut tail = file.tail()?;
        tail.make_room(0, 10 * UNIT_BYTES)?;
        tail.put(0, &[b"kept"])?;
        file.set_size(4)?;
        assert_eq!(tail.room_end(), 4);
        assert!(tail.put(4, &[b"x"]).is_err(), "a store beyond the end must not reach the file");
        file.set_size(20 * UNIT_BYTES)?;
        assert!(tail.put(4, &[b"x"]).is_err(), "extended by hand is not room");
        file.set_size(4)?;
        tail.make_room(4, 9 * UNIT_BYTES)?;
        tail.put(9 * UNIT_BYTES - 1, &[b"x"])?;
        assert_eq!(read(&file, 9 * UNIT_BYTES - 2, 2)?, b"\0x", "what was cut came back as zeros");
        assert_eq!(read(&file, 0, 4)?, b"kept");
        Ok(())
    })
}

#[test]
fn views_end_where_the_file_ends() -> io::Result<()> {
    on_each_engine(|storage| {
        let file = create(storage, "a")?;
        let bytes = pattern(3, 200_000);
        file.write_at(0, &bytes)?;
        let mut view = file.view()?;
        assert_eq!(view.loaded(), [], "nothing loaded yet");
        view.load(0, 200_000, 200_000)?;
        let beyond = [
            (200_000, 1),
            (199_999, 2),
            (0, 200_001),
            (1 << 46, 1),
            (0, usize::MAX),
            (u64::MAX, 1),
            (u64::MAX, usize::MAX),
        ];
        for (offset, size_bytes) in beyond {
            let outcome = view.load(offset, size_bytes, u64::MAX);
            assert_eq!(kind(outcome), Some(io::ErrorKind::UnexpectedEof), "{size_bytes} bytes at {offset}");
            assert_eq!(view.loaded(), [], "nothing is loaded after a failure");
        }
        for (offset, size_bytes) in [(199_999, 1), (200_000, 0), (0, 0), (12_345, 100_000), (5, 3), (65_536, 65_536)] {
            view.load(offset, size_bytes, 200_000)?;
            let expected: Vec<u8> =
                bytes.iter().skip(usize::try_from(offset).unwrap_or(0)).take(size_bytes).copied().collect();
            assert!(view.loaded() == expected, "{size_bytes} bytes at {offset}");
        }
        file.write_at(200_000, b"more")?;
        view.load(200_000, 4, 200_004)?;
        assert_eq!(view.loaded(), b"more", "a view follows the growing file");
        Ok(())
    })
}

#[test]
fn views_do_not_keep_what_was_not_committed() -> io::Result<()> {
    on_each_engine(|storage| {
        let file = create(storage, "a")?;
        file.write_at(0, b"goodOLD!")?;
        let mut view = file.view()?;
        view.load(0, 4, 4)?;
        file.write_at(4, b"new!")?;
        view.load(4, 4, 8)?;
        assert_eq!(view.loaded(), b"new!", "only what was committed was read ahead");
        Ok(())
    })
}
