//! The files once more, written from docs/format.md and not from the library; the forged files follow that document.

/// Of every forged log.
pub const LOG_ID: [u8; 16] = *b"a log to fuzz...";
pub const PAGE_BYTES: usize = 4096;
pub const ENTRIES_AT: usize = 4 * PAGE_BYTES;
pub const ENTRY_BYTES: usize = 24;
pub const FRAME_HEADER_BYTES: usize = 52;
pub const JOURNAL_BYTES: usize = 64 << 10;
pub const HALF_BYTES: usize = JOURNAL_BYTES / 2;

const CRC_AT: usize = PAGE_BYTES - 4;

pub fn crc32c(parts: &[&[u8]]) -> u32 {
    crc_fast::crc32_iscsi(&parts.concat())
}

pub fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|word| u64::from_le_bytes(*word))
}

pub fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..part.len())) {
        place.copy_from_slice(part);
    }
}

/// The records of a file, walked by their sizes, and where they end; `None` when they do not fit.
pub fn walk(file: &[u8]) -> Option<(Vec<&[u8]>, usize)> {
    let count = word_at(file, 0)?;
    let (mut records, mut at) = (Vec::new(), 8);
    for _ in 0..count {
        let size = usize::try_from(word_at(file, at)?).ok()?;
        let end = at.checked_add(8)?.checked_add(size)?;
        records.push(file.get(at + 8..end)?);
        at = end;
    }
    Some((records, at))
}

/// Page 0 of an index file with this codec chain.
pub fn identity(codecs: &[u32]) -> Vec<u8> {
    let mut page = vec![0; PAGE_BYTES];
    put(&mut page, 0, b"\x89IMX\r\n\x1a\n");
    for (at, word) in [(8, 1_u32), (12, 16384), (16, 24), (64, u32::try_from(codecs.len()).unwrap())] {
        put(&mut page, at, &word.to_le_bytes());
    }
    put(&mut page, 40, &LOG_ID);
    for (index, id) in codecs.iter().enumerate() {
        put(&mut page, 68 + 4 * index, &id.to_le_bytes());
    }
    seal_page(&mut page, &[]);
    page
}

#[derive(Clone, Copy, Debug)]
pub struct Checkpoint {
    pub seq: u64,
    pub count: u64,
    pub end: u64,
    /// 1 open, 2 clean, 3 poisoned.
    pub state: u32,
    /// 0 durable, 1 fast.
    pub mode: u32,
    pub epoch: u64,
}

impl Checkpoint {
    pub fn page(&self) -> Vec<u8> {
        let mut page = vec![0; PAGE_BYTES];
        for (at, word) in [(0, self.seq), (8, self.count), (16, self.end), (32, self.epoch)] {
            put(&mut page, at, &word.to_le_bytes());
        }
        put(&mut page, 24, &self.state.to_le_bytes());
        put(&mut page, 28, &self.mode.to_le_bytes());
        seal_page(&mut page, &LOG_ID);
        page
    }
}

/// Makes the checksum of a page right, which `bound` goes into as well.
pub fn seal_page(page: &mut [u8], bound: &[u8]) {
    if page.len() == PAGE_BYTES {
        let crc = crc32c(&[bound, &page[..CRC_AT]]);
        put(page, CRC_AT, &crc.to_le_bytes());
    }
}

/// The entry of record `number`, whose bytes are `record`, size word included.
pub fn entry(number: usize, offset: usize, last_of_batch: bool, record: &[u8]) -> Vec<u8> {
    let mut entry = vec![0; ENTRY_BYTES];
    put(&mut entry, 0, &(offset as u64 | u64::from(last_of_batch) << 63).to_le_bytes());
    put(&mut entry, 8, &1_i64.to_le_bytes());
    put(&mut entry, 16, &crc32c(&[record]).to_le_bytes());
    seal_entry(&mut entry, number);
    entry
}

/// Binds the entry to the log and to its number.
pub fn seal_entry(entry: &mut [u8], number: usize) {
    let crc = crc32c(&[&LOG_ID, &(number as u64).to_le_bytes(), &entry[..20]]);
    put(entry, 20, &crc.to_le_bytes());
}

/// The header page of a half of the journal, whose first frame has record `number` at `offset`.
pub fn half_header(generation: u64, epoch: u64, salt: u64, number: u64, offset: u64) -> Vec<u8> {
    let mut page = vec![0; PAGE_BYTES];
    put(&mut page, 0, b"\x89IMW\r\n\x1a\n");
    put(&mut page, 8, &1_u32.to_le_bytes());
    put(&mut page, 12, &4096_u32.to_le_bytes());
    put(&mut page, 24, &LOG_ID);
    let words = [(16, JOURNAL_BYTES as u64), (40, epoch), (48, generation), (56, salt), (64, number), (72, offset)];
    for (at, word) in words {
        put(&mut page, at, &word.to_le_bytes());
    }
    seal_page(&mut page, &[]);
    page
}

/// A frame of `count` records from `number` on, which stand at `offset`; with `in_place` their bytes are only counted.
pub fn frame(salt: u64, sequence: u64, number: u64, count: u64, offset: u64, bytes: &[u8], in_place: bool) -> Vec<u8> {
    let mut frame = vec![0; FRAME_HEADER_BYTES];
    let length = bytes.len() as u64 | u64::from(in_place) << 63;
    for (at, word) in [(0, length), (8, sequence), (16, number), (24, count), (32, offset), (40, 1)] {
        put(&mut frame, at, &word.to_le_bytes());
    }
    if !in_place {
        frame.extend_from_slice(bytes);
    }
    seal_frame(&mut frame, salt);
    frame
}

/// Makes the checksum of a frame, head and bytes, right.
pub fn seal_frame(frame: &mut [u8], salt: u64) {
    let (head, body) = frame.split_at(FRAME_HEADER_BYTES);
    let crc = crc32c(&[&salt.to_le_bytes(), &head[..48], body]);
    put(frame, 48, &crc.to_le_bytes());
}
