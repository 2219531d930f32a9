//! Notations of bytes and text. Knows neither descriptors nor HTTP, and nothing here waits.

pub mod block;
pub mod compression;
pub mod json;
pub mod multipart;
pub mod problem;
pub mod quote;
pub mod secret;
pub mod template;
pub mod wire;
