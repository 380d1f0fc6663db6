//! What is done to a log that no process has open: it is verified, repaired, or filled from a file of the original's.

pub mod import;
pub mod repair;
pub mod verify;
