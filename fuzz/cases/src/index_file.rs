//! Target: record file and index file together, of either mode, closed or not, changed, with right checksums or wrong
//! ones.

use crate::forge::forge;
use crate::judge::judge;

pub fn run(data: &[u8]) {
    if let Ok(forgery) = forge(data, false) {
        judge(&forgery.files, (!forgery.is_sealed).then_some(forgery.records.as_slice()));
    }
}
