//! About the library itself: its version, and words for its statuses.

use super::guard::contain;
use super::status::{self, immuta_status};
use std::ffi::{CStr, c_char};

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => c"",
};

const VERSION_NUMBER: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
    | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
    | number(env!("CARGO_PKG_VERSION_PATCH"));

/// The version of the library that is running, such as "0.2.0". The version of the header is IMMUTA_VERSION_STRING.
///
/// Returns a string that lives as long as the process.
///
/// Threads: any, signal.
#[unsafe(no_mangle)]
pub extern "C" fn immuta_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The version as one number, to be compared with IMMUTA_VERSION_NUMBER.
///
/// A library with the same major and minor number and the same or a later patch fits this header. For programs that
/// check this, docs/c-api.md has the words.
///
/// Returns major << 16 | minor << 8 | patch.
///
/// Threads: any, signal.
#[unsafe(no_mangle)]
pub extern "C" fn immuta_version_number() -> u32 {
    VERSION_NUMBER
}

/// The name of a status: "IMMUTA_E_POOL" for IMMUTA_E_POOL, "IMMUTA_UNKNOWN" for a number that is no status.
///
/// status: any number.
///
/// Returns a string that lives as long as the process, never NULL.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn immuta_status_name(status: immuta_status) -> *const c_char {
    contain(|| status::name(status)).unwrap_or(c"IMMUTA_UNKNOWN").as_ptr()
}

/// One sentence about a status, for when there is no error struct. The message of an error struct says more.
///
/// status: any number.
///
/// Returns a string that lives as long as the process, never NULL.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn immuta_status_text(status: immuta_status) -> *const c_char {
    contain(|| status::text(status)).unwrap_or(c"").as_ptr()
}

/// The number that a decimal of the version stands for, below 256.
const fn number(decimal: &str) -> u32 {
    match u32::from_str_radix(decimal, 10) {
        Ok(number) if number < 256 => number,
        _ => panic!("each number of the version is in 0..256"),
    }
}
