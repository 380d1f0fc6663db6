//! What a loss of power leaves of a simulated disk.

use super::disk::{Change, Disk, Inode, apply_names, overlay};
use std::collections::HashMap;

/// The unit that a disk writes whole.
const SECTOR_BYTES: usize = 512;

impl Disk {
    /// Kills the process, then replaces every file and name by what is found when the power is back.
    pub(super) fn lose_power(&mut self, seed: u64) {
        self.kill();
        let mut chance = Chance(seed);
        self.names.clone_from(&self.durable_names);
        let mood = chance.below(4);
        for change in self.name_changes.drain(..) {
            // None of them, all of them, or each by itself.
            if mood == 1 || mood > 1 && chance.below(2) == 1 {
                apply_names(&mut self.names, &change);
            }
        }
        self.durable_names.clone_from(&self.names);
        let names = &self.names;
        self.inodes.retain(|number, _| names.values().any(|named| named == number));
        for inode in self.inodes.values_mut() {
            let image = survivors(inode, &mut chance);
            inode.cached.clone_from(&image);
            inode.durable = image;
            inode.changes.clear();
        }
    }
}

/// The safe bytes, and an arbitrary part of the changes that an ordinary file system and disk could have left.
///
/// Sizes are published in order, up to some moment. Each sector is as it was at some moment, since a page is written with all
/// it holds; so of two writes to a sector the later one never survives alone. What was written to blocks that an unpublished
/// size gave the file is not reachable.
fn survivors(inode: &Inode, chance: &mut Chance) -> Vec<u8> {
    let mut image = inode.durable.clone();
    let size_count = inode.changes.iter().filter(|change| matches!(change, Change::Size(_))).count();
    let mut sizes_left = chance.part_of(size_count);
    let mut reachable_bytes = usize::MAX;
    let mut moments = HashMap::new();
    for (index, change) in inode.changes.iter().enumerate() {
        match change {
            Change::Size(size) if sizes_left > 0 => {
                sizes_left -= 1;
                image.resize(*size, 0);
            }
            Change::Size(size) => reachable_bytes = reachable_bytes.min(*size).min(image.len()),
            Change::Write { offset, bytes } => {
                let mut at = *offset;
                let reachable = image.len().min(reachable_bytes);
                for piece in sectors(*offset, bytes) {
                    let moment =
                        moments.entry(at / SECTOR_BYTES).or_insert_with(|| chance.part_of(inode.changes.len()));
                    if index < *moment {
                        overlay(image.get_mut(..reachable).unwrap_or_default(), at, piece);
                    }
                    at += piece.len();
                }
            }
        }
    }
    image
}

/// Cuts `bytes`, which lie at `offset`, where sectors begin.
fn sectors(offset: usize, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let head_bytes = (SECTOR_BYTES - offset % SECTOR_BYTES).min(bytes.len());
    let (head, rest) = bytes.split_at(head_bytes);
    std::iter::once(head).filter(|head| !head.is_empty()).chain(rest.chunks(SECTOR_BYTES))
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

    /// From none to all of `count`; both ends often, since that is where mistakes are.
    fn part_of(&mut self, count: usize) -> usize {
        match self.below(4) {
            0 => 0,
            1 => count,
            _ => usize::try_from(self.below(count as u64 + 1)).unwrap_or(count),
        }
    }
}
