//! Values of one line: text in, the value out, or what was expected instead.
//!
//! An `Err` is the message without the key before it: "expected ..., found ...". Knows neither file nor keys, so flags
//! are read by the same functions.

use crate::gateway::stream::Format;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use http::{HeaderName, StatusCode};

use crate::format::secret::Permissions;
use crate::gateway::CallerGone;
use crate::gateway::error::{ENDLESS, Form};
use crate::gateway::metadata::TraceContext;
use crate::upstream::{CredentialsError, Login, ProxyConfig, ProxyError};

const LONGEST: Duration = Duration::from_secs(60 * 60);
const LARGEST: usize = 1 << 30;

/// `500ms`, `25s`, `1m`, `1h`: a unit always, more than nothing, at most an hour.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = number_and_unit(text).and_then(|(number, unit)| match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(60 * 60).map(Duration::from_secs),
        _ => None,
    });
    let Some(duration) = parsed else {
        return Err(format!("expected a duration with its unit, such as `500ms`, `25s` or `1m`, found `{text}`"));
    };
    if duration.is_zero() || duration > LONGEST {
        return Err(format!("expected more than nothing and at most an hour, found `{text}`"));
    }
    Ok(duration)
}

/// The same for a call, which may last for days: up to a year, or `none` for one without an end. Of rpcs that do not stream it is checked
/// [elsewhere](crate::gateway::gateway::misplaced) that it is no more than an hour.
pub(super) fn deadline(text: &str) -> Result<Duration, String> {
    const MOST_DAYS: u64 = 365;
    if text == "none" {
        return Ok(ENDLESS);
    }
    let seconds = number_and_unit(text).and_then(|(number, unit)| match unit {
        "h" => number.checked_mul(60 * 60),
        "d" => number.checked_mul(24 * 60 * 60),
        _ => None,
    });
    let Some(seconds) = seconds else { return duration(text) };
    if seconds == 0 || seconds > MOST_DAYS * 24 * 60 * 60 {
        return Err(format!("expected more than nothing and at most 365 days, or `none`, found `{text}`"));
    }
    Ok(Duration::from_secs(seconds))
}

/// A duration of whole seconds.
pub(super) fn whole_seconds(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        whole if whole.subsec_nanos() == 0 => Ok(whole),
        _ => Err(format!("expected whole seconds, such as `30s`, found `{text}`")),
    }
}

/// `1048576`, `512KiB`, `1MiB`, `1GiB`: more than nothing, at most 1 GiB.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let size = bytes(text)?;
    if size == 0 || size > LARGEST {
        return Err(format!("expected more than nothing and at most `1GiB`, found `{text}`"));
    }
    Ok(size)
}

/// The same, or nothing of the kind.
pub(super) fn size_or_off(text: &str) -> Result<Option<usize>, String> {
    if text == "off" { Ok(None) } else { size(text).map(Some) }
}

/// The memory of a process: enough to live, and no more than there is.
pub(super) fn memory(text: &str) -> Result<usize, String> {
    let size = bytes(text)?;
    if !(64 << 20..=1 << 40).contains(&size) {
        return Err(format!("expected `64MiB` to `1024GiB`, found `{text}`"));
    }
    Ok(size)
}

fn bytes(text: &str) -> Result<usize, String> {
    let parsed = number_and_unit(text).and_then(|(number, unit)| {
        let number = usize::try_from(number).ok()?;
        match unit {
            "" => Some(number),
            "KiB" => number.checked_mul(1 << 10),
            "MiB" => number.checked_mul(1 << 20),
            "GiB" => number.checked_mul(1 << 30),
            _ => None,
        }
    });
    parsed.ok_or_else(|| format!("expected a size such as `1MiB`, `512KiB` or `1048576`, found `{text}`"))
}

/// A size up to `most` bytes, which has the name `shown`.
pub(super) fn size_to(text: &str, most: usize, shown: &str) -> Result<usize, String> {
    match size(text)? {
        size if size > most => Err(format!("expected at most `{shown}`, found `{text}`")),
        size => Ok(size),
    }
}

