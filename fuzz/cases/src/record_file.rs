//! Target: a record file alone, of any bytes.

use crate::forge::Files;
use crate::judge::judge;

/// The first byte says to which size the rest is filled up with zeros, as in files that a writer extended.
pub fn run(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let mut file = rest.to_vec();
    file.resize(file.len().next_multiple_of([1, 8, 512, 4096][usize::from(first % 4)]), 0);
    judge(&Files::from([("a.log", file)]), None);
}
