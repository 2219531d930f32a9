//! How a backend is reached: addresses in, connections over TCP and TLS out, directly or through a proxy. Knows neither HTTP/2 nor calls.

pub(crate) mod address;
pub(crate) mod connect;
pub(crate) mod connections;
pub(crate) mod directory;
pub(crate) mod endpoint;
mod lookup;
pub(crate) mod proxy;
pub(crate) mod target;
