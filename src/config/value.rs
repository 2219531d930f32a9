//! Single-line values: text in; the value out, or a message that says what was expected.
//!
//! An `Err` is the message without its key: "expected ..., found ...". This module knows neither file nor keys, so it
//! parses flags too.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::Method;

use crate::format::secret::Permissions;
use crate::gateway::CorsOrigin;
use crate::gateway::metadata::TraceContext;
use crate::gateway::stream::Format;
use crate::server::SYSTEMD;
use crate::tls::{Pin, PinError};
use crate::upstream::{CredentialsError, Login, ProxyConfig, ProxyError};

/// The socket that systemd passes, or else the address to listen on.
pub(super) fn listen_place(text: &str) -> Result<String, String> {
    if text == SYSTEMD { Ok(text.to_owned()) } else { listen_address(text) }
}

/// The address to listen on: `host:port`, an IPv6 address in brackets, port 0 for any free port.
pub(super) fn listen_address(text: &str) -> Result<String, String> {
    let found = |advice: &str| format!("expected `host:port`, found `{text}`{advice}");
    let port = text.strip_prefix(':').unwrap_or(text);
    if port.parse::<u16>().is_ok() {
        return Err(found(&format!(
            "; use `127.0.0.1:{port}` for this machine only, or `0.0.0.0:{port}` for every network interface"
        )));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(found(""));
    };
    if host.contains(':') && !host.starts_with('[') {
        return Err(found("; write an IPv6 address in brackets: `[::1]:8080`"));
    }
    if is_numeric(host) && host.parse::<Ipv4Addr>().is_err() {
        return Err(found("; an IPv4 address has four numbers from 0 to 255 without leading zeros"));
    }
    if !is_host(host) {
        return Err(found(""));
    }
    if !port.bytes().all(|byte| byte.is_ascii_digit()) || port.parse::<u16>().is_err() {
        return Err(format!("expected a port from 0 to 65535, found `{text}`"));
    }
    Ok(text.to_owned())
}

fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => is_name(text),
    }
}

/// Whether the host ends in a number, like an IPv4 address and unlike any name (RFC 1123, section 2.1).
fn is_numeric(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())
}

/// A host name or address to check a certificate against.
pub(super) fn server_name(text: &str) -> Result<String, String> {
    if is_name(text) || text.parse::<Ipv6Addr>().is_ok() {
        return Ok(text.to_owned());
    }
    Err(format!("expected a host name without scheme and port, found `{text}`"))
}

fn is_name(text: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !text.is_empty() && text.bytes().all(part)
}

/// The URL of a proxy, or the word `none`.
pub(super) fn proxy(text: &str) -> Result<Option<ProxyConfig>, String> {
    if text == "none" { Ok(None) } else { parsed_proxy(text).map(Some) }
}

/// The URL of a proxy without user and password, which have their own keys.
pub(super) fn proxy_address(text: &str) -> Result<ProxyConfig, String> {
    match parsed_proxy(text)? {
        ProxyConfig { login: Login::Given(_), .. } => {
            Err("expected http://HOST:PORT without a user; set `username` and `password_file` instead".to_owned())
        }
        config => Ok(config),
    }
}

/// A user name. RFC 7617, section 2: the first colon ends it, so it cannot contain one.
pub(super) fn proxy_user(text: &str) -> Result<String, String> {
    if text.contains(':') { Err(CredentialsError::Colon.to_string()) } else { Ok(text.to_owned()) }
}

fn parsed_proxy(text: &str) -> Result<ProxyConfig, String> {
    text.parse().map_err(|error: ProxyError| error.to_string())
}

/// A pin. The pin of the sample bank's certificate is refused: its private key is public.
pub(super) fn pin(text: &str) -> Result<Pin, String> {
    let pin: Pin = text.parse().map_err(|error: PinError| error.to_string())?;
    if pin.is_published() {
        return Err(
            "this pin belongs to the sample bank's certificate, whose private key is public; anyone could use it"
                .to_owned(),
        );
    }
    Ok(pin)
}

