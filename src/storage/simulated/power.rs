//! What a loss of power leaves of a simulated disk.
//!
//! Each file has a size that was published, and each of its sectors is as it was at some moment since the last sync.
//! The `Mood` says which moments: at random, or in patterns that file systems were seen to follow. Chance alone would
//! hardly ever hit these patterns.

use super::disk::{Change, Disk, Inode, apply_names, overlay};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The unit that a disk writes whole, as a rule.
const SECTOR_BYTES: usize = 512;
/// A sector that is torn is torn at a multiple of this.
const WORD_BYTES: usize = 8;
/// The unit in which file systems give out blocks.
const BLOCK_BYTES: usize = 4096;
/// The sizes of a page, which depend on the machine: the unit in which caches write.
const PAGE_SIZES_BYTES: [usize; 3] = [4 << 10, 16 << 10, 64 << 10];

/// Which of the sectors that were written since the last sync are new on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mood {
    /// Each as it was at a moment of its own.
    Mixture,
    /// None.
    Nothing,
    /// All.
    Everything,
    /// All as they were at the same moment.
    Moment,
    /// Those of the first page: a count ahead of its records, a header ahead of its entries.
    FirstPage,
    /// All but those of the first page.
    AllButFirstPage,
    /// Those up to some place in the file, as writing out in file order has it.
    Prefix,
    /// Those from some place on: a hole with good bytes after it.
    Suffix,
    /// All but one.
    OneMissing,
    /// One.
    OneSurvivor,
}

impl Mood {
    pub const ALL: [Mood; 10] = [
        Mood::Mixture,
        Mood::Nothing,
        Mood::Everything,
        Mood::Moment,
        Mood::FirstPage,
        Mood::AllButFirstPage,
        Mood::Prefix,
        Mood::Suffix,
        Mood::OneMissing,
        Mood::OneSurvivor,
    ];
}

/// What blocks hold if a published size gave them to a file before their bytes arrived. The first block is always zeros
/// then: a file whose size is published before its first bytes begins as a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fill {
    /// Zeros: holes, and extents that were never written.
    Zeros,
    /// What lay elsewhere in the same file, as after a cut whose blocks were given out again.
    Old,
    /// Anything.
    Garbage,
}

/// What a loss of power is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// `None`: each file has a mood of its own.
    pub mood: Option<Mood>,
    pub fill: Fill,
    /// Whether one sector of each file is torn between its old and its new bytes.
    pub torn: bool,
    /// The size of a page of the machine.
    pub page_bytes: usize,
}

impl Loss {
    pub(super) fn chosen_by(seed: u64) -> Loss {
        let mut chance = Chance(!seed);
        let mood = if chance.below(3) == 0 { None } else { Some(chance.mood()) };
        let fill = [Fill::Zeros, Fill::Zeros, Fill::Old, Fill::Garbage][chance.index(4)];
        let torn = chance.below(3) == 0;
        Loss { mood, fill, torn, page_bytes: PAGE_SIZES_BYTES[chance.index(PAGE_SIZES_BYTES.len())] }
    }
}

impl Disk {
    /// Kills the process, then replaces every file and name by what is found when the power is back.
    pub(super) fn lose_power(&mut self, loss: Loss, seed: u64) {
        self.kill();
        let mut chance = Chance(seed);
        if !self.own_name_is_durable && chance.below(2) == 0 {
            // The next process makes another directory.
            self.durable_names.clear();
            self.name_changes.clear();
        } else {
            self.own_name_is_durable = true;
        }
        self.names.clone_from(&self.durable_names);
        let names_mood = chance.below(4);
        for change in self.name_changes.drain(..) {
            // None of the changes, all of them, or some by chance.
            if names_mood == 1 || names_mood > 1 && chance.below(2) == 1 {
                apply_names(&mut self.names, &change);
            }
        }
        self.durable_names.clone_from(&self.names);
        let names = &self.names;
        self.inodes.retain(|number, _| names.values().any(|named| named == number));
        for inode in self.inodes.values_mut() {
            if !inode.changes.is_empty() {
                inode.durable = Arc::new(survivors(inode, loss, &mut chance));
                inode.changes.clear();
            }
            inode.cached = Arc::clone(&inode.durable);
        }
    }
}

/// How many of the changes are in a sector: the first `before` of them in the bytes before `cut`, the first `behind` in
/// the others.
#[derive(Clone, Copy, Debug)]
struct Seen {
    before: usize,
    cut: usize,
    behind: usize,
}

impl Seen {
    fn whole(count: usize) -> Seen {
        Seen { before: count, cut: SECTOR_BYTES, behind: count }
    }
}

