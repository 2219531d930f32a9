//! HTTP proxies between the gateway and the backend: which one, and a tunnel through it.

pub(crate) mod answer;
pub(crate) mod config;
pub(crate) mod environment;
pub(crate) mod tunnel;
