//! gRPC over HTTP/2 as a client: connections, calls, what is sent again, and how many calls there may be.

pub(crate) mod balance;
pub(crate) mod begun;
pub(crate) mod budget;
pub(crate) mod connection;
pub(crate) mod encoding;
pub(crate) mod error;
pub(crate) mod health;
pub(crate) mod limit;
pub(crate) mod pool;
pub(crate) mod reply;
pub(crate) mod resets;
pub(crate) mod retry;
pub(crate) mod sent;
pub(crate) mod status;
pub(crate) mod stream;
