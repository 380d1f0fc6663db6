//! The disk itself: what survives a kill, what a loss of power may take, and what it never takes.

mod losses;

use super::{Fill, Loss, Mood, Simulated};
use crate::storage::Arc;
use crate::storage::{File, OpenMode};
use std::collections::BTreeSet;
use std::io;

const SECTOR_BYTES: usize = 512;
const SEEDS: std::ops::Range<u64> = 0..800;

fn create(disk: &Simulated, name: &str) -> io::Result<Arc<dyn File>> {
    disk.storage().open(name, OpenMode::CreateNew)
}

/// Whole sectors, each as it was at some moment.
const MIXTURE: Loss = Loss { mood: Some(Mood::Mixture), fill: Fill::Zeros, torn: false, page_bytes: 4 << 10 };

/// The content of file `a` after a loss of power with each of the seeds, each time from a new disk that `prepare`
/// fills.
fn outcomes(prepare: impl Fn(&Simulated) -> io::Result<()>) -> io::Result<BTreeSet<Option<Vec<u8>>>> {
    outcomes_of(MIXTURE, prepare)
}

/// As [`outcomes`], of losses like `loss`.
fn outcomes_of(loss: Loss, prepare: impl Fn(&Simulated) -> io::Result<()>) -> io::Result<BTreeSet<Option<Vec<u8>>>> {
    SEEDS
        .map(|seed| {
            let disk = Simulated::new();
            prepare(&disk)?;
            disk.power_loss_like(loss, seed);
            Ok(disk.read_file("a"))
        })
        .collect()
}

#[test]
fn a_kill_keeps_bytes_and_takes_handles() -> io::Result<()> {
    let disk = Simulated::new();
    let storage = disk.storage();
    let file = create(&disk, "a")?;
    file.write_at(0, b"12345678")?;
    let (mut tail, mut view) = (file.tail()?, file.view()?);
    let word = file.commit_word(true)?;
    tail.make_room(8, 16)?;
    view.load(0, 8, 8)?;
    assert!(file.try_lock()?);
    disk.kill();
    let before = disk.read_file("a");
    let stale = [
        file.write_at(0, b"x"),
        file.set_size(0),
        file.sync(),
        tail.put(8, &[b"x"]),
        tail.make_room(8, 9),
        word.store(1),
        view.load(0, 1, 8),
        word.load().map(drop),
        file.metadata().map(drop),
        file.try_lock().map(drop),
        storage.remove("a"),
        storage.rename("a", "b"),
        storage.sync_directory(),
        storage.list().map(drop),
    ];
    for (index, outcome) in stale.into_iter().enumerate() {
        assert_eq!(outcome.err().and_then(|failure| failure.raw_os_error()), Some(libc::EIO), "stale call {index}");
    }
    assert_eq!(disk.read_file("a"), before, "a dead process changes nothing");
    assert_eq!(before.map(|bytes| bytes.len()), Some(64 << 10), "what it wrote stays, synced or not");
    let next = disk.storage().open("a", OpenMode::Write)?;
    assert!(!next.is_locked()? && next.try_lock()?, "its lock is free");
    drop(file);
    assert!(
        disk.storage().open("a", OpenMode::Read)?.is_locked()?,
        "the dead handle releases nothing of the living one"
    );
    Ok(())
}

#[test]
fn what_was_synced_survives() -> io::Result<()> {
    let found = outcomes(|disk| {
        let file = create(disk, "a")?;
        file.write_at(0, &[7; 3000])?;
        file.sync()?;
        disk.storage().sync_directory()
    })?;
    assert_eq!(found, BTreeSet::from([Some(vec![7; 3000])]));
    Ok(())
}

