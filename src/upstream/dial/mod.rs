//! Connects to a backend: takes addresses and gives connections over TCP and TLS, directly or through a proxy. This
//! module knows nothing of HTTP/2 and calls.

pub(crate) mod address;
pub(crate) mod connect;
pub(crate) mod connections;
pub(crate) mod directory;
pub(crate) mod endpoint;
pub(crate) mod lookup;
pub(crate) mod proxy;
pub(crate) mod target;
