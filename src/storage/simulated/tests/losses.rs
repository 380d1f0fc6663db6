//! Every kind of loss is what it says, and a failed sync leaves what it is meant to leave.

use super::super::SyncFailure;
use super::*;

const PAGE_BYTES: usize = 4096;
/// How many sectors the test's file has: two pages.
const SECTORS: usize = 2 * PAGE_BYTES / SECTOR_BYTES;

/// Writes all sectors of a file of two pages again, and cuts the power with `mood`. For each outcome: which sectors are
/// new.
fn new_sectors(mood: Mood) -> io::Result<BTreeSet<Vec<bool>>> {
    let found = outcomes_of(Loss { mood: Some(mood), ..MIXTURE }, |disk| {
        disk.write_file("a", &[1; SECTORS * SECTOR_BYTES]);
        let file = disk.storage().open("a", OpenMode::Write)?;
        // In pieces that do not end at sectors, and the last piece first.
        file.write_at(700, &[2; SECTORS * SECTOR_BYTES - 700])?;
        file.write_at(0, &[2; 700])
    })?;
    let is_new = |sector: &[u8]| sector.iter().all(|byte| *byte == 2);
    Ok(found.iter().flatten().map(|bytes| bytes.chunks(SECTOR_BYTES).map(is_new).collect()).collect())
}

fn pattern(is_new: impl Fn(usize) -> bool) -> Vec<bool> {
    (0..SECTORS).map(is_new).collect()
}

#[test]
fn each_mood_is_what_it_says() -> io::Result<()> {
    let first_page = PAGE_BYTES / SECTOR_BYTES;
    let only = |patterns: &[Vec<bool>]| patterns.iter().cloned().collect::<BTreeSet<_>>();
    let each =
        |make: &dyn Fn(usize, usize) -> bool| (0..SECTORS).map(|at| pattern(|sector| make(sector, at))).collect();
    assert_eq!(new_sectors(Mood::Nothing)?, only(&[pattern(|_| false)]));
    assert_eq!(new_sectors(Mood::Everything)?, only(&[pattern(|_| true)]));
    assert_eq!(new_sectors(Mood::FirstPage)?, only(&[pattern(|sector| sector < first_page)]));
    assert_eq!(new_sectors(Mood::AllButFirstPage)?, only(&[pattern(|sector| sector >= first_page)]));
    assert_eq!(new_sectors(Mood::Prefix)?, each(&|sector, at| sector < at));
    assert_eq!(new_sectors(Mood::Suffix)?, each(&|sector, at| sector >= at));
    assert_eq!(new_sectors(Mood::OneMissing)?, each(&|sector, at| sector != at));
    assert_eq!(new_sectors(Mood::OneSurvivor)?, each(&|sector, at| sector == at));
    // Neither write survives, the first one, or both. Both write a part of the second sector.
    assert_eq!(
        new_sectors(Mood::Moment)?,
        only(&[pattern(|_| false), pattern(|sector| sector > 1), pattern(|_| true)])
    );
    assert!(new_sectors(Mood::Mixture)?.len() > 250, "hardly two alike");
    Ok(())
}

#[test]
fn the_first_page_is_as_large_as_pages_of_the_machine_are() -> io::Result<()> {
    for page_bytes in [4 << 10, 16 << 10, 64 << 10] {
        let found = outcomes_of(Loss { mood: Some(Mood::FirstPage), page_bytes, ..MIXTURE }, |disk| {
            disk.write_file("a", &vec![1; 2 * page_bytes]);
            disk.storage().open("a", OpenMode::Write)?.write_at(0, &vec![2; 2 * page_bytes])
        })?;
        let expected = [vec![2; page_bytes], vec![1; page_bytes]].concat();
        assert!(found == BTreeSet::from([Some(expected)]), "pages of {page_bytes} bytes");
    }
    Ok(())
}

#[test]
fn a_size_is_published_up_to_some_page_of_the_machine() -> io::Result<()> {
    for page_bytes in [4 << 10, 16 << 10, 64 << 10] {
        let found = outcomes_of(Loss { mood: Some(Mood::Nothing), page_bytes, ..MIXTURE }, |disk| {
            disk.write_file("a", &[1]);
            disk.storage().open("a", OpenMode::Write)?.set_size(3 * page_bytes as u64)
        })?;
        let sizes: BTreeSet<usize> = found.iter().flatten().map(Vec::len).collect();
        assert_eq!(sizes, BTreeSet::from([1, page_bytes, 2 * page_bytes, 3 * page_bytes]));
    }
    Ok(())
}

#[test]
fn the_same_mood_everywhere_or_another_for_each_file() -> io::Result<()> {
    let is_new = |loss: Loss, seed| {
        let disk = Simulated::new();
        for name in ["a", "b"] {
            disk.write_file(name, &[1; 8]);
            disk.storage().open(name, OpenMode::Write)?.write_at(0, &[2; 8])?;
        }
        disk.power_loss_like(loss, seed);
        io::Result::Ok(["a", "b"].map(|name| disk.read_file(name) == Some(vec![2; 8])))
    };
    let same = Loss { mood: Some(Mood::FirstPage), ..MIXTURE };
    let own = Loss { mood: None, ..MIXTURE };
    let mut found = BTreeSet::new();
    for seed in SEEDS {
        assert_eq!(is_new(same, seed)?, [true; 2]);
        found.insert(is_new(own, seed)?);
    }
    assert_eq!(found.len(), 4, "new and old in every combination");
    Ok(())
}