/// A number from 1 to `most`.
pub(super) fn number(text: &str, most: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number) && !text.starts_with('+'));
    number.ok_or_else(|| format!("expected a number from 1 to {most}, found `{text}`"))
}

/// The same from 0.
pub(super) fn number_or_none(text: &str, most: usize) -> Result<usize, String> {
    let number = if text == "0" { Ok(0) } else { number(text, most) };
    number.map_err(|_| format!("expected a number from 0 to {most}, found `{text}`"))
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit))
}

pub(super) fn truth(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("expected `true` or `false`, found `{text}`")),
    }
}

/// `host:port` to listen on, an IPv6 address in brackets, port 0 for any free one.
pub(super) fn listen_address(text: &str) -> Result<String, String> {
    let found = |advice: &str| format!("expected `host:port`, found `{text}`{advice}");
    let port = text.strip_prefix(':').unwrap_or(text);
    if port.parse::<u16>().is_ok() {
        return Err(found(&format!(
            "; write `127.0.0.1:{port}` for this machine alone, `0.0.0.0:{port}` for every interface"
        )));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(found(""));
    };
    if host.contains(':') && !host.starts_with('[') {
        return Err(found("; an IPv6 address stands in brackets: `[::1]:8080`"));
    }
    if is_numeric(host) && host.parse::<Ipv4Addr>().is_err() {
        return Err(found("; an IPv4 address is four numbers from 0 to 255 without leading zeros"));
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

/// Whether the host ends in a number, as an IPv4 address and no name does (RFC 1123, section 2.1).
fn is_numeric(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())
}

/// A name or an address that a certificate is checked for.
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

/// A proxy, or the word `none`.
pub(super) fn proxy(text: &str) -> Result<Option<ProxyConfig>, String> {
    if text == "none" { Ok(None) } else { parsed_proxy(text).map(Some) }
}

/// A proxy without user and password, which stand beside it.
pub(super) fn proxy_address(text: &str) -> Result<ProxyConfig, String> {
    match parsed_proxy(text)? {
        ProxyConfig { login: Login::Given(_), .. } => {
            Err("expected http://HOST:PORT alone, found a user too: it stands in `username`, its password in the file \
                 that `password_file` names"
                .to_owned())
        }
        config => Ok(config),
    }
}

/// RFC 7617, section 2: a user whom the first colon ends.
pub(super) fn proxy_user(text: &str) -> Result<String, String> {
    if text.contains(':') { Err(CredentialsError::Colon.to_string()) } else { Ok(text.to_owned()) }
}

fn parsed_proxy(text: &str) -> Result<ProxyConfig, String> {
    text.parse().map_err(|error: ProxyError| error.to_string())
}

/// A header's name, in lower case.
pub(super) fn header_name(text: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(text.as_bytes()).map_err(|_| format!("expected the name of a header, found `{text}`"))
}

/// A header that may be carried over between HTTP and gRPC metadata.
pub(super) fn metadata_name(text: &str) -> Result<HeaderName, String> {
    let name = header_name(text)?;
    if let Some(reason) = connection_owned(&name) {
        return Err(reason);
    }
    // gRPC over HTTP/2, "Custom-Metadata": `grpc-` names are its own.
    if name.as_str().starts_with("grpc-") {
        return Err(format!("`{name}` belongs to gRPC and is never passed on"));
    }
    Ok(name)
}

/// A header that Towbar may write on its replies.
pub(super) fn reply_header_name(text: &str) -> Result<HeaderName, String> {
    let name = header_name(text)?;
    match connection_owned(&name) {
        Some(reason) => Err(reason),
        None => refuse_binary(name),
    }
}

/// Metadata of a reply that is text.
pub(super) fn text_metadata_name(text: &str) -> Result<HeaderName, String> {
    metadata_name(text).and_then(refuse_binary)
}

fn refuse_binary(name: HeaderName) -> Result<HeaderName, String> {
    // gRPC over HTTP/2: the suffix says that the value is base64 of bytes.
    if name.as_str().ends_with("-bin") {
        return Err(format!("`{name}` would be binary (`-bin`), and what it has is text"));
    }
    Ok(name)
}

/// Why this header is never passed on, if it is not.
fn connection_owned(name: &HeaderName) -> Option<String> {
    match name.as_str() {
        // RFC 9110, 7.6.1: fields of one connection, not of the message.
        "connection" | "keep-alive" | "te" | "trailer" | "transfer-encoding" | "upgrade" => {
            Some(format!("`{name}` is hop-by-hop and is never passed on"))
        }
        other if other.starts_with("proxy-") => Some(format!("`{name}` is hop-by-hop and is never passed on")),
        "host" | "content-length" | "content-type" | "content-encoding" => {
            Some(format!("`{name}` is written by Towbar itself and is never passed on"))
        }
        _ => None,
    }
}

/// `type/subtype` in lower case, without parameters.
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

/// The type of a service configuration.
pub(super) fn service_type(text: &str) -> Result<(), String> {
    if text == "google.api.Service" { Ok(()) } else { Err(format!("expected `google.api.Service`, found `{text}`")) }
}

/// What becomes of the annotation of an rpc that has rules of its own: true if it stands beside them.
pub(super) fn keeps_annotations(text: &str) -> Result<bool, String> {
    match text {
        "keep" => Ok(true),
        "replace" => Ok(false),
        _ => Err(format!("expected `replace` or `keep`, found `{text}`")),
    }
}

/// What becomes of a caller's trace context.
pub(super) fn trace_context(text: &str) -> Result<TraceContext, String> {
    match text {
        "pass" => Ok(TraceContext::Pass),
        "create" => Ok(TraceContext::Create),
        _ => Err(format!("expected `pass` or `create`, found `{text}`")),
    }
}

/// The form of a stream.
pub(super) fn stream_format(text: &str) -> Result<Format, String> {
    match text {
        "ndjson" => Ok(Format::Ndjson),
        "sse" => Ok(Format::Sse),
        "array" => Ok(Format::Array),
        "grpc_gateway" => Ok(Format::GrpcGateway),
        _ => Err(format!("expected `ndjson`, `sse`, `array` or `grpc_gateway`, found `{text}`")),
    }
}

/// The form of errors.
pub(super) fn form(text: &str) -> Result<Form, String> {
    let forms =
        "`status`, `google`, `problem`, `open_banking_uk`, `berlin_group`, `grpc_gateway_v1` or `grpc_gateway_v2`";
    Form::named(text).ok_or_else(|| format!("expected {forms}, found `{text}`"))
}

/// The HTTP status of an error.
pub(super) fn error_status(text: &str) -> Result<StatusCode, String> {
    let status = text.parse().ok().filter(|status: &StatusCode| status.is_client_error() || status.is_server_error());
    status.ok_or_else(|| format!("expected an HTTP status from 400 to 599, found `{text}`"))
}

/// Whether callers may have no certificate.
pub(super) fn is_optional(text: &str) -> Result<bool, String> {
    match text {
        "required" => Ok(false),
        "optional" => Ok(true),
        _ => Err(format!("expected `required` or `optional`, found `{text}`")),
    }
}

/// Who may read files with secrets.
pub(super) fn permissions(text: &str) -> Result<Permissions, String> {
    match text {
        "strict" => Ok(Permissions::Strict),
        "any" => Ok(Permissions::Any),
        _ => Err(format!("expected `strict` or `any`, found `{text}`")),
    }
}

/// What becomes of a call whose caller goes away.
pub(super) fn caller_gone(text: &str) -> Result<CallerGone, String> {
    match text {
        "cancel" => Ok(CallerGone::Cancel),
        "finish" => Ok(CallerGone::Finish),
        _ => Err(format!("expected `cancel` or `finish`, found `{text}`")),
    }
}

/// The word `all`, which stands in the place of a list of these.
pub(super) fn all(text: &str, listed: &str) -> Result<(), String> {
    if text == "all" { Ok(()) } else { Err(format!("expected `all` or a list of {listed}, found `{text}`")) }
}

/// `all` or `none`.
pub(super) fn is_all(text: &str) -> Result<bool, String> {
    match text {
        "none" => Ok(false),
        "all" => Ok(true),
        _ => Err(format!("expected `all` or `none`, found `{text}`")),
    }
}

/// What an empty body stands for.
pub(super) fn is_object(text: &str) -> Result<bool, String> {
    match text {
        "refuse" => Ok(false),
        "object" => Ok(true),
        _ => Err(format!("expected `refuse` or `object`, found `{text}`")),
    }
}

/// A query key that may be passed over.
pub(super) fn query_key(text: &str) -> Result<String, String> {
    // Google's system parameters are taken or refused, never passed over.
    if text.starts_with('$') {
        return Err(format!("expected a query key without `$`, found `{text}`"));
    }
    Ok(text.to_owned())
}

/// A member of a JSON body, nested ones with dots.
pub(super) fn member_path(text: &str) -> Result<String, String> {
    if text.split('.').all(|name| !name.is_empty()) {
        return Ok(text.to_owned());
    }
    Err(format!("expected a member such as `fee` or `instructions.fee`, found `{text}`"))
}

/// `package.Service.Method`, `package.Service`, `package.*` or `*`.
pub(super) fn selector(text: &str) -> Result<String, String> {
    let name = text.strip_suffix(".*").unwrap_or(text);
    if text == "*" || name.split('.').all(is_identifier) {
        return Ok(text.to_owned());
    }
    Err(format!("expected `package.Service.Method`, `package.Service`, `package.*` or `*`, found `{text}`"))
}

/// The name that an operator gives to an upstream.
pub(super) fn upstream_name(text: &str) -> Result<String, String> {
    let part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    if text.starts_with(|c: char| c.is_ascii_lowercase()) && text != "true" && text.bytes().all(part) {
        return Ok(text.to_owned());
    }
    Err(format!("expected a name of a-z, 0-9, `-` and `_` that begins with a letter, found `{text}`"))
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `package.Service.Method`.
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
    fn calls_may_last_for_days_or_without_an_end() {
        const DAY: u64 = 24 * 60 * 60;
        for (text, seconds) in [("30m", 1800), ("1h", 3600), ("36h", 36 * 3600), ("1d", DAY), ("365d", 365 * DAY)] {
            assert_eq!(deadline(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(deadline("none"), Ok(ENDLESS));
        for text in ["0d", "0h", "366d", "8761h"] {
            let message = format!("expected more than nothing and at most 365 days, or `none`, found `{text}`");
            assert_eq!(deadline(text), Err(message), "{text}");
        }
        for text in ["1w", "d", "99999999999999999999d", "None", "off"] {
            let message = format!("expected a duration with its unit, such as `500ms`, `25s` or `1m`, found `{text}`");
            assert_eq!(deadline(text), Err(message), "{text}");
        }
    }

    #[test]
    fn durations_have_a_unit_and_an_end() {
        for (text, milliseconds) in
            [("1ms", 1), ("500ms", 500), ("25s", 25_000), ("1m", 60_000), ("60m", 3_600_000), ("1h", 3_600_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "25", "s", "-1s", "+1s", "1.5s", "25 s", "1d", "1S", "99999999999999999999s"] {
            let message = format!("expected a duration with its unit, such as `500ms`, `25s` or `1m`, found `{text}`");
            assert_eq!(duration(text), Err(message), "{text}");
        }
        for text in ["0s", "61m", "2h", "3600001ms"] {
            let message = format!("expected more than nothing and at most an hour, found `{text}`");
            assert_eq!(duration(text), Err(message), "{text}");
        }
    }

    #[test]
    fn sizes_count_in_powers_of_two() {
        for (text, bytes) in
            [("1", 1), ("1048576", 1 << 20), ("512KiB", 512 << 10), ("1MiB", 1 << 20), ("1GiB", 1 << 30)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "1MB", "1 MiB", "MiB", "-1", "+1", "0x10", "1mib", "1_000", "99999999999999999999"] {
            let message = format!("expected a size such as `1MiB`, `512KiB` or `1048576`, found `{text}`");
            assert_eq!(size(text), Err(message), "{text}");
        }
        for text in ["0", "0MiB", "1073741825", "2GiB"] {
            let message = format!("expected more than nothing and at most `1GiB`, found `{text}`");
            assert_eq!(size(text), Err(message), "{text}");
        }
    }

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
                "expected `host:port`, found `8080`; write `127.0.0.1:8080` for this machine alone, `0.0.0.0:8080` for every interface",
            ),
            (
                ":8080",
                "expected `host:port`, found `:8080`; write `127.0.0.1:8080` for this machine alone, `0.0.0.0:8080` for every interface",
            ),
            ("", "expected `host:port`, found ``"),
            ("localhost", "expected `host:port`, found `localhost`"),
            (
                "http://localhost:80",
                "expected `host:port`, found `http://localhost:80`; an IPv6 address stands in brackets: `[::1]:8080`",
            ),
            ("::1:8080", "expected `host:port`, found `::1:8080`; an IPv6 address stands in brackets: `[::1]:8080`"),
            ("[::g]:80", "expected `host:port`, found `[::g]:80`"),
            ("[::1]", "expected `host:port`, found `[::1]`"),
            ("a b:80", "expected `host:port`, found `a b:80`"),
            (
                "256.0.0.1:80",
                "expected `host:port`, found `256.0.0.1:80`; an IPv4 address is four numbers from 0 to 255 without leading zeros",
            ),
            (
                "127.0.0.01:80",
                "expected `host:port`, found `127.0.0.01:80`; an IPv4 address is four numbers from 0 to 255 without leading zeros",
            ),
            (
                "10.1:80",
                "expected `host:port`, found `10.1:80`; an IPv4 address is four numbers from 0 to 255 without leading zeros",
            ),
            ("localhost:", "expected a port from 0 to 65535, found `localhost:`"),
            ("localhost:+1", "expected a port from 0 to 65535, found `localhost:+1`"),
            ("localhost:65536", "expected a port from 0 to 65535, found `localhost:65536`"),
        ] {
            assert_eq!(listen_address(text).unwrap_err(), message, "{text}");
        }
    }

    #[test]
    fn a_header_of_the_connection_is_never_passed_on() {
        assert_eq!(metadata_name("X-Consent-Id").unwrap().as_str(), "x-consent-id");
        assert_eq!(reply_header_name("grpc-status").unwrap().as_str(), "grpc-status");
        for (text, message) in [
            ("", "expected the name of a header, found ``"),
            ("x consent", "expected the name of a header, found `x consent`"),
            (":path", "expected the name of a header, found `:path`"),
            ("TE", "`te` is hop-by-hop and is never passed on"),
            ("Proxy-Authorization", "`proxy-authorization` is hop-by-hop and is never passed on"),
            ("host", "`host` is written by Towbar itself and is never passed on"),
            ("content-type", "`content-type` is written by Towbar itself and is never passed on"),
            ("grpc-timeout", "`grpc-timeout` belongs to gRPC and is never passed on"),
        ] {
            assert_eq!(metadata_name(text).unwrap_err(), message, "{text}");
        }
        assert_eq!(metadata_name("x-trace-bin").unwrap().as_str(), "x-trace-bin");
        let message = "`x-trace-bin` would be binary (`-bin`), and what it has is text";
        assert_eq!(reply_header_name("x-trace-bin").unwrap_err(), message);
        assert_eq!(text_metadata_name("x-trace-bin").unwrap_err(), message);
        for name in ["connection", "keep-alive", "trailer", "transfer-encoding", "upgrade", "content-length"] {
            assert!(metadata_name(name).is_err() && reply_header_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn media_types_members_rpcs_and_server_names_have_their_form() {
        assert!(media_type("application/x-protobuf").is_ok() && media_type("application/vnd.bank+json").is_ok());
        for text in
            ["", "json", "Application/JSON", "application/json; charset=utf-8", "*/*", "a/b/c", "/json", "application/"]
        {
            let message = format!("expected a lower-case `type/subtype` without parameters, found `{text}`");
            assert_eq!(media_type(text), Err(message), "{text}");
        }
        assert!(member_path("fee").is_ok() && member_path("instructions.fee-1").is_ok());
        for text in ["", ".fee", "fee.", "a..b"] {
            let message = format!("expected a member such as `fee` or `instructions.fee`, found `{text}`");
            assert_eq!(member_path(text), Err(message), "{text}");
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
