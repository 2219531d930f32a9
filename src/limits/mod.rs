//! What callers may use of the machine: memory, time on a worker, and how slowly a body may come.

pub mod memory;
pub mod offload;
pub mod pace;
