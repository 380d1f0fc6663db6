//! What the benchmark makes of its figures: statistics, results as JSON, the table. Nothing here measures.
#![allow(clippy::cast_precision_loss, reason = "a figure needs no 53 bits")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed"))]

pub mod machine;
pub mod results;
pub mod table;
