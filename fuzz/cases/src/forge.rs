//! Logs as a writer could have left them, then changed: with the checksums left wrong, or made right again.

use crate::layout::{
    Checkpoint, ENTRIES_AT, ENTRY_BYTES, FRAME_HEADER_BYTES, HALF_BYTES, JOURNAL_BYTES, LOG_ID, PAGE_BYTES, crc32c,
    entry, frame, half_header, identity, put, seal_entry, seal_frame, seal_page, word_at,
};
use arbitrary::{Result, Unstructured};
use std::collections::BTreeMap;

const EPOCH: u64 = 7;
const SALTS: [u64; 2] = [11, 12];
/// Files stay small, so that many can be tried.
const FILE_BYTES_MAX: usize = 256 << 10;
/// Words that are wrong in interesting ways.
const WORDS: [u64; 12] =
    [0, 1, 8, 9, 511, 1 << 20, 1 << 32, (1 << 47) - 1, 1 << 47, i64::MAX as u64, u64::MAX - 7, u64::MAX];

/// The files of a log by name.
pub type Files = BTreeMap<&'static str, Vec<u8>>;

/// A log to be opened.
pub struct Forgery {
    pub files: Files,
    /// What its writer appended.
    pub records: Vec<Vec<u8>>,
    /// Whether the changed bytes have right checksums: then no reader can know what is right.
    pub is_sealed: bool,
}

/// The log of `data`, changed as that says; `with_journal` for a durable one that was not closed.
pub fn forge(data: &[u8], with_journal: bool) -> Result<Forgery> {
    let mut u = Unstructured::new(data);
    let history = History::new(&mut u, with_journal)?;
    let mut files = history.files(&mut u)?;
    let is_sealed = u.arbitrary()?;
    for _ in 0..u.int_in_range(0..=6)? {
        change(&mut u, &mut files)?;
    }
    if is_sealed {
        seal(&mut files);
    }
    Ok(Forgery { files, records: history.records, is_sealed })
}

/// What a writer did.
struct History {
    records: Vec<Vec<u8>>,
    /// For each record whether it is the last of its batch.
    ends_batch: Vec<bool>,
    covered: usize,
    is_closed: bool,
    is_fast: bool,
    with_journal: bool,
}

impl History {
    fn new(u: &mut Unstructured<'_>, with_journal: bool) -> Result<History> {
        let count: usize = u.int_in_range(0..=12)?;
        let (mut records, mut ends_batch) = (Vec::new(), Vec::new());
        for number in 0..count {
            let size = if u.ratio(1, 8)? { u.int_in_range(500..=6000)? } else { u.int_in_range(0..=40)? };
            records.push(vec![b'a' + number.to_le_bytes()[0]; size]);
            ends_batch.push(number + 1 == count || u.ratio(2, 3)?);
        }
        let is_closed = !with_journal && u.arbitrary()?;
        let covered = if is_closed { count } else { u.int_in_range(0..=count)? };
        if covered > 0 {
            ends_batch[covered - 1] = true;
        }
        let is_fast = !with_journal && u.arbitrary()?;
        Ok(History { records, ends_batch, covered, is_closed, is_fast, with_journal })
    }

    /// The record with its size word.
    fn sized(&self, number: usize) -> Vec<u8> {
        [&(self.records[number].len() as u64).to_le_bytes(), self.records[number].as_slice()].concat()
    }

    fn offset(&self, number: usize) -> usize {
        8 + self.records[..number].iter().map(|record| 8 + record.len()).sum::<usize>()
    }

    fn files(&self, u: &mut Unstructured<'_>) -> Result<Files> {
        let count = self.records.len();
        // A power cut took a part of the bytes after the checkpoint.
        let written = if self.is_closed { count } else { u.int_in_range(self.covered..=count)? };
        let counted = if u.arbitrary()? { written } else { count };
        let mut log = (counted as u64).to_le_bytes().to_vec();
        let mut index = [identity(&[]), vec![0; ENTRIES_AT - PAGE_BYTES]].concat();
        let older = if self.covered > 0 { u.int_in_range(0..=self.covered)? } else { 0 };
        for (slot, (covered, seq)) in [(older, 4), (self.covered, 5)].into_iter().enumerate() {
            let (end, state) = (self.offset(covered) as u64, if self.is_closed && seq == 5 { 2 } else { 1 });
            let mode = u32::from(self.is_fast);
            let checkpoint = Checkpoint { seq, count: covered as u64, end, state, mode, epoch: EPOCH };
            put(&mut index, (1 + slot) * PAGE_BYTES, &checkpoint.page());
        }
        for number in 0..written {
            index.extend(entry(number, self.offset(number), self.ends_batch[number], &self.sized(number)));
            log.extend(self.sized(number));
        }
        if !self.is_closed {
            log.resize(log.len().next_multiple_of(PAGE_BYTES), 0);
            index.resize(index.len().next_multiple_of(PAGE_BYTES), 0);
        }
        let mut files = Files::from([("a.log", log), ("a.idx", index)]);
        if self.with_journal {
            files.insert("a.wal", self.journal(u)?);
        }
        Ok(files)
    }

