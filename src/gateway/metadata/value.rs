//! Which metadata values gRPC can carry: gRPC over HTTP/2, "Custom-Metadata".

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::header::{HeaderName, HeaderValue};

/// Why gRPC cannot carry a header.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotMetadata {
    /// The value is not printable ASCII.
    #[error("header {name}: expected printable ASCII, got other bytes")]
    Ascii {
        /// The header whose value is wrong.
        name: HeaderName,
    },
    /// The same metadata is in two headers, with the prefix and without, or in one twice. A proxy may have checked only
    /// one of them.
    #[error("header grpc-metadata-{name}: expected one value for {name}, with the prefix or without it, got several")]
    Twice {
        /// The name without the prefix.
        name: HeaderName,
    },
    /// The value of a `-bin` name is not base64.
    #[error("header {name}: expected base64, got other text")]
    Base64 {
        /// The header whose value is wrong.
        name: HeaderName,
    },
}

/// Checks that gRPC can carry this value under this name.
///
/// # Errors
/// gRPC cannot carry it.
pub(super) fn check(name: &HeaderName, value: &HeaderValue) -> Result<(), NotMetadata> {
    if !is_ascii(value) {
        return Err(NotMetadata::Ascii { name: name.clone() });
    }
    if name.as_str().ends_with("-bin") && !is_base64(value.as_bytes()) {
        return Err(NotMetadata::Base64 { name: name.clone() });
    }
    Ok(())
}

/// gRPC over HTTP/2: one base64 value or several, separated by commas, with or without padding.
fn is_base64(list: &[u8]) -> bool {
    let is_value = |text: &[u8]| STANDARD.decode(text).is_ok() || STANDARD_NO_PAD.decode(text).is_ok();
    list.split(|&byte| byte == b',').all(|value| is_value(value.trim_ascii()))
}

fn is_ascii(value: &HeaderValue) -> bool {
    value.as_bytes().iter().all(|byte| (0x20..=0x7e).contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_metadata_must_be_base64() {
        for (value, is) in [
            ("", true),
            ("AA==", true),
            ("AA", true),
            ("AAE=", true),
            ("+/+/", true),
            ("AA==,AQ, Ag==", true),
            ("A", false),
            ("AB==", false),
            ("AA=", false),
            ("-_-_", false),
            ("AA==AA==", false),
            ("not base64", false),
        ] {
            assert_eq!(is_base64(value.as_bytes()), is, "{value}");
        }
    }
}
