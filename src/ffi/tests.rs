//! The boundary, through the exported functions.
pub fn panic_if_asked() {}
