//! Buffers that the system may refuse: an error then, and not the end of the process.

use crate::error::{Result, no_memory};

/// `size_bytes` zeros, for `what`.
pub fn zeroed(size_bytes: usize, what: &str) -> Result<Vec<u8>> {
    let mut bytes = with_room(size_bytes, what)?;
    bytes.resize(size_bytes, 0);
    Ok(bytes)
}

/// No bytes yet, and room for `size_bytes` of `what`.
pub fn with_room(size_bytes: usize, what: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size_bytes).map_err(|_| no_memory(what, size_bytes as u64))?;
    Ok(bytes)
}
