//! The records of a log, all at once.

use immuta::{Log, Next, Result, Timeout};

pub type Records = Vec<Vec<u8>>;

pub fn read_all(log: &Log) -> Result<Records> {
    let (mut stream, mut records) = (log.stream(0, 0)?, Vec::new());
    while let Next::Ready(record) = stream.next(Timeout::Ns(0))? {
        records.push(record.data().to_vec());
    }
    Ok(records)
}
