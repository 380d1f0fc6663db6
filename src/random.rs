//! Random numbers from the operating system: log ids, epochs, salts.

use crate::error::{Error, ErrorKind, Result};
use crate::storage::cancel;
use std::io;

/// Random bytes.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let _deferred = cancel::defer();
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| match error.raw_os_error() {
        Some(number) => Error::os("asking for random bytes", &io::Error::from_raw_os_error(number)),
        None => Error::new(ErrorKind::Io, format_args!("the system gives no random bytes: {error}")),
    })?;
    Ok(bytes)
}

/// A random number that is never 0, which stands for "none".
pub fn epoch() -> Result<u64> {
    Ok(u64::from_le_bytes(bytes()?).max(1))
}
