//! 17, 18, 20 to 22, 24 to 26, 31 to 35: the index file: damaged, of another log or time, forged with right checksums,
//! and its codecs.

use crate::image::{Image, Records, file_of, lay, log_image, open, open_read_only, options};
use crate::layout::{Checkpoint, ENTRIES_AT, ENTRY_BYTES, PAGE_BYTES, entry, identity, put, seal_page, walk};
use crate::support::{
    assert_good_but, assert_only_bad, assert_refused, assert_served_but, closed, five, flipped, lay_image, offset_of,
    patched, verified,
};
use immuta::codec::{Builtin, Codec};
use immuta::{ErrorKind, Log, Next, Outcome, Start};
use std::time::Duration;

fn entry_at(number: usize) -> usize {
    ENTRIES_AT + number * ENTRY_BYTES
}

#[test]
fn hostile_17_bit_flipped_in_an_entry() {
    (0..8 * ENTRY_BYTES)
        .for_each(|bit| assert_only_bad(&flipped(closed(), "a.idx", entry_at(1) + bit / 8, bit % 8), 1));
}

/// Rows O13 and O18.
#[test]
fn hostile_18_bit_flipped_in_each_header_page() {
    for page in 0..4 {
        for at in [0, 8, 40, 100, PAGE_BYTES - 1] {
            let directory = lay_image(&flipped(closed(), "a.idx", page * PAGE_BYTES + at, 0));
            assert_served_but(directory.path(), &five(), &[]);
            let log = open(directory.path()).unwrap();
            assert_good_but(&log, &five(), &[]);
            // Without an identity it is no index file: the records are indexed again, and the file is kept.
            let is_adopted = log.report(0).unwrap().outcome == Outcome::Adopted;
            assert_eq!(is_adopted, page == 0);
            assert_eq!(directory.path().join("a.idx.bad-1").exists(), page == 0);
        }
    }
}

#[test]
fn hostile_20_index_file_cut_to_every_length() {
    let image = closed();
    let size = image["a.idx"].len();
    for length in (0..ENTRIES_AT).step_by(509).chain(ENTRIES_AT - 9..size) {
        let directory = lay(&[("a.log", &image["a.log"]), ("a.idx", &image["a.idx"][..length])]);
        let log = open(directory.path()).unwrap();
        assert_good_but(&log, &five(), &[]);
    }
}

/// Row O27.
#[test]
fn hostile_21_index_file_of_another_namespace() {
    let other = log_image(&["one".into(), "two".into(), "three".into(), "four".into(), "five".into()], &[], true);
    let directory = lay(&[("a.log", &closed()["a.log"]), ("a.idx", &other["a.idx"])]);
    assert!(verified(directory.path()).finding.is_some());
    assert_served_but(directory.path(), &five(), &[0, 1, 2, 3, 4]);
    assert_refused(directory.path(), ErrorKind::Mismatch);
}

/// A log, and an index file from before its last records.
/// Row O7.
#[test]
fn hostile_22_older_index_file() {
    let directory = lay_image(&log_image(&five()[..2], &[], true));
    let older = std::fs::read(directory.path().join("a.idx")).unwrap();
    let log = open(directory.path()).unwrap();
    for record in &five()[2..] {
        log.append(0, record).unwrap();
    }
    log.shutdown().unwrap();
    std::fs::write(directory.path().join("a.idx"), older).unwrap();
    let log = open(directory.path()).unwrap();
    assert_good_but(&log, &five(), &[]);
    assert_eq!(log.report(0).unwrap().adopted, 3);
}

#[test]
fn hostile_24_entries_swapped_duplicated_shifted() {
    let index = closed()["a.idx"].clone();
    let entries = |number: usize, count: usize| index[entry_at(number)..entry_at(number + count)].to_vec();
    let swapped = patched(closed(), "a.idx", entry_at(1), &[entries(2, 1), entries(1, 1)].concat());
    let duplicated = patched(closed(), "a.idx", entry_at(2), &entries(1, 1));
    let shifted = patched(closed(), "a.idx", entry_at(2), &entries(1, 2));
    for (image, bad) in [(swapped, &[1, 2][..]), (duplicated, &[2]), (shifted, &[2, 3])] {
        let directory = lay_image(&image);
        assert_served_but(directory.path(), &five(), bad);
        assert_good_but(&open(directory.path()).unwrap(), &five(), bad);
    }
}

/// A closed log that is as a writer would have left it, checksums included, except for `change`.
fn forged(codecs: &[u32], records: &Records, change: impl FnOnce(&mut Vec<u8>)) -> Image {
    let file = file_of(records);
    let end = file.len() as u64;
    let checkpoint = |seq| Checkpoint { seq, count: records.len() as u64, end, state: 2, mode: 1, epoch: 1 }.page();
    let mut index = [identity(codecs), checkpoint(1), checkpoint(2), vec![0; PAGE_BYTES]].concat();
    let mut at = 8;
    for (number, record) in walk(&file).unwrap().0.into_iter().enumerate() {
        let next = at + 8 + record.len();
        index.extend(entry(number, at, true, &file[at..next]));
        at = next;
    }
    change(&mut index);
    Image::from([("a.log".to_owned(), file), ("a.idx".to_owned(), index)])
}