    /// The batches from some on, as frames, in one half or in both.
    fn journal(&self, u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        let mut journal = vec![0; JOURNAL_BYTES];
        let begins: Vec<usize> =
            (0..self.records.len()).filter(|number| *number == 0 || self.ends_batch[number - 1]).collect();
        let first = u.int_in_range(0..=begins.iter().filter(|begin| **begin <= self.covered).count())?;
        let turn = u.int_in_range(first..=begins.len())?;
        let mut at = 0;
        for (sequence, batch) in (first..begins.len()).enumerate() {
            let (from, to) = (begins[batch], begins.get(batch + 1).copied().unwrap_or(self.records.len()));
            let half = usize::from(batch >= turn);
            if batch == first || batch == turn {
                let begins = (from as u64, self.offset(from) as u64);
                let header = half_header(1 + half as u64, EPOCH, SALTS[half], begins.0, begins.1);
                at = half * HALF_BYTES;
                put(&mut journal, at, &header);
                at += PAGE_BYTES;
            }
            let bytes = (from..to).flat_map(|number| self.sized(number)).collect::<Vec<u8>>();
            let is_in_place = at % HALF_BYTES + FRAME_HEADER_BYTES + bytes.len() > HALF_BYTES || u.ratio(1, 10)?;
            let (count, offset) = ((to - from) as u64, self.offset(from) as u64);
            let made = frame(SALTS[half], sequence as u64, from as u64, count, offset, &bytes, is_in_place);
            put(&mut journal, at, &made);
            at += made.len();
        }
        Ok(journal)
    }
}

/// One change to one file, mostly at a place that matters.
fn change(u: &mut Unstructured<'_>, files: &mut Files) -> Result<()> {
    let name = *u.choose(&files.keys().copied().collect::<Vec<_>>())?;
    let file = files.get_mut(name).unwrap();
    if u.ratio(1, 30)? {
        files.remove(name);
        return Ok(());
    }
    if file.is_empty() {
        return Ok(());
    }
    let at = place(u, name, file.len())?;
    match u.int_in_range(0..=7)? {
        0 => file[at] ^= u.int_in_range(1..=255)?,
        1 => put(file, at, &u.choose(&WORDS)?.to_le_bytes()),
        2 => {
            let near = word_at(file, at).unwrap_or(0).wrapping_add_signed(u.int_in_range(-9..=9)?);
            put(file, at, &near.to_le_bytes());
        }
        3 => file.truncate(at),
        4 => file.resize((file.len() + u.int_in_range(1..=PAGE_BYTES)?).min(FILE_BYTES_MAX), u.arbitrary()?),
        5 => {
            let end = (at + u.int_in_range(1..=1024)?).min(file.len());
            file[at..end].fill(0);
        }
        6 => {
            let from = place(u, name, file.len())?;
            let length = u.int_in_range(1..=512)?.min(file.len() - from.max(at));
            file.copy_within(from..from + length, at);
        }
        _ => {
            let length = u.int_in_range(0..=40)?.min(u.len());
            put(file, at, u.bytes(length)?);
        }
    }
    Ok(())
}

/// Where something begins, or anywhere.
fn place(u: &mut Unstructured<'_>, name: &str, size: usize) -> Result<usize> {
    let field: usize = u.int_in_range(0..=47)?; // the last field of an index file's page 0 is 44
    let step = field % 16;
    let at = match (name, u.int_in_range(0..=3)?) {
        (_, 0) => u.int_in_range(0..=size - 1)?,
        ("a.idx", 1) => u.int_in_range(0..=3)? * PAGE_BYTES + 4 * field,
        ("a.idx", _) => ENTRIES_AT + 4 * u.int_in_range(0..=80)?,
        ("a.wal", 1) => u.int_in_range(0..=1)? * HALF_BYTES + 8 * step,
        ("a.wal", _) => u.int_in_range(0..=1)? * HALF_BYTES + PAGE_BYTES + 4 * step,
        _ => 8 * step,
    };
    Ok(at.min(size - 1))
}

/// Makes every checksum right.
fn seal(files: &mut Files) {
    let log = files.get("a.log").cloned().unwrap_or_default();
    if let Some(index) = files.get_mut("a.idx") {
        for (page, bound) in index.chunks_exact_mut(PAGE_BYTES).take(4).zip([&[][..], &LOG_ID, &LOG_ID, &LOG_ID]) {
            if page.iter().any(|byte| *byte != 0) {
                seal_page(page, bound);
            }
        }
        let entries = index.get_mut(ENTRIES_AT..).unwrap_or_default().chunks_exact_mut(ENTRY_BYTES);
        for (number, entry) in entries.enumerate().filter(|(_, entry)| entry.iter().any(|byte| *byte != 0)) {
            seal_record(entry, &log);
            seal_entry(entry, number);
        }
    }
    if let Some(journal) = files.get_mut("a.wal") {
        for half in journal.chunks_mut(HALF_BYTES) {
            seal_half(half);
        }
    }
}

/// Gives the entry the checksum of the bytes it leads to, if it leads to any.
fn seal_record(entry: &mut [u8], log: &[u8]) {
    let offset = word_at(entry, 0).map_or(0, |word| word & ((1 << 47) - 1));
    let at = usize::try_from(offset).unwrap_or(usize::MAX);
    let size = word_at(log, at).and_then(|size| usize::try_from(size).ok());
    let end = size.and_then(|size| at.checked_add(8)?.checked_add(size));
    if let Some(record) = end.and_then(|end| log.get(at..end)) {
        put(entry, 16, &crc32c(&[record]).to_le_bytes());
    }
}

fn seal_half(half: &mut [u8]) {
    let Some((header, frames)) = half.split_at_mut_checked(PAGE_BYTES) else { return };
    if header.iter().all(|byte| *byte == 0) {
        return;
    }
    seal_page(header, &[]);
    let salt = word_at(header, 56).unwrap_or(0);
    let mut at = 0;
    while let Some(length) = word_at(frames, at).filter(|length| *length != 0) {
        let body = if length >> 63 == 1 { 0 } else { usize::try_from(length & ((1 << 47) - 1)).unwrap() };
        let Some(frame) = frames.get_mut(at..at + FRAME_HEADER_BYTES + body) else { return };
        seal_frame(frame, salt);
        at += frame.len();
    }
}
