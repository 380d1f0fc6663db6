//! The crashes and mishaps that logs are known to break on, one test each. A test checks what opening for writing makes
//! of the files on the disk, and what it must refuse. (A slow flusher during a sync of another thread is in `races.rs`,
//! where syncs can be held still.)

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "crashes/agreement.rs"]
mod agreement;
#[path = "crashes/beside.rs"]
mod beside;
#[path = "crashes/creation.rs"]
mod creation;
#[path = "crashes/directory.rs"]
mod directory;
#[path = "crashes/disk.rs"]
mod disk;
#[path = "crashes/failed_calls.rs"]
mod failed_calls;
#[path = "crashes/index_file.rs"]
mod index_file;
#[path = "crashes/journal.rs"]
mod journal;
#[path = "crashes/original.rs"]
mod original;
#[path = "crashes/power_loss.rs"]
mod power_loss;
#[path = "support/records.rs"]
mod records;
