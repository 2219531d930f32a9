//! What the integration tests stand on: a real gateway in front of a real backend, and a client of HTTP/1.1.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part of it, and a test may panic")]

pub mod http;
