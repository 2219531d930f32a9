//! A stored response as bytes: a protobuf message of our own, so that later versions can read it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;
use tonic::{Code, Status};

use super::super::outcome::Outcome;

#[derive(Clone, PartialEq, Message)]
struct Stored {
    #[prost(oneof = "Kind", tags = "1, 2, 3")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(message, tag = "1")]
    Replied(Replied),
    #[prost(message, tag = "2")]
    Status(BackendStatus),
    #[prost(message, tag = "3")]
    TooLarge(TooLarge),
}

#[derive(Clone, PartialEq, Message)]
struct Replied {
    #[prost(bytes = "bytes", tag = "1")]
    message: Bytes,
    #[prost(message, repeated, tag = "2")]
    metadata: Vec<Header>,
    #[prost(message, repeated, tag = "3")]
    trailers: Vec<Header>,
}

#[derive(Clone, PartialEq, Message)]
struct BackendStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(bytes = "bytes", tag = "3")]
    details: Bytes,
    #[prost(message, repeated, tag = "4")]
    metadata: Vec<Header>,
}

#[derive(Clone, PartialEq, Message)]
struct TooLarge {
    #[prost(uint64, tag = "1")]
    length: u64,
    #[prost(uint64, tag = "2")]
    limit: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

pub(super) fn encode(outcome: &Outcome) -> Vec<u8> {
    let kind = match outcome {
        Outcome::Replied { message, metadata, trailers } => {
            let (message, metadata, trailers) = (message.clone(), listed(metadata), listed(trailers));
            Kind::Replied(Replied { message, metadata, trailers })
        }
        Outcome::Status { status, metadata } => Kind::Status(BackendStatus {
            code: status.code().into(),
            message: status.message().to_owned(),
            details: Bytes::copy_from_slice(status.details()),
            metadata: listed(metadata),
        }),
        Outcome::TooLarge { length, limit } => {
            Kind::TooLarge(TooLarge { length: *length as u64, limit: *limit as u64 })
        }
    };
    Stored { kind: Some(kind) }.encode_to_vec()
}

/// The response in these bytes; `None` if they are none.
pub(super) fn decode(bytes: Vec<u8>) -> Option<Outcome> {
    Some(match Stored::decode(Bytes::from(bytes)).ok()?.kind? {
        Kind::Replied(Replied { message, metadata, trailers }) => {
            Outcome::Replied { message, metadata: map(metadata)?, trailers: map(trailers)? }
        }
        Kind::Status(BackendStatus { code, message, details, metadata }) => {
            let status = Status::with_details(Code::from_i32(code), message, details);
            Outcome::Status { status, metadata: map(metadata)? }
        }
        Kind::TooLarge(TooLarge { length, limit }) => {
            Outcome::TooLarge { length: usize::try_from(length).ok()?, limit: usize::try_from(limit).ok()? }
        }
    })
}

fn listed(headers: &HeaderMap) -> Vec<Header> {
    let header = |(name, value): (&HeaderName, &HeaderValue)| Header {
        name: name.as_str().to_owned(),
        value: value.as_bytes().to_vec(),
    };
    headers.iter().map(header).collect()
}

fn map(headers: Vec<Header>) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for Header { name, value } in headers {
        map.append(name.parse::<HeaderName>().ok()?, HeaderValue::try_from(value).ok()?);
    }
    Some(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_response_is_read_as_it_was_written() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-a", &b"1"[..]), ("x-b", b"\xff\x80"), ("x-a", b"2")] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        }
        let (message, status) =
            (Bytes::from_static(b"\0\xff"), Status::with_details(Code::Aborted, "no \u{e9}", "d".into()));
        for outcome in [
            Outcome::Replied { message, metadata: headers.clone(), trailers: HeaderMap::new() },
            Outcome::Replied { message: Bytes::new(), metadata: HeaderMap::new(), trailers: headers.clone() },
            Outcome::Status { status, metadata: headers },
            Outcome::TooLarge { length: 7, limit: 5 },
        ] {
            assert_eq!(format!("{:?}", decode(encode(&outcome)).unwrap()), format!("{outcome:?}"));
        }
        for bytes in [&b""[..], b"\xff", b"\x0a\x05\x12\x03\x0a\x01 "] {
            assert!(decode(bytes.to_vec()).is_none(), "{bytes:?}");
        }
    }
}
