//! What is done to a log that no process has open: it is verified, repaired, or filled from a file of the Go original.

pub mod import;
pub mod repair;
pub mod verify;