#[test]
fn hostile_25_forged_offsets() {
    let file = file_of(&five());
    // Back to the record before, into the count, into a payload, beyond the file; 2^47 does not fit into an entry.
    for offset in [offset_of(0), 0, offset_of(1) + 9, file.len() + 100, (1 << 47) - 1] {
        let record = &file[offset.min(file.len())..];
        let forgery = forged(&[], &five(), |index| put(index, entry_at(1), &entry(1, offset, true, record)));
        let directory = lay_image(&forgery);
        assert!(verified(directory.path()).finding.is_some(), "offset {offset}");
        for log in [open_read_only(directory.path()), open(directory.path())] {
            let error = log.unwrap().stream(0, Start::Number(1)).unwrap().next(Some(Duration::ZERO)).unwrap_err();
            assert_eq!((error.kind, error.number), (ErrorKind::Corrupt, 1), "offset {offset}");
        }
    }
}

#[test]
fn hostile_26_forged_sizes() {
    // Each entry is right by itself; record 1 is said to end before record 2 begins.
    let forgery = forged(&[], &five(), |_| {});
    let file = file_of(&five());
    let longer = patched(forgery, "a.idx", entry_at(2), &entry(2, offset_of(2) + 8, true, &file[offset_of(3)..]));
    let directory = lay_image(&longer);
    assert!(verified(directory.path()).finding.is_some());
    let log = open(directory.path()).unwrap();
    for number in [1, 2] {
        let read = log.stream(0, Start::Number(number)).unwrap().next(Some(Duration::ZERO));
        let data = read.map(|next| if let Next::Ready(record) = next { record.data().to_vec() } else { vec![] });
        let written = five()[usize::try_from(number).unwrap()].clone();
        assert!(data.is_err() || data.is_ok_and(|data| data == written), "record {number} is served wrong");
    }
}

/// Row O26.
#[test]
fn hostile_31_checkpoints_that_claim_more_than_there_is() {
    let end = file_of(&five()).len() as u64 + 1000;
    let both = |index: &mut Vec<u8>| {
        for (slot, seq) in [(1, 1), (2, 2)] {
            let page = Checkpoint { seq, count: 6, end, state: 2, mode: 1, epoch: 1 }.page();
            put(index, slot * PAGE_BYTES, &page);
        }
    };
    let directory = lay_image(&forged(&[], &five(), both));
    assert_eq!(verified(directory.path()).finding, Some(ErrorKind::Truncated));
    assert_refused(directory.path(), ErrorKind::Truncated);
}

/// The identity with a field changed and sealed again.
fn with_identity(at: usize, value: u32) -> Image {
    forged(&[], &five(), |index| {
        put(index, at, &value.to_le_bytes());
        seal_page(&mut index[..PAGE_BYTES], &[]);
    })
}

/// Row O28.
#[test]
fn hostile_32_identity_with_other_sizes() {
    for (at, values) in [(16, [0, 1, u32::MAX]), (12, [0, 1, u32::MAX]), (8, [0, 2, u32::MAX]), (32, [1, 2, 4])] {
        for value in values {
            let directory = lay_image(&with_identity(at, value));
            assert_eq!(open_read_only(directory.path()).unwrap_err().kind, ErrorKind::Version);
            assert_refused(directory.path(), ErrorKind::Version);
        }
    }
}

/// Row O28.
#[test]
fn hostile_33_codec_chains() {
    for codecs in [vec![99], vec![0x10000], vec![99; 16], [vec![1], vec![0x10000]].concat()] {
        let directory = lay_image(&forged(&codecs, &five(), |_| {}));
        assert_eq!(open_read_only(directory.path()).unwrap_err().kind, ErrorKind::Codec);
        assert_refused(directory.path(), ErrorKind::Codec);
    }
    // Repeated ids are a chain like any other; more than there may be are a newer format.
    let directory = lay_image(&forged(&[4; 16], &vec![], |_| {}));
    assert_served_but(directory.path(), &vec![], &[]);
    let directory = lay_image(&with_identity(64, 17));
    assert_refused(directory.path(), ErrorKind::Version);
}

#[test]
fn hostile_34_decompression_bomb() {
    for kind in [Builtin::Deflate, Builtin::Zstd, Builtin::Lz4, Builtin::Snappy] {
        let directory = lay(&[]);
        let mut writer = options(false);
        writer.add_codec(Codec::builtin(kind, 0).unwrap()).unwrap();
        let log = Log::open(directory.path(), &writer).unwrap();
        log.append(0, vec![0; 32 << 20]).unwrap();
        log.shutdown().unwrap();
        assert_eq!(verified(directory.path()).finding, None, "what is stored is right");
        let mut reader = options(true);
        reader.max_record_size_bytes = 4 << 20;
        let log = Log::open(directory.path(), &reader).unwrap();
        assert_eq!(
            log.stream(0, Start::Beginning).unwrap().next(Some(Duration::ZERO)).unwrap_err().kind,
            ErrorKind::TooLarge,
            "{kind:?}"
        );
    }
}

#[test]
fn hostile_35_payloads_that_no_codec_made() {
    for codec in 1..=4 {
        let directory = lay_image(&forged(&[codec], &vec![b"\x05nonsense".to_vec(), b"x".to_vec(), vec![]], |_| {}));
        assert_eq!(verified(directory.path()).finding, None, "what is stored is right");
        let log = open(directory.path()).unwrap();
        let mut stream = log.stream(0, Start::Beginning).unwrap();
        let error = stream.next(Some(Duration::ZERO)).unwrap_err();
        assert_eq!((error.kind, error.number), (ErrorKind::CodecFailed, 0), "codec {codec}");
        stream.seek(1).unwrap();
        assert_eq!(stream.next(Some(Duration::ZERO)).unwrap_err().number, 1, "the stream goes on");
    }
}
