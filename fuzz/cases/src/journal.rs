//! Target: what a durable writer left, journal and all, changed, with right checksums or wrong ones.

use crate::forge::forge;
use crate::judge::judge;

pub fn run(data: &[u8]) {
    if let Ok(forgery) = forge(data, true) {
        judge(&forgery.files, (!forgery.is_sealed).then_some(forgery.records.as_slice()));
    }
}