#[test]
fn what_was_not_synced_survives_by_sectors() -> io::Result<()> {
    let found = outcomes(|disk| {
        disk.write_file("a", &[1; 4 * SECTOR_BYTES]);
        let file = disk.storage().open("a", OpenMode::Write)?;
        file.write_at(100, &[2; 3 * SECTOR_BYTES])?;
        file.write_at(0, &[3; 50])
    })?;
    for bytes in found.iter().flatten() {
        assert_eq!(bytes.len(), 4 * SECTOR_BYTES);
        let middle = bytes.get(SECTOR_BYTES..3 * SECTOR_BYTES).unwrap_or_default();
        for sector in middle.chunks(SECTOR_BYTES) {
            assert!(sector == [1; SECTOR_BYTES] || sector == [2; SECTOR_BYTES], "a sector is old or new, whole");
        }
        let (first_old, second_new) = (bytes.get(100) == Some(&1), bytes.first() == Some(&3));
        assert!(!(first_old && second_new), "of two writes to a sector the later never survives alone");
    }
    assert!(found.contains(&Some(vec![1; 4 * SECTOR_BYTES])), "all can be lost");
    assert_eq!(found.len(), 3 * 2 * 2 * 2, "every combination of sectors is seen");
    Ok(())
}

#[test]
fn sizes_may_be_lost_and_take_what_lay_beyond() -> io::Result<()> {
    let found = outcomes(|disk| {
        disk.write_file("a", &[1; SECTOR_BYTES]);
        let file = disk.storage().open("a", OpenMode::Write)?;
        let mut tail = file.tail()?;
        tail.make_room(512, 1024)?;
        tail.put(512, &[&[2; SECTOR_BYTES]])
    })?;
    let lengths: BTreeSet<usize> = found.iter().flatten().map(Vec::len).collect();
    let pages = (1..=16).map(|page| page << 12);
    assert_eq!(lengths, pages.chain([SECTOR_BYTES]).collect(), "the size is published, not, or up to a page");
    let kinds: BTreeSet<Option<u8>> = found.iter().flatten().map(|bytes| bytes.get(SECTOR_BYTES).copied()).collect();
    assert_eq!(kinds, BTreeSet::from([None, Some(0), Some(2)]), "beyond it nothing, zeros or the bytes");

    let found = outcomes(|disk| {
        disk.write_file("a", &[1; 2 * SECTOR_BYTES]);
        let file = disk.storage().open("a", OpenMode::Write)?;
        file.set_size(SECTOR_BYTES as u64)?;
        file.write_at(SECTOR_BYTES as u64, &[2; SECTOR_BYTES / 2])
    })?;
    for bytes in found.iter().flatten() {
        let rest = bytes.get(SECTOR_BYTES..).unwrap_or_default();
        assert!(rest.iter().all(|byte| Some(byte) == rest.first()), "old, new or zeros, never mixed");
    }
    assert_eq!(found.len(), 4, "the old file, the cut one, the extended one with zeros, with bytes");
    Ok(())
}

#[test]
fn names_may_be_lost_until_the_directory_is_synced() -> io::Result<()> {
    let found = outcomes(|disk| {
        disk.write_file("a", b"old");
        let file = create(disk, "new")?;
        file.write_at(0, b"new")?;
        file.sync()?;
        disk.storage().rename("new", "a")
    })?;
    assert_eq!(found, BTreeSet::from([Some(b"old".to_vec()), Some(b"new".to_vec())]), "a rename happens or not");
    let found = outcomes(|disk| {
        disk.write_file("a", b"old");
        disk.storage().remove("a")
    })?;
    assert_eq!(found, BTreeSet::from([Some(b"old".to_vec()), None]), "so does a removal");
    let found = outcomes(|disk| {
        disk.write_file("a", b"old");
        disk.storage().remove("a")?;
        disk.storage().sync_directory()
    })?;
    assert_eq!(found, BTreeSet::from([None]), "a synced one has happened");
    Ok(())
}

#[test]
fn a_failed_sync_forgets_what_it_should_have_written() -> io::Result<()> {
    let prepare = |disk: &Simulated, rewrite: bool| {
        disk.write_file("a", b"old");
        let file = disk.storage().open("a", OpenMode::Write)?;
        file.write_at(0, b"new")?;
        disk.fail_call(disk.calls(), libc::EIO, false);
        assert!(file.sync().is_err());
        assert_eq!(disk.read_file("a"), Some(b"new".to_vec()), "the cache still has it");
        if rewrite {
            file.write_at(0, b"new")?;
        }
        file.sync()
    };
    assert_eq!(outcomes(|disk| prepare(disk, false))?, BTreeSet::from([Some(b"old".to_vec())]), "swallowed");
    assert_eq!(outcomes(|disk| prepare(disk, true))?, BTreeSet::from([Some(b"new".to_vec())]), "written again");
    Ok(())
}

