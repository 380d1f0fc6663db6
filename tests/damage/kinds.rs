//! The ways a file is damaged, each at every place.

/// The unit that a disk writes whole.
const BLOCK_BYTES: usize = 512;
/// In a longer run of zeros only the ends are tried at every place.
const ZEROS_BYTES: usize = 48;
/// Between the ends one place in this many is tried, one bit of a byte.
const ZEROS_STEP: usize = 29;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Flipped,
    Cut,
    Zeroed,
    Duplicated,
    Swapped,
}

/// One damage: `at` is a bit for flips, a length for cuts, else the number of a block.
#[derive(Clone, Copy, Debug)]
pub struct Damage {
    pub kind: Kind,
    pub at: usize,
}

impl Damage {
    /// The file after it; `None` when nothing is changed.
    pub fn apply(self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut changed = bytes.to_vec();
        let (block, next) = (self.at * BLOCK_BYTES, (self.at + 1) * BLOCK_BYTES);
        let (end, next_end) = (next.min(bytes.len()), (next + BLOCK_BYTES).min(bytes.len()));
        match self.kind {
            Kind::Flipped => changed[self.at / 8] ^= 1 << (self.at % 8),
            Kind::Cut => changed.truncate(self.at),
            Kind::Zeroed => changed[block..end].fill(0),
            // Over its neighbour, as far as that reaches.
            Kind::Duplicated => changed.copy_within(block..block + (next_end - next), next),
            Kind::Swapped => {
                changed.splice(block..next_end, [&bytes[next..next_end], &bytes[block..next]].concat());
            }
        }
        (changed != bytes).then_some(changed)
    }

    /// The only byte it changes, if it is one.
    pub fn byte(self) -> Option<usize> {
        (self.kind == Kind::Flipped).then_some(self.at / 8)
    }
}

/// Every damage to a file. Unless `is_long`, long runs of zeros are left out except for their ends and some places
/// between: no place there differs from the next.
pub fn all(bytes: &[u8], is_long: bool) -> Vec<Damage> {
    let is_tried = tried(bytes, is_long);
    let flips = (0..bytes.len() * 8).filter(|bit| match is_tried[bit / 8] {
        Place::Tried => true,
        Place::Sampled => bit % 8 == bit / 8 % 8,
        Place::LeftOut => false,
    });
    let cuts = (0..bytes.len()).filter(|length| is_tried[*length] != Place::LeftOut);
    let blocks = 0..bytes.len().div_ceil(BLOCK_BYTES);
    let pairs = 0..blocks.end.saturating_sub(1);
    let damages = |kind, places: Vec<usize>| places.into_iter().map(move |at| Damage { kind, at });
    damages(Kind::Flipped, flips.collect())
        .chain(damages(Kind::Cut, cuts.collect()))
        .chain(damages(Kind::Zeroed, blocks.collect()))
        .chain(damages(Kind::Duplicated, pairs.clone().collect()))
        .chain(damages(Kind::Swapped, pairs.collect()))
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Tried,
    Sampled,
    LeftOut,
}

fn tried(bytes: &[u8], is_long: bool) -> Vec<Place> {
    let mut places = vec![Place::Tried; bytes.len()];
    let mut at = 0;
    for run in bytes.chunk_by(|a, b| (*a == 0) == (*b == 0)) {
        if !is_long && run[0] == 0 && run.len() > ZEROS_BYTES {
            let middle = at + ZEROS_BYTES / 2..at + run.len() - ZEROS_BYTES / 2;
            for (place, how) in places.iter_mut().enumerate().take(middle.end).skip(middle.start) {
                *how = if place % ZEROS_STEP == 0 { Place::Sampled } else { Place::LeftOut };
            }
        }
        at += run.len();
    }
    places
}
