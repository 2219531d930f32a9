//! HTTP proxies between the gateway and the backend: which proxy to use, and a tunnel through it.

pub(crate) mod answer;
pub(crate) mod config;
pub(crate) mod environment;
pub(crate) mod tunnel;
