//! Reads the gRPC status with which a backend ends a call from its headers.
//!
//! PROTOCOL-HTTP2.md of grpc/grpc: "When decoding invalid values, implementations MUST NOT error or throw away the
//! message"; binary headers are accepted with padding and without.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, HeaderName, StatusCode};
use percent_encoding::percent_decode;
use tonic::{Code, Status};

/// The longest message of a status that is passed on, in bytes.
const LONGEST: usize = 4 << 10;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The code of the status in these headers, if they have one.
pub(crate) fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get(&GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()))
}

/// The code for an answer without a gRPC status (http-grpc-status-mapping.md of grpc/grpc).
pub(crate) fn code_of_http(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// The status in these headers, if they have one. Details that are not valid base64 are left out.
pub(crate) fn read(headers: &HeaderMap) -> Option<Status> {
    let code = code(headers)?;
    let message = headers.get("grpc-message").map_or_else(String::new, |message| message_of(message.as_bytes()));
    let details = headers.get("grpc-status-details-bin").and_then(|details| BASE64.decode(details).ok());
    Some(Status::with_details(code, message, details.unwrap_or_default().into()))
}

/// The text of `grpc-message`. Bytes that are not valid UTF-8 become U+FFFD.
fn message_of(encoded: &[u8]) -> String {
    let bytes: Vec<u8> = percent_decode(encoded).collect();
    let message = String::from_utf8_lossy(&bytes);
    if message.len() <= LONGEST {
        return message.into_owned();
    }
    let start = &message[..message.floor_char_boundary(LONGEST)];
    format!("{start}... (cut: the first {} bytes of {})", start.len(), message.len())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read_of(pairs: &[(&'static str, &[u8])]) -> Option<Status> {
        let pairs =
            pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap()));
        read(&pairs.collect())
    }

    #[test]
    fn a_grpc_message_is_decoded_even_if_it_is_malformed() {
        for (encoded, message) in [
            (&b""[..], ""),
            (b"not there", "not there"),
            (b"Konto f%C3%BCr Zo%c3%ab", "Konto für Zoë"),
            (b"100%", "100%"),
            (b"100%2", "100%2"),
            (b"100%zz and %41", "100%zz and A"),
            (b"%FF%FE", "\u{fffd}\u{fffd}"),
            (b"caf\xc3\xa9", "café"),
            (b"caf\xe9", "caf\u{fffd}"),
            (b"two%0D%0Alines", "two\r\nlines"),
        ] {
            let status = read_of(&[("grpc-status", b"5"), ("grpc-message", encoded)]).unwrap();
            assert_eq!((status.code(), status.message()), (Code::NotFound, message));
        }
    }

    #[test]
    fn a_long_grpc_message_is_cut_between_characters_and_marked_as_cut() {
        let whole = "a".repeat(LONGEST);
        assert_eq!(message_of(whole.as_bytes()), whole);
        let longer = format!("{whole}b");
        assert_eq!(message_of(longer.as_bytes()), format!("{whole}... (cut: the first 4096 bytes of 4097)"));
        let wide = "é".repeat(LONGEST);
        assert_eq!(
            message_of(format!("a{wide}").as_bytes()),
            format!("a{}... (cut: the first 4095 bytes of 8193)", &wide[..LONGEST - 2])
        );
    }

    #[test]
    fn status_details_may_lack_padding_and_are_left_out_if_invalid() {
        for (details, bytes) in
            [(&b"CAU"[..], &[8, 5][..]), (b"CAU=", &[8, 5]), (b"CAX=", &[8, 5]), (b"C", &[]), (b"not base64!", &[])]
        {
            let status = read_of(&[("grpc-status", b"5"), ("grpc-status-details-bin", details)]).unwrap();
            assert_eq!(status.details(), bytes, "{}", String::from_utf8_lossy(details));
        }
        assert!(read_of(&[("grpc-message", b"no")]).is_none());
        assert_eq!(read_of(&[("grpc-status", b"99")]).unwrap().code(), Code::Unknown);
    }
}