/// A media type as `type/subtype` in lower case, without parameters.
pub(super) fn media_type(text: &str) -> Result<String, String> {
    // RFC 6838, 4.2: restricted-name.
    let part = |part: &str| {
        let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$&-^_.+".contains(&byte);
        part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.bytes().all(rest)
    };
    match text.split_once('/') {
        Some((kind, subtype)) if part(kind) && part(subtype) => Ok(text.to_owned()),
        _ => Err(format!("expected a lower-case `type/subtype` without parameters, found `{text}`")),
    }
}

/// The `type` of a service configuration: always `google.api.Service`.
pub(super) fn service_type(text: &str) -> Result<(), String> {
    if text == "google.api.Service" { Ok(()) } else { Err(format!("expected `google.api.Service`, found `{text}`")) }
}

/// Whether the annotation of an rpc stays in force when files have rules for that rpc.
pub(super) fn keeps_annotations(text: &str) -> Result<bool, String> {
    match text {
        "keep" => Ok(true),
        "replace" => Ok(false),
        _ => Err(format!("expected `replace` or `keep`, found `{text}`")),
    }
}

/// What to do with a caller's trace context.
pub(super) fn trace_context(text: &str) -> Result<TraceContext, String> {
    match text {
        "pass" => Ok(TraceContext::Pass),
        "create" => Ok(TraceContext::Create),
        _ => Err(format!("expected `pass` or `create`, found `{text}`")),
    }
}

/// The format of a streamed reply.
pub(super) fn stream_format(text: &str) -> Result<Format, String> {
    match text {
        "ndjson" => Ok(Format::Ndjson),
        "sse" => Ok(Format::Sse),
        "array" => Ok(Format::Array),
        "grpc_gateway" => Ok(Format::GrpcGateway),
        _ => Err(format!("expected `ndjson`, `sse`, `array` or `grpc_gateway`, found `{text}`")),
    }
}

/// Whether a client certificate is optional.
pub(super) fn is_optional(text: &str) -> Result<bool, String> {
    match text {
        "required" => Ok(false),
        "optional" => Ok(true),
        _ => Err(format!("expected `required` or `optional`, found `{text}`")),
    }
}

/// Reads an origin of web pages, or all below a domain.
pub(super) fn cors_origin(text: &str) -> Result<CorsOrigin, String> {
    text.parse().map_err(|_| {
        format!("expected an origin such as `https://app.bank.example` or `https://*.bank.example`, found `{text}`")
    })
}

/// Reads an HTTP method that web pages may use.
pub(super) fn method(text: &str) -> Result<Method, String> {
    const KNOWN: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    let method = KNOWN.contains(&text).then(|| Method::from_bytes(text.as_bytes()).ok()).flatten();
    method.ok_or_else(|| format!("expected one of {}, found `{text}`", KNOWN.join(", ")))
}

/// Reads the name of a protocol that the listener serves.
pub(super) fn protocol(text: &str) -> Result<&'static str, String> {
    const NAMES: [&str; 4] = ["rest", "grpc", "grpc_web", "connect"];
    let known = NAMES.into_iter().find(|name| *name == text);
    known.ok_or_else(|| format!("expected `rest`, `grpc`, `grpc_web` or `connect`, found `{text}`"))
}

/// Which permissions files with secrets may have.
pub(super) fn permissions(text: &str) -> Result<Permissions, String> {
    match text {
        "strict" => Ok(Permissions::Strict),
        "any" => Ok(Permissions::Any),
        _ => Err(format!("expected `strict` or `any`, found `{text}`")),
    }
}

/// A selector: `package.Service.Method`, `package.Service`, `package.*` or `*`.
pub(super) fn selector(text: &str) -> Result<String, String> {
    let name = text.strip_suffix(".*").unwrap_or(text);
    if text == "*" || name.split('.').all(is_identifier) {
        return Ok(text.to_owned());
    }
    Err(format!("expected `package.Service.Method`, `package.Service`, `package.*` or `*`, found `{text}`"))
}

