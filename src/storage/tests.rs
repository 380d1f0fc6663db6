//! What every engine must do when bytes are put and viewed, run against each of them; and what the tests share.

use super::simulated::Simulated;
use super::{File, OpenMode, Storage, Tail, open_directory};
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
fn a_view_that_jumps_loads_what_is_there() -> io::Result<()> {
    on_each_engine(|storage| {
        let file = create(storage, "a")?;
        let (mut tail, mut view) = (file.tail()?, file.view()?);
        let places: Vec<u64> = (0..4).map(|at| at * 100 * MIB + 7).collect();
        let mut end = 0;
        for place in &places {
            tail.make_room(end, place + 9)?;
            tail.put(*place, &[b"at", &place.to_le_bytes()[..7]])?;
            end = place + 9;
        }
        for index in [0, 3, 1, 2, 0, 2, 3] {
            let place = places[index];
            view.load(place, 9, end)?;
            assert_eq!(view.loaded()[2..], place.to_le_bytes()[..7], "at {place}");
        }
        // The window over the whole file ends where the file ended then, or a little farther.
        let far = end + 200 * MIB;
        tail.make_room(end, far + 4)?;
        tail.put(far, &[b"far"])?;
        view.load(far, 3, far + 3)?;
        assert_eq!(view.loaded(), b"far");
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
fn what_is_stored_lies_where_it_would_be_put() -> io::Result<()> {
    on_each_engine(|storage| {
        let file = create(storage, "a")?;
        file.write_at(0, &[0; 100])?;
        let mut tail = file.tail()?;
        assert_eq!(tail.store_word_and_bytes(100, 0, b"no room made"), None);
        assert_eq!(tail.store_words(100, 1, 2, 3), None);
        tail.make_room(100, 200)?;
        let end = tail.room_end();
        for offset in [0, 99, end, end - 1, u64::MAX, u64::MAX - 1] {
            assert_eq!(tail.store_parts(offset, &[b"x", b"y"]), None, "at {offset}");
        }
        for offset in [0, 99, end, end - 10, u64::MAX, u64::MAX - 10] {
            assert_eq!(tail.store_word_and_bytes(offset, 7, b"bytes"), None, "at {offset}");
            assert_eq!(tail.store_words(offset, 1, 2, 3), None, "at {offset}");
        }
        assert_eq!(read(&file, 0, 300)?, [0; 300], "nothing was written");
        let is_stored = tail
            .store_parts(101, &[b"head", b"", b" and body"])
            .map(|bytes| assert_eq!(bytes, b"head and body"))
            .is_some();
        assert!(is_stored || !storage.maps_files(), "an engine that maps files stores");
        tail.put(101, &[b"head", b" and body"])?;
        assert_eq!(read(&file, 100, 14)?, b"\0head and body");
        let word = u64::from_le_bytes(*b"eight by");
        let stores_words = tail.store_words(120, 0, 0, 0).is_some();
        assert!(stores_words || !storage.maps_files(), "an engine that maps files stores");
        if let Some(bytes) = tail.store_word_and_bytes(120, word, b"tes and more") {
            assert_eq!(bytes, b"eight bytes and more");
            assert_eq!(
                tail.store_words(140, word, u64::from_le_bytes(*b"tes, thr"), u64::from_le_bytes(*b"ee times")),
                Some(())
            );
            assert_eq!(read(&file, 120, 44)?, b"eight bytes and moreeight bytes, three times");
        }
        file.set_size(110)?;
        let refused = "a store beyond the end must not reach the file";
        assert_eq!(tail.store_parts(101, &[b"head", b" and body"]), None, "{refused}");
        assert_eq!(tail.store_word_and_bytes(101, word, b" and body"), None, "{refused}");
        assert_eq!(tail.store_words(101, 1, 2, 3), None, "{refused}");
        Ok(())
    })
}

/// Makes room for a little more than 40 MiB, in a file that then has blocks for more than that.
fn make_room_with_blocks_ahead(tail: &mut dyn Tail) -> io::Result<()> {
    tail.make_room(0, 40 * MIB)?;
    tail.make_room(40 * MIB, 40 * MIB + 1)
}

#[test]
fn room_is_made_ahead_by_another_thread_as_far_as_there_are_blocks() -> io::Result<()> {
    on_each_engine(|storage| {
        let file = create(storage, "a")?;
        let mut tail = file.tail()?;
        assert!(tail.room_ahead(0).is_none(), "before any room");
        make_room_with_blocks_ahead(tail.as_mut())?;
        let (room_end, size_bytes) = (tail.room_end(), size(&file)?);
        let Some(room) = tail.room_ahead(40 * MIB) else {
            assert!(!storage.maps_files() && room_end == size_bytes, "all that has blocks is room");
            return Ok(());
        };
        std::thread::scope(|scope| scope.spawn(|| room.make(|| true)).join()).unwrap();
        let ahead_end = tail.room_end();
        assert!(ahead_end > room_end && ahead_end <= size_bytes, "{room_end}, then {ahead_end} of {size_bytes}");
        assert!(tail.room_ahead(40 * MIB).is_none(), "enough for now");
        tail.put(ahead_end - 1, &[b"x"])?;
        assert_eq!(size(&file)?, size_bytes, "the file is as long as before");
        let later = tail.room_ahead(ahead_end);
        file.set_size(MIB)?;
        if let Some(room) = later {
            room.make(|| true);
        }
        assert_eq!(tail.room_end(), MIB, "what was cut off is no room, even if it is made ahead");
        tail.make_room(MIB, 3 * MIB)?;
        tail.put(2 * MIB, &[b"x"])?;
        assert_eq!(read(&file, 2 * MIB - 1, 3)?, b"\0x\0");
        Ok(())
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
