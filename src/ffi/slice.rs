//! Bytes of the caller's, of which a call may get a list.

use std::ffi::c_void;

/// Bytes of the caller's.
///
/// Frozen: 16 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct immuta_slice {
    /// The first byte; may be NULL when size is 0.
    pub data: *const c_void,
    /// In bytes.
    pub size: usize,
}

const _: () = assert!(size_of::<immuta_slice>() == 16);
