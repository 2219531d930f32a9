//! A request from its head to the last byte of its answer: the handler, streams, WebSockets, errors.

pub mod answer;
pub mod error;
pub mod explain;
pub mod handler;
pub mod media;
pub mod metadata;
pub mod probe;
pub mod stream;
pub mod telemetry;
pub mod websocket;
