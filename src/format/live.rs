//! `NAME.live`, one page for waiting. Never trusted, never synced, never needed to read a log.
//!
//! ```text
//!    0 magic 89 49 4D 4C 0D 0A 1A 0A     8 boot id (16 bytes)     24 u64 ready epoch (0: not ready)    32 zero
//!   48 u32 writer pid (hint)            52 u32 wakes             56 u32 sleepers flag                 60 u32 wake counter
//!   64 zero, to 4096
//! ```
//!
//! *wakes* is 1 when the writer wakes sleepers through the counter, 0 when it cannot (it maps no files): then other processes look
//! in short slices.

/// What follows `.` in the file's name.
pub const SUFFIX: &str = "live";
pub const SIZE_BYTES: usize = 4096;
pub const MAGIC: [u8; 8] = *b"\x89IML\r\n\x1a\n";

pub const BOOT_ID_AT: usize = 8;
pub const BOOT_ID_BYTES: usize = 16;
pub const READY_EPOCH_AT: usize = BOOT_ID_AT + BOOT_ID_BYTES;
pub const WRITER_PID_AT: usize = 48;
pub const WAKES_AT: usize = WRITER_PID_AT + 4;
pub const SLEEPERS_AT: usize = WAKES_AT + 4;
pub const COUNTER_AT: usize = SLEEPERS_AT + 4;
/// The fields, without the zeros after them.
pub const FIELDS_BYTES: usize = COUNTER_AT + 4;

const _: () = assert!(COUNTER_AT == 60 && SLEEPERS_AT.is_multiple_of(4) && READY_EPOCH_AT.is_multiple_of(8));

/// The page as another process sees it at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub boot_id: [u8; BOOT_ID_BYTES],
    pub ready_epoch: u64,
    pub writer_pid: u32,
    pub wakes: bool,
}

impl Snapshot {
    /// The fields for a fresh page, with nobody asleep.
    pub fn encode(&self) -> [u8; SIZE_BYTES] {
        let mut page = [0; SIZE_BYTES];
        super::set(&mut page, 0, &MAGIC);
        super::set(&mut page, BOOT_ID_AT, &self.boot_id);
        super::set(&mut page, READY_EPOCH_AT, &self.ready_epoch.to_le_bytes());
        super::set(&mut page, WRITER_PID_AT, &self.writer_pid.to_le_bytes());
        super::set(&mut page, WAKES_AT, &u32::from(self.wakes).to_le_bytes());
        page
    }

    /// The fields of `page`; `None` when it is no live page.
    pub fn decode(page: &[u8]) -> Option<Snapshot> {
        if page.len() < FIELDS_BYTES || page[..8] != MAGIC {
            return None;
        }
        let mut boot_id = [0; BOOT_ID_BYTES];
        boot_id.copy_from_slice(&page[BOOT_ID_AT..BOOT_ID_AT + BOOT_ID_BYTES]);
        Some(Snapshot {
            boot_id,
            ready_epoch: super::u64_at(page, READY_EPOCH_AT),
            writer_pid: super::u32_at(page, WRITER_PID_AT),
            wakes: super::u32_at(page, WAKES_AT) != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_back_and_what_is_none_is_told() {
        let snapshot = Snapshot { boot_id: [7; BOOT_ID_BYTES], ready_epoch: 1, writer_pid: 4, wakes: true };
        let page = snapshot.encode();
        assert_eq!(Snapshot::decode(&page), Some(snapshot));
        assert_eq!(Snapshot::decode(&page[..FIELDS_BYTES]), Some(snapshot), "the zeros behind say nothing");
        assert_eq!(Snapshot::decode(&page[..FIELDS_BYTES - 1]), None, "cut short");
        for at in 0..MAGIC.len() {
            let mut foreign = page;
            foreign[at] ^= 1;
            assert_eq!(Snapshot::decode(&foreign), None, "byte {at}");
        }
    }
}
