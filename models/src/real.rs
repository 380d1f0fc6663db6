//! The library as it is, and its models.

#[path = "../../src/group.rs"]
pub mod group;
#[path = "models/mod.rs"]
pub mod models;
#[path = "../../src/pool.rs"]
pub mod pool;
#[path = "../../src/publish/mod.rs"]
pub mod publish;
#[path = "../../src/ffi/token.rs"]
#[allow(unsafe_code, reason = "as in the library: each block argues its soundness")]
pub mod token;
