//! Limits on what callers may use: memory, time on a worker, and the time to send a body.

pub mod memory;
pub mod offload;
pub mod pace;
pub mod rate;
