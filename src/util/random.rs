//! Random numbers from the operating system: log ids, epochs, salts.

use crate::error::{Error, Result};
use crate::util::cancel;
use std::fs::File;
use std::io::{self, Read};

/// Random bytes.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let _deferred = cancel::defer();
    let mut bytes = [0; N];
    let filled = getrandom::fill(&mut bytes).or_else(|error| match error.raw_os_error() {
        // A sandbox may refuse the call. Some C libraries fill small buffers without it, so this may be the first
        // refusal.
        Some(number @ (libc::EPERM | libc::ENOSYS)) => File::open("/dev/urandom")
            .and_then(|mut device| device.read_exact(&mut bytes))
            .map_err(|_| io::Error::from_raw_os_error(number)),
        Some(number) => Err(io::Error::from_raw_os_error(number)),
        None => Err(io::ErrorKind::Other.into()),
    });
    filled.map_err(|error| Error::os("asking for random bytes", &error))?;
    Ok(bytes)
}

/// A random number that is never 0, which stands for "none".
pub fn epoch() -> Result<u64> {
    Ok(u64::from_le_bytes(bytes()?).max(1))
}
