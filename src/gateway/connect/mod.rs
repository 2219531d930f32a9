//! The Connect protocol over any HTTP (connectrpc.com/docs/protocol): unary calls with POST or GET, and streams.
//!
//! A message is protobuf, which passes unchanged, or JSON, which the codec of REST reads and writes under the same rules. Requests
//! of streams are framed as in gRPC, so `grpc` reads them. The last message of an answer says how a stream ended.

mod codec;
mod handler;
mod query;
mod reply;
mod streaming;
mod unary;

pub(super) use handler::{ConnectStream, ConnectUnary};
