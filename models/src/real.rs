//! The library as it is, and its models.

#[path = "models/mod.rs"]
pub mod models;
#[path = "../../src/pool.rs"]
pub mod pool;
#[path = "../../src/publish/mod.rs"]
pub mod publish;
