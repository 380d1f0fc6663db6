//! 19, 23, 28 to 30: record files that were cut, restored from an older copy, or written by something else.

use crate::image::{all_of, bytes, file_of, lay, log_image, open_read_only, read_all};
use crate::support::{assert_refused, assert_refused_by_all, assert_served_but, closed, five, offset_of, verified};
use immuta::ErrorKind;

#[test]
fn hostile_19_main_cut_to_every_length() {
    let image = closed();
    for length in 0..image["a.log"].len() {
        let directory = lay(&[("a.log", &image["a.log"][..length]), ("a.idx", &image["a.idx"])]);
        assert_eq!(verified(directory.path()).finding, Some(ErrorKind::Truncated), "{length} bytes");
        assert_refused(directory.path(), ErrorKind::Truncated);
        if length >= 8 {
            let (good, _) = read_all(&open_read_only(directory.path()).unwrap());
            let whole = (0..5).filter(|number| offset_of(number + 1) <= length).count();
            assert_eq!(good, all_of(&five()[..whole]).0, "{length} bytes: whole records below the cut");
        }
    }
}

#[test]
fn hostile_23_older_main() {
    let older = file_of(&five()[..3]);
    let directory = lay(&[("a.log", &older), ("a.idx", &closed()["a.idx"])]);
    assert_eq!(verified(directory.path()).finding, Some(ErrorKind::Truncated));
    assert_refused(directory.path(), ErrorKind::Truncated);
    let (good, _) = read_all(&open_read_only(directory.path()).unwrap());
    assert_eq!(good, all_of(&five()[..3]).0);
}

/// Row O23.
#[test]
fn hostile_28_other_layouts_of_the_original() {
    let header16 = bytes(&[2, 29, 5], b"hello").into_iter().chain(bytes(&[5], b"world")).collect::<Vec<u8>>();
    let headerless = bytes(&[5], b"hello").into_iter().chain(bytes(&[5], b"world")).collect::<Vec<u8>>();
    let fits_two = bytes(&[1, 16, 8], b"8 bytes.");
    for file in [header16, headerless, fits_two, vec![0; 16]] {
        assert_refused_by_all(lay(&[("a.log", &file)]).path(), ErrorKind::Layout);
    }
}

#[test]
fn hostile_29_torn_append_of_the_original() {
    let mut file = file_of(&five()[..2]);
    file.extend(bytes(&[0], b"payload without its size"));
    assert_refused_by_all(lay(&[("a.log", &file)]).path(), ErrorKind::Ambiguous);
}

#[test]
fn hostile_30_append_after_a_torn_one() {
    let mut file = bytes(&[3], &file_of(&five()[..2])[8..]);
    file.extend(bytes(&[0], b"payload without its size"));
    file.extend(bytes(&[5], b"hello"));
    let directory = lay(&[("a.log", &file)]);
    let kind = verified(directory.path()).finding.unwrap();
    assert!(matches!(kind, ErrorKind::Corrupt | ErrorKind::Ambiguous), "{kind:?}");
    assert_refused_by_all(directory.path(), kind);
    // With an index file from before it, the records that the index file includes are served, and none after them.
    let image = log_image(&five()[..2], &[], true);
    let directory = lay(&[("a.log", &file), ("a.idx", &image["a.idx"])]);
    assert_served_but(directory.path(), &five()[..2].to_vec(), &[]);
    assert_refused(directory.path(), ErrorKind::Mismatch);
}
