//! Notations of bytes and text. Knows no descriptors, of HTTP only the names of headers, and nothing here waits.

pub mod block;
pub mod compression;
pub mod grpc_code;
pub mod header_name;
pub mod json;
pub mod multipart;
pub mod problem;
pub mod quantity;
pub mod quote;
pub mod secret;
pub mod suggestion;
pub mod template;
pub mod wire;
