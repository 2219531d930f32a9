//! Native gRPC over HTTP/2 (PROTOCOL-HTTP2.md and compression.md of grpc/grpc), and gRPC-Web over any HTTP (PROTOCOL-WEB.md).
//!
//! Messages pass as bytes: none is decoded. Everything else is what REST calls have too: the caller is identified and admitted, limits
//! and deadlines hold, and metadata crosses by the same lists. What Towbar refuses is a status in trailers, with a `google.rpc.ErrorInfo`.

mod encoding;
mod frames;
mod handler;
mod reply;
mod streaming;
mod unary;
mod upload;
mod web;
mod wire;

pub(super) use encoding::{Encoding, EncodingNames};
pub(super) use frames::put_flagged;
pub(super) use handler::{Grpc, GrpcWeb};
pub(super) use reply::Began;
pub(super) use upload::MessageCodec;