/// The safe bytes, and a part of the changes that an ordinary file system and disk could have left.
///
/// Sizes are published in order, up to some moment. An extension may be published only up to some page, since sizes
/// follow the bytes that were written out. A sector is as it was at some moment, since a page is written with
/// everything in it. So of two writes to a sector the later one never survives alone. Bytes written to blocks that an
/// unpublished size gave the file are not reachable.
fn survivors(inode: &Inode, loss: Loss, chance: &mut Chance) -> Vec<u8> {
    let mut image = inode.durable.to_vec();
    let seen = sectors_seen(inode, loss, chance);
    let size_count = inode.changes.iter().filter(|change| matches!(change, Change::Size(_))).count();
    let mut sizes_left = chance.part_of(size_count);
    let mut reachable_bytes = usize::MAX;
    for (index, change) in inode.changes.iter().enumerate() {
        match change {
            Change::Size(size) if sizes_left > 0 => {
                sizes_left -= 1;
                resize(&mut image, *size, loss.fill, &inode.durable, chance);
            }
            Change::Size(size) => {
                if reachable_bytes == usize::MAX && chance.below(4) == 0 {
                    let pages = size.saturating_sub(image.len()) / loss.page_bytes;
                    let reached = (image.len() / loss.page_bytes + chance.index(pages + 1)) * loss.page_bytes;
                    let reached = reached.max(image.len());
                    resize(&mut image, reached, loss.fill, &inode.durable, chance);
                }
                reachable_bytes = reachable_bytes.min(*size).min(image.len());
            }
            Change::Write { offset, bytes } => {
                let reachable = image.len().min(reachable_bytes);
                let image = image.get_mut(..reachable).unwrap_or_default();
                for (at, piece) in sectors(*offset, bytes) {
                    let Some(seen) = seen.get(&(at / SECTOR_BYTES)) else { continue };
                    let cut = seen.cut.saturating_sub(at % SECTOR_BYTES).min(piece.len());
                    let (before, behind) = piece.split_at(cut);
                    if index < seen.before {
                        overlay(image, at, before);
                    }
                    if index < seen.behind {
                        overlay(image, at + cut, behind);
                    }
                }
            }
        }
    }
    image
}

/// For each sector that was written, how many of the changes are in it.
fn sectors_seen(inode: &Inode, loss: Loss, chance: &mut Chance) -> BTreeMap<usize, Seen> {
    let writes = inode.changes.iter().filter_map(|change| match change {
        Change::Write { offset, bytes } => Some(offset / SECTOR_BYTES..(offset + bytes.len()).div_ceil(SECTOR_BYTES)),
        Change::Size(_) => None,
    });
    let mut touched: Vec<usize> = writes.flatten().collect();
    touched.sort_unstable();
    touched.dedup();
    let all = inode.changes.len();
    let (chosen, moment) = (chance.index(touched.len()), chance.part_of(all));
    let in_first_page = |sector: usize| sector < loss.page_bytes / SECTOR_BYTES;
    let mood = loss.mood.unwrap_or_else(|| chance.mood());
    let mut seen = |place: usize, sector: usize| match mood {
        Mood::Mixture => chance.part_of(all),
        Mood::Moment => moment,
        Mood::Nothing => 0,
        Mood::Everything => all,
        Mood::FirstPage => if_so(in_first_page(sector), all),
        Mood::AllButFirstPage => if_so(!in_first_page(sector), all),
        Mood::Prefix => if_so(place < chosen, all),
        Mood::Suffix => if_so(place >= chosen, all),
        Mood::OneMissing => if_so(place != chosen, all),
        Mood::OneSurvivor => if_so(place == chosen, all),
    };
    let mut seen: BTreeMap<usize, Seen> =
        touched.iter().enumerate().map(|(place, sector)| (*sector, Seen::whole(seen(place, *sector)))).collect();
    if loss.torn && !touched.is_empty() {
        let torn = if chance.below(2) == 0 { chosen } else { chance.index(touched.len()) };
        let cut = (1 + chance.index(SECTOR_BYTES / WORD_BYTES - 1)) * WORD_BYTES;
        let (before, behind) = if chance.below(2) == 0 { (all, 0) } else { (0, all) };
        seen.insert(touched[torn], Seen { before, cut, behind });
    }
    seen
}

fn if_so(holds: bool, count: usize) -> usize {
    if holds { count } else { 0 }
}

/// Cuts `image`, or extends it with blocks that hold what `fill` says. The rest of its last block becomes zeros.
fn resize(image: &mut Vec<u8>, size: usize, fill: Fill, durable: &[u8], chance: &mut Chance) {
    let had = image.len().max(1).next_multiple_of(BLOCK_BYTES);
    image.resize(size, 0);
    for block in image.get_mut(had..).unwrap_or_default().chunks_mut(BLOCK_BYTES) {
        match fill {
            Fill::Zeros => {}
            Fill::Old => {
                let from = chance.index(durable.len() / BLOCK_BYTES + 1) * BLOCK_BYTES;
                overlay(block, 0, durable.get(from..).unwrap_or_default());
            }
            Fill::Garbage if chance.below(2) == 0 => {}
            Fill::Garbage => {
                block.chunks_mut(WORD_BYTES).for_each(|word| overlay(word, 0, &chance.next().to_le_bytes()));
            }
        }
    }
}

/// Cuts `bytes`, which lie at `offset`, at the beginnings of sectors; each piece comes with its offset.
fn sectors(offset: usize, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let head_bytes = (SECTOR_BYTES - offset % SECTOR_BYTES).min(bytes.len());
    let (head, rest) = bytes.split_at(head_bytes);
    let starts = (offset + head_bytes..).step_by(SECTOR_BYTES);
    std::iter::once((offset, head)).filter(|(_, head)| !head.is_empty()).chain(starts.zip(rest.chunks(SECTOR_BYTES)))
}

/// Random numbers that a seed determines (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// A random index below `count`; 0 if there is none.
    fn index(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).unwrap_or(0)
    }

    /// A random mood; a mixture at least every other time.
    fn mood(&mut self) -> Mood {
        if self.below(2) == 0 { Mood::Mixture } else { Mood::ALL[self.index(Mood::ALL.len())] }
    }

    /// A random number from 0 to `count`. Both ends are frequent, since that is where mistakes are.
    fn part_of(&mut self, count: usize) -> usize {
        match self.below(4) {
            0 => 0,
            1 => count,
            _ => self.index(count + 1),
        }
    }
}
