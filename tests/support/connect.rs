//! Calls of Connect, byte by byte, over HTTP/1.1 and HTTP/2.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use prost::Message as _;
use serde_json::Value;
use towbar::config::Overrides;
use towbar::schema::generated::google::rpc;

use super::talk::{PROTO, Reader, schema_of};
use super::{Backend, Gateway, grpc, http};

/// A header.
pub type Header<'h> = (&'h str, &'h str);

pub const JSON: Header<'static> = ("content-type", "application/json");
pub const BYTES: Header<'static> = ("content-type", "application/proto");
pub const VERSION: Header<'static> = ("connect-protocol-version", "1");

/// The rpcs of `talk`, of which `Ask` has no side effects.
pub fn proto() -> String {
    PROTO.replace(
        "rpc Ask(Note) returns (Note) {",
        "rpc Ask(Note) returns (Note) { option idempotency_level = NO_SIDE_EFFECTS;",
    )
}

/// A gateway for this backend and these protocols.
pub fn gateway(backend: &Backend, protocols: &str, more: &str) -> Gateway {
    let config = format!(
        "listen: {{address: \"127.0.0.1:0\", protocols: [{protocols}]}}\nupstream: http://{}\nschema: talk.proto\n\
         metadata: {{reply: [x-started, x-ended]}}\n{more}",
        backend.address
    );
    Gateway::with(&config, &Overrides::default(), Ok(schema_of(&proto())), None)
}

/// An answer, complete.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Got {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends a request over HTTP/1.1 or HTTP/2.
pub fn send(gateway: &Gateway, is_http2: bool, line: (&str, &str), headers: &[Header<'_>], body: Option<&[u8]>) -> Got {
    let (method, target) = line;
    if is_http2 {
        let answer = grpc::send(gateway.address, method, target, headers, body.unwrap_or_default());
        assert!(answer.trailers.is_none(), "Connect has no trailers of HTTP: {answer:?}");
        let text = |value: &::http::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = answer.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        return Got { status: answer.status, headers, body: answer.data };
    }
    let mut stream = http::connect(gateway.address);
    http::write(&mut stream, method, target, headers, body);
    let mut reader = Reader::new(stream);
    let (body, is_whole) = reader.bytes();
    assert!(is_whole, "{method} {target}");
    Got { status: reader.answer.status, headers: reader.answer.headers, body }
}

/// A POST over HTTP/1.1.
pub fn post(gateway: &Gateway, path: &str, headers: &[Header<'_>], body: &[u8]) -> Got {
    send(gateway, false, ("POST", path), headers, Some(body))
}

/// What an error says: its code, its message, and the reason if it is one of Towbar's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub code: String,
    pub message: String,
    pub reason: Option<String>,
}

/// Reads an error.
pub fn told(error: &Value) -> Told {
    let text = |name: &str| error[name].as_str().unwrap_or_else(|| panic!("no {name}: {error}")).to_owned();
    let details = error["details"].as_array().into_iter().flatten();
    let infos = details.filter(|detail| detail["type"] == "google.rpc.ErrorInfo").map(|detail| {
        let bytes = STANDARD_NO_PAD.decode(detail["value"].as_str().unwrap()).unwrap();
        rpc::ErrorInfo::decode(&*bytes).unwrap()
    });
    let reason = infos.filter(|info| info.domain == "towbar").map(|info| info.reason).next();
    Told { code: text("code"), message: text("message"), reason }
}

pub fn is(code: &str, message: &str, reason: &str) -> Told {
    let reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
    Told { code: code.to_owned(), message: message.to_owned(), reason }
}

pub fn gzip(message: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(message).unwrap();
    encoder.finish().unwrap()
}

pub fn gunzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Read as _;
    let mut message = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut message).unwrap();
    message
}
