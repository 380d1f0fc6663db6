//! The records of `process/payload.h` as a closed record file has them, with nothing of the library between.

use crate::support::mix;
use std::collections::HashMap;
use std::path::Path;

/// Reads the record file as docs/format.md has it and compares every byte; returns its size.
pub fn check_file(path: &Path, count: u64) -> Result<u64, String> {
    let file = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let walked = immuta_walker::walk_closed(&file)?;
    if walked.count != count {
        return Err(format!("the file has {} records, {count} were acknowledged", walked.count));
    }
    let mut next_sequences = HashMap::new();
    let (mut at, mut last) = (8, None::<Head>);
    for number in 0..count {
        let head = Head::read(&file, at + 8).ok_or_else(|| format!("record {number} at {at} is cut off"))?;
        let expected = head.payload();
        if word(&file, at) != Some(expected.len() as u64) || !file[at + 8..].starts_with(&expected) {
            return Err(format!("record {number} at {at} is not what was appended"));
        }
        if !head.continues(last) {
            return Err(format!("record {number} is of a batch of which a part is missing"));
        }
        let next = next_sequences.entry(head.writer).or_insert(0);
        if head.sequence != *next {
            return Err(format!("record {number} is {} of its writer's, not {next}", head.sequence));
        }
        *next += 1;
        last = Some(head);
        at += 8 + expected.len();
    }
    if last.is_some_and(|last| !last.is_end()) || at != file.len() {
        return Err(format!("the records end at {at}, the file at {}", file.len()));
    }
    Ok(at as u64)
}

fn word(file: &[u8], at: usize) -> Option<u64> {
    file.get(at..at + 8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default()))
}

/// The head of a payload, as `process/payload.h` has it.
#[derive(Clone, Copy)]
struct Head {
    writer: u64,
    sequence: u64,
    /// The index in the batch, and in the upper half how many are in it.
    place: u64,
}

impl Head {
    fn read(file: &[u8], at: usize) -> Option<Head> {
        Some(Head { writer: word(file, at)?, sequence: word(file, at + 8)?, place: word(file, at + 16)? })
    }

    fn index(self) -> u64 {
        self.place & u64::from(u32::MAX)
    }

    fn is_end(self) -> bool {
        self.index() + 1 == self.place >> 32
    }

    /// Whether it may come after `last`: the next of its batch, or the first of another.
    fn continues(self, last: Option<Head>) -> bool {
        match last.filter(|last| !last.is_end()) {
            Some(last) => self.writer == last.writer && self.place == last.place + 1,
            None => self.index() == 0,
        }
    }

    fn payload(self) -> Vec<u8> {
        let mut word = mix(self.writer << 32 ^ self.sequence);
        let range = if self.sequence % 97 == 96 { 200_000 } else { 600 };
        let size = 24 + usize::try_from(word % range).unwrap_or(0);
        let mut payload = Vec::with_capacity(size + 8);
        for word in [self.writer, self.sequence, self.place] {
            payload.extend_from_slice(&word.to_le_bytes());
        }
        while payload.len() < size {
            word = mix(word);
            payload.extend_from_slice(&word.to_le_bytes());
        }
        payload.truncate(size);
        payload
    }
}
