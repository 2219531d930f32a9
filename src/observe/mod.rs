//! What the operator sees: counters, and log lines that callers cannot multiply.

pub mod access;
pub mod filter;
pub mod metrics;
pub mod refused;
pub mod seldom;
