//! Formats of bytes and text. Knows nothing of descriptors; of HTTP it knows only header names. Nothing here blocks or
//! awaits.

pub mod block;
pub mod compression;
pub mod grpc_code;
pub mod header_name;
pub mod json;
pub mod multipart;
pub mod names;
pub mod problem;
pub mod quantity;
pub mod quote;
pub mod reserved;
pub mod secret;
pub mod suggestion;
pub mod template;
pub mod wire;
