//! The logs that are damaged: 64 records in both modes, closed, left by a kill, and left by a power cut that only the
//! journal survived.

use crate::random::Random;
use immuta::storage::simulated::Simulated;
use immuta::{Log, Mode, Options};

pub const RECORDS: usize = 64;
/// Records that the checkpoint of a log which was not closed covers.
const SYNCED: usize = 20;
const JOURNAL_BYTES: usize = 64 << 10;
const FILES: [&str; 4] = ["a.log", "a.idx", "a.wal", "a.live"];
const CHECKPOINTS_AT: [usize; 2] = [4096, 8192];
const ENTRIES_AT: usize = 16384;
const ENTRY_BYTES: usize = 24;

pub type Records = Vec<Vec<u8>>;

/// The files of a log, and what is in it.
pub struct Image {
    pub files: Vec<(&'static str, Vec<u8>)>,
    pub records: Records,
    /// Records that a checkpoint covers: damage to one of them is reported by its number.
    pub covered: usize,
    pub is_closed: bool,
    pub fast_write: bool,
}

impl Image {
    fn of(disk: &Simulated, records: Records, is_closed: bool, fast_write: bool) -> Image {
        let files = FILES.iter().filter_map(|name| Some((*name, disk.read_file(name)?))).collect();
        let covered = if is_closed { records.len() } else { SYNCED };
        Image { files, records, covered, is_closed, fast_write }
    }

    pub fn file(&self, name: &str) -> &[u8] {
        self.files.iter().find(|(known, _)| *known == name).map_or(&[], |(_, bytes)| bytes)
    }

    fn file_mut(&mut self, name: &str) -> &mut Vec<u8> {
        self.files.iter_mut().find(|(known, _)| *known == name).map(|(_, bytes)| bytes).unwrap()
    }

    /// Where record `number` begins and ends in the record file.
    pub fn record_place(&self, number: usize) -> (usize, usize) {
        let begin = 8 + self.records[..number].iter().map(|record| 8 + record.len()).sum::<usize>();
        (begin, begin + 8 + self.records[number].len())
    }

    /// The covered record that the byte `at` of the file `name` belongs to, as part of its bytes or of its entry.
    pub fn covered_record_at(&self, name: &str, at: usize) -> Option<usize> {
        (0..self.covered).find(|number| match name {
            "a.log" => (self.record_place(*number).0..self.record_place(*number).1).contains(&at),
            "a.idx" => at.checked_sub(ENTRIES_AT).is_some_and(|at| at / ENTRY_BYTES == *number),
            _ => false,
        })
    }

    /// The bytes of the record file after a clean close.
    pub fn closed_log(&self) -> Vec<u8> {
        let mut file = (self.records.len() as u64).to_le_bytes().to_vec();
        for record in &self.records {
            file.extend_from_slice(&(record.len() as u64).to_le_bytes());
            file.extend_from_slice(record);
        }
        file
    }
}

pub fn options(read_only: bool, fast_write: bool) -> Options {
    let mut options = Options {
        read_only,
        mode: if fast_write { Mode::Fast } else { Mode::Durable },
        reader_count: 1,
        flush_interval: None,
        journal_size_bytes: JOURNAL_BYTES as u64,
        ..Options::default()
    };
    options.add_namespace("a").unwrap();
    options
}

/// Payloads of 0 to 200 bytes; those `has_page` chooses are a page long.
fn records(has_page: fn(usize) -> bool) -> Records {
    let mut random = Random::new(64);
    let mut size = |number| match number {
        _ if has_page(number) => 4096,
        _ if random.one_in(9) => 0,
        _ => random.below(201),
    };
    let sizes: Vec<u64> = (0..RECORDS).map(&mut size).collect();
    sizes.into_iter().map(|size| random.bytes(size)).collect()
}

/// The records in commits of one to four, none across the checkpoint.
fn commits(records: &[Vec<u8>]) -> Vec<&[Vec<u8>]> {
    let (mut random, mut left, mut commits) = (Random::new(65), records, Vec::new());
    while !left.is_empty() {
        let size = usize::try_from(random.below(4)).unwrap().min(left.len() - 1) + 1;
        let (commit, rest) = left.split_at(size);
        commits.push(commit);
        left = rest;
    }
    commits
}

fn append(log: &Log, records: &[Vec<u8>]) {
    for commit in commits(records) {
        let slices: Vec<&[u8]> = commit.iter().map(Vec::as_slice).collect();
        log.append_batch(0, &slices).unwrap();
    }
}

/// A log that a writer closed, or left when it was killed.
pub fn image(fast_write: bool, is_closed: bool) -> Image {
    let (disk, records) = (Simulated::new(), records(|number| number == 33));
    let log = Log::open_on(disk.storage(), &options(false, fast_write)).unwrap();
    let (first, second) = records.split_at(SYNCED);
    append(&log, first);
    log.sync(0).unwrap();
    append(&log, second);
    if is_closed {
        log.shutdown().unwrap();
    }
    // Before the writer goes: dropping it would close the log.
    let image = Image::of(&disk, records.clone(), is_closed, fast_write);
    drop(log);
    image
}

/// What a power cut may leave of a durable writer: frames in both halves of the journal. The checkpoint made when the
/// second half was begun is lost. Of the records after the checkpoint before it only the count is left.
pub fn journal_image() -> Image {
    let (disk, records) = (Simulated::new(), records(|number| number % 10 == 7));
    let log = Log::open_on(disk.storage(), &options(false, false)).unwrap();
    let (first, second) = records.split_at(SYNCED);
    append(&log, first);
    log.sync(0).unwrap();
    let checkpoints = disk.read_file("a.idx").unwrap()[CHECKPOINTS_AT[0]..ENTRIES_AT].to_vec();
    append(&log, second);
    let mut image = Image::of(&disk, records.clone(), false, false);
    drop(log);
    let end = image.record_place(SYNCED).0;
    image.file_mut("a.log")[end..].fill(0);
    let index = image.file_mut("a.idx");
    index[CHECKPOINTS_AT[0]..ENTRIES_AT].copy_from_slice(&checkpoints);
    index[ENTRIES_AT + SYNCED * ENTRY_BYTES..].fill(0);
    let newer_half = &image.file("a.wal")[JOURNAL_BYTES / 2..];
    assert!(newer_half.iter().any(|byte| *byte != 0), "the second half was begun");
    image
}
