//! `NAME.live`, one page for waiting. It is never trusted, never synced, and never needed to read a log.
//!
//! ```text
//!    0 magic 89 49 4D 4C 0D 0A 1A 0A     8 boot id (16 bytes)     24 u64 ready epoch (0: not ready)   32 zero
//!   48 u32 writer pid (hint)            52 u32 wakes             56 u32 sleepers flag            60 u32 wake counter
//!   64 zero, to 4096
//! ```
//!
//! *wakes* is 1 when the writer wakes sleepers through the counter. It is 0 when the writer cannot, since it maps no
//! files: then other processes look at the files at short intervals.

use super::field::Field;
use super::{PAGE_SIZE_BYTES, Page};

/// What follows `.` in the file's name.
pub const SUFFIX: &str = "live";
pub const MAGIC: [u8; 8] = *b"\x89IML\r\n\x1a\n";
/// A random number that the kernel draws at boot.
pub type BootId = [u8; 16];

pub const MAGIC_FIELD: Field<[u8; 8]> = Field::at(0);
pub const BOOT_ID: Field<BootId> = Field::after(MAGIC_FIELD);
pub const READY_EPOCH: Field<u64> = Field::after(BOOT_ID);
pub const WRITER_PID: Field<u32> = Field::at(48);
pub const WAKES: Field<u32> = Field::after(WRITER_PID);
pub const SLEEPERS: Field<u32> = Field::after(WAKES);
pub const COUNTER: Field<u32> = Field::after(SLEEPERS);
/// The fields, without the zeros after them.
pub const FIELDS_BYTES: usize = COUNTER.end();

const _: () = assert!(READY_EPOCH.end() <= WRITER_PID.offset() && COUNTER.offset() == 60);
const _: () = assert!(SLEEPERS.offset().is_multiple_of(4) && READY_EPOCH.offset().is_multiple_of(8));

/// The page as another process sees it at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub boot_id: BootId,
    pub ready_epoch: u64,
    pub writer_pid: u32,
    pub wakes: bool,
}

impl Snapshot {
    /// The fields for a fresh page, with no sleepers.
    pub fn encode(&self) -> Page {
        let mut page = [0; PAGE_SIZE_BYTES];
        MAGIC_FIELD.set(&mut page, MAGIC);
        BOOT_ID.set(&mut page, self.boot_id);
        READY_EPOCH.set(&mut page, self.ready_epoch);
        WRITER_PID.set(&mut page, self.writer_pid);
        WAKES.set(&mut page, u32::from(self.wakes));
        page
    }

    /// The fields of `page`; `None` when it is no live page.
    pub fn decode(page: &[u8]) -> Option<Snapshot> {
        if page.len() < FIELDS_BYTES || MAGIC_FIELD.get(page) != MAGIC {
            return None;
        }
        Some(Snapshot {
            boot_id: BOOT_ID.get(page),
            ready_epoch: READY_EPOCH.get(page),
            writer_pid: WRITER_PID.get(page),
            wakes: WAKES.get(page) != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_back_and_what_is_none_is_told() {
        let snapshot = Snapshot { boot_id: [7; 16], ready_epoch: 1, writer_pid: 4, wakes: true };
        let page = snapshot.encode();
        assert_eq!(Snapshot::decode(&page), Some(snapshot));
        assert_eq!(Snapshot::decode(&page[..FIELDS_BYTES]), Some(snapshot), "the zeros after the fields say nothing");
        assert_eq!(Snapshot::decode(&page[..FIELDS_BYTES - 1]), None, "cut short");
        for at in 0..MAGIC.len() {
            let mut foreign = page;
            foreign[at] ^= 1;
            assert_eq!(Snapshot::decode(&foreign), None, "byte {at}");
        }
    }
}