#[test]
fn faults_hit_the_call_they_are_meant_for() -> io::Result<()> {
    let disk = Simulated::new();
    let file = create(&disk, "a")?;
    let first = disk.calls();
    file.write_at(0, b"12345678")?;
    assert_eq!(disk.calls(), first + 1, "one call");
    disk.fail_call(first + 2, libc::ENOSPC, false);
    file.metadata()?;
    assert!(file.write_at(0, b"abcdefgh").is_err_and(|failure| failure.raw_os_error() == Some(libc::ENOSPC)));
    assert_eq!(disk.read_file("a"), Some(b"abcd5678".to_vec()), "half of it was written");
    file.write_at(0, b"abcdefgh")?;
    let word = file.commit_word(true)?;
    disk.fail_call(disk.calls(), libc::EIO, true);
    assert!(word.store(1).is_err() && word.store(1).is_err() && file.set_size(0).is_err(), "sticky");
    assert_eq!(disk.read_file("a"), Some(b"abcdefgh".to_vec()), "a word is never torn");
    disk.clear_faults();
    word.store(u64::from_le_bytes(*b"ABCDEFGH"))?;
    assert_eq!(disk.read_file("a"), Some(b"ABCDEFGH".to_vec()));
    Ok(())
}

#[test]
fn the_same_seed_loses_the_same() -> io::Result<()> {
    let run = |seed| {
        let disk = Simulated::new();
        let file = create(&disk, "a")?;
        disk.storage().sync_directory()?;
        for index in 0..50_u8 {
            file.write_at(u64::from(index) * 300, &[index; 700])?;
        }
        disk.power_loss(seed);
        io::Result::Ok(disk.read_file("a"))
    };
    for seed in SEEDS {
        assert_eq!(run(seed)?, run(seed)?, "seed {seed}");
    }
    assert_ne!(run(1)?, run(2)?, "and another seed something else");
    Ok(())
}

#[test]
fn what_was_cut_off_is_zeros_when_the_file_grows_again() -> io::Result<()> {
    let disk = Simulated::new();
    let file = create(&disk, "a")?;
    file.write_at(0, &[7; 9000])?;
    file.set_size(5000)?;
    file.set_size(9000)?;
    let mut expected = [0; 9000];
    expected[..5000].fill(7);
    assert_eq!(disk.read_file("a").as_deref(), Some(&expected[..]));
    assert_eq!(file.next_data(5000)?, None);
    assert_eq!(file.next_hole(0)?, 8192, "the block in which the file was cut is not a hole");
    Ok(())
}

#[test]
fn a_copy_keeps_what_it_was_when_either_is_written() -> io::Result<()> {
    let disk = Simulated::new();
    create(&disk, "a")?.write_at(0, &[1; 10_000])?;
    let copy = disk.copy();
    for (written, left, byte) in [(&disk, &copy, 2), (&copy, &disk, 3)] {
        let before = left.read_file("a");
        let file = written.storage().open("a", OpenMode::Write)?;
        file.write_at(4090, &[byte; 12])?;
        let mut found = [0; 14];
        assert_eq!(file.read_at(4089, &mut found)?, found.len());
        assert_eq!(found, [1, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, 1]);
        assert_eq!(left.read_file("a"), before);
    }
    Ok(())
}

#[test]
fn data_is_found_at_the_byte_and_holes_by_the_block() -> io::Result<()> {
    let disk = Simulated::new();
    let file = create(&disk, "a")?;
    file.set_size(20_000)?;
    file.write_at(8300, &[1])?;
    for (offset, data) in [(0, Some(8300)), (8300, Some(8300)), (8301, None), (30_000, None)] {
        assert_eq!(file.next_data(offset)?, data, "from {offset}");
    }
    for (offset, hole) in [(0, 0), (100, 100), (8192, 12_288), (8301, 12_288), (13_000, 13_000), (20_000, 20_000)] {
        assert_eq!(file.next_hole(offset)?, hole, "from {offset}");
    }
    Ok(())
}