/// An upstream's name: lower-case letters, digits, `-` and `_`, starting with a letter; not `true`.
pub(super) fn upstream_name(text: &str) -> Result<String, String> {
    let part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    if text.starts_with(|c: char| c.is_ascii_lowercase()) && text != "true" && text.bytes().all(part) {
        return Ok(text.to_owned());
    }
    Err(format!("expected a name of lower-case letters, digits, `-` and `_` that starts with a letter, found `{text}`"))
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The full name of an rpc: `package.Service.Method`.
pub(super) fn rpc_name(text: &str) -> Result<String, String> {
    if text.contains('.') && text.split('.').all(is_identifier) {
        return Ok(text.to_owned());
    }
    Err(format!("expected an rpc as `package.Service.Method`, found `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listen_address_is_host_and_port() {
        for text in
            ["127.0.0.1:8080", "0.0.0.0:0", "localhost:65535", "gate-1.bank.internal:443", "[::1]:8080", "[::]:80"]
        {
            assert_eq!(listen_address(text).as_deref(), Ok(text), "{text}");
        }
        for (text, message) in [
            (
                "8080",
                "expected `host:port`, found `8080`; use `127.0.0.1:8080` for this machine only, or `0.0.0.0:8080` for \
                 every network interface",
            ),
            (
                ":8080",
                "expected `host:port`, found `:8080`; use `127.0.0.1:8080` for this machine only, or `0.0.0.0:8080` for \
                 every network interface",
            ),
            ("", "expected `host:port`, found ``"),
            ("localhost", "expected `host:port`, found `localhost`"),
            (
                "http://localhost:80",
                "expected `host:port`, found `http://localhost:80`; write an IPv6 address in brackets: `[::1]:8080`",
            ),
            ("::1:8080", "expected `host:port`, found `::1:8080`; write an IPv6 address in brackets: `[::1]:8080`"),
            ("[::g]:80", "expected `host:port`, found `[::g]:80`"),
            ("[::1]", "expected `host:port`, found `[::1]`"),
            ("a b:80", "expected `host:port`, found `a b:80`"),
            (
                "256.0.0.1:80",
                "expected `host:port`, found `256.0.0.1:80`; an IPv4 address has four numbers from 0 to 255 without leading \
                 zeros",
            ),
            (
                "127.0.0.01:80",
                "expected `host:port`, found `127.0.0.01:80`; an IPv4 address has four numbers from 0 to 255 without \
                 leading zeros",
            ),
            (
                "10.1:80",
                "expected `host:port`, found `10.1:80`; an IPv4 address has four numbers from 0 to 255 without leading zeros",
            ),
            ("localhost:", "expected a port from 0 to 65535, found `localhost:`"),
            ("localhost:+1", "expected a port from 0 to 65535, found `localhost:+1`"),
            ("localhost:65536", "expected a port from 0 to 65535, found `localhost:65536`"),
        ] {
            assert_eq!(listen_address(text).unwrap_err(), message, "{text}");
        }
    }

    #[test]
    fn media_types_rpc_names_and_server_names_are_validated() {
        assert!(media_type("application/x-protobuf").is_ok() && media_type("application/vnd.bank+json").is_ok());
        for text in
            ["", "json", "Application/JSON", "application/json; charset=utf-8", "*/*", "a/b/c", "/json", "application/"]
        {
            let message = format!("expected a lower-case `type/subtype` without parameters, found `{text}`");
            assert_eq!(media_type(text), Err(message), "{text}");
        }
        assert!(rpc_name("shop.v1.Orders.Get").is_ok() && rpc_name("Orders.Get").is_ok());
        for text in ["", "Get", "/shop.v1.Orders/Get", "shop..Get", "shop.1.Get", ".shop.Get"] {
            let message = format!("expected an rpc as `package.Service.Method`, found `{text}`");
            assert_eq!(rpc_name(text), Err(message), "{text}");
        }
        assert!(["bank.internal", "10.0.0.1", "fd00::1"].iter().all(|name| server_name(name).is_ok()));
        for text in ["", "https://bank", "bank:443", "a b"] {
            let message = format!("expected a host name without scheme and port, found `{text}`");
            assert_eq!(server_name(text), Err(message), "{text}");
        }
    }
}
