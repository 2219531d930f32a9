//! A server of Redis or Valkey: commands and scripts in, typed answers out.
//!
//! ```text
//! client      Redis: the handle that everyone shares; bounds, timeouts
//! connection  one connection for the process: handshake, pipeline, reconnect
//! dial        TCP, TLS, AUTH, SELECT, and what the server is
//! frame       RESP2: commands to bytes, bytes to Value
//! script      a Lua script and its digest
//! ```
//! All commands share one connection, because the server executes them one after the other anyway, and commands that
//! wait for a write share it. Every [`RedisError`] has a [`Fate`](super::Fate): whether the server may have executed the
//! command. This module knows nothing of what is stored.

mod client;
mod config;
mod connection;
mod counts;
mod dial;
mod error;
mod frame;
mod script;
#[cfg(test)]
mod tests;

pub use client::Redis;
pub use config::{RedisAddress, RedisConfig};
pub use counts::{RedisCounts, RedisResult};
pub use dial::ServerFacts;
pub use error::RedisError;
pub use frame::Value;
pub use script::Script;
