//! The records of a log, all at once.

use immuta::{Log, Next, Result, Start};
use std::time::Duration;

pub type Records = Vec<Vec<u8>>;

pub fn read_all(log: &Log) -> Result<Records> {
    let (mut stream, mut records) = (log.stream(0, Start::Beginning)?, Vec::new());
    while let Next::Ready(record) = stream.next(Some(Duration::ZERO))? {
        records.push(record.data().to_vec());
    }
    Ok(records)
}
