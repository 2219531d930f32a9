//! What the operator sees: the access log, metrics, traces, and log lines whose number callers cannot drive up.

pub mod access;
pub mod filter;
pub mod metrics;
pub mod refused;
pub mod seldom;
pub mod traces;
