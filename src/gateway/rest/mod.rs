//! REST with JSON: how a request determines its rpc and message, and how replies, streams and WebSockets are written.

mod body;
mod compression;
mod convert;
pub mod explain;
mod handler;
mod long_poll;
pub mod media;
mod outcome;
mod ranges;
pub mod stream;
mod streaming;
mod unary;
mod upgrade;
pub mod websocket;

pub(crate) use compression::{choice, compressed};
pub(crate) use convert::is_long;
pub(crate) use handler::Rest;
