//! gRPC over HTTP/2 as a client.
//!
//! ```text
//! channel     makes calls: a permit (limit), a connection (pool), attempts (retry), a reply or a stream
//! pool        connections, by address (subchannel), each with its own task (connection), lent to calls (lease)
//! request     heads; message: frames; reply and stream: answers; status: how calls end; error: why they fail
//! health      health checks of addresses
//! ```

pub(crate) mod adaptive;
mod attempt;
mod budget;
pub(crate) mod channel;
mod connection;
pub(crate) mod error;
pub(crate) mod health;
pub(crate) mod jitter;
mod lease;
pub(crate) mod limit;
mod message;
mod pool;
mod purpose;
pub(crate) mod reply;
pub(crate) mod request;
mod resets;
mod retry;
mod sent;
mod status;
pub(crate) mod stream;
mod subchannel;
mod written;
