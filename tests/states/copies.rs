//! Files that do not belong together: of one log at different moments, or of two namespaces. Either the records found
//! are right, or the log is refused and every byte stays.

use crate::application::{Known, Modes, Trouble, open};
use crate::figures::Counted;
use crate::judge;
use crate::random::Random;
use immuta::ErrorKind;
use immuta::storage::simulated::Simulated;

const SUFFIXES: [&str; 3] = ["log", "idx", "wal"];
const STEPS: u64 = 30;
/// What can be said of files that do not belong together.
const REFUSALS: [ErrorKind; 6] = [
    ErrorKind::Ambiguous,
    ErrorKind::Corrupt,
    ErrorKind::Layout,
    ErrorKind::Mismatch,
    ErrorKind::Missing,
    ErrorKind::Truncated,
];

/// The files of a namespace that exist.
type Files = [Option<Vec<u8>>; 3];

fn files_of(disk: &Simulated, namespace: &str) -> Files {
    SUFFIXES.map(|suffix| disk.read_file(&format!("{namespace}.{suffix}")))
}

fn place(disk: &Simulated, namespace: &str, files: &Files) {
    for (suffix, file) in SUFFIXES.iter().zip(files) {
        if let Some(bytes) = file {
            disk.write_file(&format!("{namespace}.{suffix}"), bytes);
        }
    }
}

/// Opens `namespace`: its records are right according to `is_right`, or it is refused.
fn open_or_be_refused(
    disk: &Simulated,
    namespace: &str,
    random: &mut Random,
    counted: &mut Counted,
    is_right: impl Fn(&crate::records::Records) -> bool,
) {
    let live = format!("{namespace}.live");
    let names = || disk.storage().list().unwrap().into_iter().filter(|name| *name != live).collect::<Vec<_>>();
    let (files, names_before) = (files_of(disk, namespace), names());
    match open(disk.storage(), namespace, random.one_in(2)) {
        Ok(log) => {
            let [records, index, _] = files.each_ref().map(|file| file.as_deref().unwrap_or_default());
            let found = judge::look(disk, namespace, &log, [records, index], counted);
            assert!(is_right(&found), "{} records that are not the first ones of the log", found.len());
            judge::go_on(disk, namespace, &log, found, random);
        }
        Err(error) => {
            counted.outcome(format!("refused {:?}", error.kind));
            assert!(REFUSALS.contains(&error.kind), "refused, {:?}: {}", error.kind, error.message());
            assert!(files_of(disk, namespace) == files, "refused, {:?}, and changed", error.kind);
            assert_eq!(names(), names_before, "refused, {:?}, and other files", error.kind);
        }
    }
}

/// A log whose files were copied at some moments of its life.
pub struct Copied {
    known: Known,
    moments: Vec<Moment>,
}

/// The files, and how many records were acknowledged by then.
struct Moment {
    files: Files,
    acknowledged: usize,
}

impl Copied {
    pub fn live(random: &mut Random, modes: Modes) -> Copied {
        let (disk, mut known, mut moments) = (Simulated::new(), Known::new("a"), Vec::new());
        let process = disk.storage();
        let moment =
            |known: &Known| Moment { files: files_of(&disk, known.namespace), acknowledged: known.acknowledged };
        let mut log = known.open_again(&process, modes.is_fast(random)).unwrap();
        for _ in 0..STEPS {
            match random.below(20) {
                0..2 => assert!(known.sync(&log)),
                2 => {
                    assert!(known.close(&log));
                    if random.one_in(2) {
                        moments.push(moment(&known));
                    }
                    log = known.open_again(&process, modes.is_fast(random)).unwrap();
                }
                3..8 => moments.push(moment(&known)),
                _ => assert!(known.commit(&log, random, Trouble::Kill)),
            }
        }
        moments.push(moment(&known));
        Copied { known, moments }
    }

    /// Every file of some moment, mostly all of the same one except for one older or newer file. Files of one moment
    /// alone are what a kill leaves.
    pub fn mix(&self, random: &mut Random, counted: &mut Counted) {
        counted.state();
        let moment =
            |random: &mut Random| &self.moments[usize::try_from(random.below(self.moments.len() as u64)).unwrap()];
        let (chosen, other) = (moment(random), moment(random));
        let mut files = chosen.files.clone();
        let disk = Simulated::new();
        match usize::try_from(random.below(5)).unwrap() {
            4 => {
                place(&disk, "a", &files);
                let (log, found) = judge::reopen(&disk, "a", random, counted);
                assert!(
                    self.known.has_prefix(&found) && found.len() >= chosen.acknowledged,
                    "of {} there are {}",
                    chosen.acknowledged,
                    found.len()
                );
                judge::go_on(&disk, "a", &log, found, random);
                return;
            }
            3 => files = [files[0].clone(), other.files[1].clone(), moment(random).files[2].clone()],
            odd => files[odd].clone_from(&other.files[odd]),
        }
        place(&disk, "a", &files);
        open_or_be_refused(&disk, "a", random, counted, |found| self.known.has_prefix(found));
    }
}

/// Two namespaces on one disk.
pub struct Swapped {
    disk: Simulated,
    known: [Known; 2],
}

impl Swapped {
    pub fn live(random: &mut Random, modes: Modes) -> Swapped {
        let disk = Simulated::new();
        let known = ["a", "b"].map(|namespace| {
            let mut known = Known::new(namespace);
            for _ in 0..=random.below(2) {
                disk.kill();
                known.live(&disk, random, modes, Trouble::Kill);
            }
            disk.kill();
            known
        });
        Swapped { disk, known }
    }

    /// Some of the files change places, perhaps after a power cut.
    pub fn swap(&self, random: &mut Random, counted: &mut Counted) {
        counted.state();
        let disk = self.disk.copy();
        if random.one_in(2) {
            disk.power_loss(random.next());
        }
        let (mut a, mut b) = (files_of(&disk, "a"), files_of(&disk, "b"));
        let chosen = 1 + random.below(6);
        // Without any index file, no reader can tell records from what a power cut left of them.
        let both_have_index_files = a[1].is_some() && b[1].is_some();
        for (bit, (a, b)) in a.iter_mut().zip(&mut b).enumerate().filter(|_| both_have_index_files) {
            if chosen >> bit & 1 == 1 && a.is_some() && b.is_some() {
                std::mem::swap(a, b);
            }
        }
        place(&disk, "a", &a);
        place(&disk, "b", &b);
        for namespace in ["a", "b"] {
            let is_right = |found: &_| self.known.iter().any(|known| known.has_prefix(found));
            open_or_be_refused(&disk, namespace, random, counted, is_right);
        }
    }
}
