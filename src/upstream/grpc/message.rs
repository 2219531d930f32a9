//! Frames and decompresses gRPC messages (PROTOCOL-HTTP2.md and compression.md of grpc/grpc).
//!
//! The head names the compression (`grpc-encoding`), and a flag before each message says whether it is compressed. gzip
//! and zstd are decompressed even if they were not asked for, within the size limit of a reply.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderMap;

use super::error::CallError;

use crate::format::compression::{self, Bounds, GzipError, ZstdError};

/// The bytes before a message: Compressed-Flag and Message-Length of gRPC over HTTP/2.
pub(crate) const PREFIX: usize = 5;

/// The frame of a request message, uncompressed.
pub(crate) fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(PREFIX + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("a request is limited to 1 GiB by the configuration"));
    frame.put_slice(message);
    frame.freeze()
}

/// The Message-Length, if `body` has enough bytes for it.
pub(crate) fn declared_length(body: &[u8]) -> Option<usize> {
    let length = body.get(1..PREFIX)?;
    Some(length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)))
}

/// The value of `grpc-accept-encoding`, which is sent if the configuration allows compression.
pub(crate) const ACCEPTED: &str = "gzip, zstd";

/// The message of a complete frame: without its prefix, and decompressed. `head` is the initial metadata.
///
/// # Errors
/// The compression is unknown, the data is damaged, or the message is larger than `limit` bytes.
pub(crate) fn unpacked(mut frame: Bytes, head: &HeaderMap, limit: usize) -> Result<Bytes, CallError> {
    let message = frame.split_off(PREFIX);
    if frame[0] == 0 {
        return Ok(message);
    }
    let too_large = || CallError::TooLarge { length: limit.saturating_add(1), limit };
    let damaged = |error: &dyn std::fmt::Display| CallError::protocol(&format!("its message is compressed: {error}"));
    let encoding = head.get("grpc-encoding").map(|value| String::from_utf8_lossy(value.as_bytes()));
    let whole = match (frame[0], encoding.as_deref()) {
        (1, Some("gzip")) => {
            // Only the size limit of the reply applies, not a ratio: a backend is trusted, so a zip bomb from it is
            // just too large.
            compression::gunzip(&message, Bounds { size: limit, ratio: usize::MAX }).map_err(|error| match error {
                GzipError::Size { .. } => too_large(),
                error => damaged(&error),
            })
        }
        (1, Some("zstd")) => compression::unzstd(&message, limit).map_err(|error| match error {
            ZstdError::Size { .. } => too_large(),
            error => damaged(&error),
        }),
        (1, Some("identity") | None) => {
            Err(CallError::protocol("its message is compressed, and grpc-encoding does not say with what"))
        }
        (1, Some(other)) => {
            Err(CallError::protocol(&format!("its message is compressed with {other:?}; expected one of {ACCEPTED}")))
        }
        (flag, _) => Err(CallError::protocol(&format!("the flag before its message is {flag}; expected 0 or 1"))),
    };
    whole.map(Bytes::from)
}