#[test]
fn a_torn_sector_is_old_and_new_at_a_step_of_8_bytes() -> io::Result<()> {
    let found = outcomes_of(Loss { mood: Some(Mood::Nothing), torn: true, ..MIXTURE }, |disk| {
        disk.write_file("a", &[1; SECTORS * SECTOR_BYTES]);
        let file = disk.storage().open("a", OpenMode::Write)?;
        file.write_at(0, &[2; SECTORS * SECTOR_BYTES])
    })?;
    for bytes in found.iter().flatten() {
        let torn = bytes.chunks(SECTOR_BYTES).filter(|sector| sector.contains(&2)).collect::<Vec<_>>();
        let words: Vec<&[u8]> = torn.iter().flat_map(|sector| sector.chunks(8)).collect();
        assert_eq!(torn.len(), 1, "one sector has anything new");
        assert!(words.iter().all(|word| **word == [1; 8] || **word == [2; 8]), "no word is torn");
        assert_eq!(words.windows(2).filter(|pair| pair[0] != pair[1]).count(), 1, "one cut");
    }
    assert!(found.len() > 200, "{} cuts", found.len());
    Ok(())
}

#[test]
fn new_blocks_hold_zeros_old_bytes_or_anything() -> io::Result<()> {
    let contents = |fill| {
        let found = outcomes_of(Loss { mood: Some(Mood::Nothing), fill, ..MIXTURE }, |disk| {
            disk.write_file("a", &[1; PAGE_BYTES + 10]);
            disk.storage().open("a", OpenMode::Write)?.set_size(4 * PAGE_BYTES as u64)
        })?;
        let grown: Vec<Vec<u8>> = found.into_iter().flatten().filter(|bytes| bytes.len() > PAGE_BYTES + 10).collect();
        for bytes in &grown {
            assert!(
                bytes[PAGE_BYTES + 10..2 * PAGE_BYTES].iter().all(|byte| *byte == 0),
                "the rest of a block is zeros"
            );
        }
        let pages = grown.iter().flat_map(|bytes| bytes[2 * PAGE_BYTES..].chunks(PAGE_BYTES).map(<[u8]>::to_vec));
        io::Result::Ok(pages.collect::<BTreeSet<Vec<u8>>>())
    };
    let zeros = vec![0; PAGE_BYTES];
    let rest = [vec![1; 10], vec![0; PAGE_BYTES - 10]].concat();
    assert_eq!(contents(Fill::Zeros)?, BTreeSet::from([zeros.clone()]));
    assert_eq!(contents(Fill::Old)?, BTreeSet::from([rest, vec![1; PAGE_BYTES]]));
    let garbage = contents(Fill::Garbage)?;
    assert!(garbage.contains(&zeros) && garbage.len() > 100);
    Ok(())
}

/// A file with the safe bytes `b"old"`, whose new bytes `b"new"` could not be written, in the way that `fail` chooses.
fn after_failed_writeback(fail: impl Fn(&Simulated, &dyn File) -> bool) -> io::Result<Simulated> {
    let disk = Simulated::new();
    disk.write_file("a", b"old");
    let file = disk.storage().open("a", OpenMode::Write)?;
    file.write_at(0, b"new")?;
    assert!(fail(&disk, file.as_ref()), "the sync failed");
    file.sync()?;
    Ok(disk)
}

#[test]
fn what_a_failed_sync_leaves_is_seen_until_the_cache_is_dropped_or_not_at_all() -> io::Result<()> {
    let refused = |disk: &Simulated, file: &dyn File| {
        disk.fail_call(disk.calls(), libc::EIO, false);
        file.sync().is_err()
    };
    let told_late = |disk: &Simulated, file: &dyn File| {
        disk.lose_writeback_at_call(disk.calls());
        file.sync().is_err()
    };
    for fail in [refused, told_late] {
        let disk = after_failed_writeback(fail)?;
        assert_eq!(disk.read_file("a"), Some(b"new".to_vec()), "the cache has it");
        disk.drop_cache_at_call(disk.calls());
        disk.storage().list()?;
        assert_eq!(disk.read_file("a"), Some(b"old".to_vec()), "the disk does not");
    }
    let disk = after_failed_writeback(|disk, file| {
        disk.set_sync_failure(SyncFailure::Reverts);
        refused(disk, file)
    })?;
    assert_eq!(disk.read_file("a"), Some(b"old".to_vec()), "gone at once");
    Ok(())
}

#[test]
fn a_cache_that_is_dropped_keeps_what_is_still_to_be_written() -> io::Result<()> {
    let disk = Simulated::new();
    disk.write_file("a", b"old");
    let file = disk.storage().open("a", OpenMode::Write)?;
    file.write_at(1, b"ew")?;
    disk.drop_cache_at_call(disk.calls());
    file.set_size(2)?;
    assert_eq!(disk.read_file("a"), Some(b"oe".to_vec()));
    Ok(())
}

#[test]
fn who_opens_a_file_after_a_kill_is_not_told_that_writing_it_failed() -> io::Result<()> {
    let disk = Simulated::new();
    disk.write_file("a", b"old");
    disk.storage().open("a", OpenMode::Write)?.write_at(0, b"new")?;
    disk.lose_writeback_at_call(disk.calls());
    disk.storage().list()?;
    disk.kill();
    disk.storage().open("a", OpenMode::Write)?.sync()?;
    disk.power_loss_like(MIXTURE, 1);
    assert_eq!(disk.read_file("a"), Some(b"old".to_vec()), "though it is lost");
    Ok(())
}

#[test]
fn bytes_are_counted() -> io::Result<()> {
    let disk = Simulated::new();
    let file = create(&disk, "a")?;
    file.write_at(5, b"12345")?;
    file.read_at(8, &mut [0; 100])?;
    assert_eq!((disk.written_bytes(), disk.read_bytes()), (5, 2));
    Ok(())
}
