//! The library as it is, and its models.

#[path = "../../src/storage/mapping/ahead.rs"]
pub mod ahead;
#[path = "../../src/writer/group.rs"]
pub mod group;
#[path = "models/mod.rs"]
pub mod models;
#[path = "../../src/namespace/pool.rs"]
pub mod pool;
#[path = "../../src/ffi/token.rs"]
#[allow(unsafe_code, reason = "as in the library: each block argues its soundness")]
pub mod token;
#[path = "../../src/namespace/wait/mod.rs"]
pub mod wait;
