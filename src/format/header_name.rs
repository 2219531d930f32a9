//! Header names, and which headers may be forwarded between HTTP and gRPC metadata.
//!
//! An `Err` is a message without the name of the setting in front: "expected ..., found ...".

use http::HeaderName;

/// Parses a header name; the result is in lower case.
pub fn header_name(text: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(text.as_bytes()).map_err(|_| format!("expected a header name, found `{text}`"))
}

/// Parses the name of a header that may be forwarded between HTTP and gRPC metadata.
pub fn metadata_name(text: &str) -> Result<HeaderName, String> {
    let name = header_name(text)?;
    if let Some(reason) = connection_owned(&name) {
        return Err(reason);
    }
    // gRPC over HTTP/2, "Custom-Metadata": names that begin with `grpc-` are reserved.
    if name.as_str().starts_with("grpc-") {
        return Err(format!("`{name}` is reserved by gRPC and is never forwarded"));
    }
    Ok(name)
}

/// Parses the name of a header that Towbar may add to its responses.
pub fn reply_header_name(text: &str) -> Result<HeaderName, String> {
    let name = header_name(text)?;
    match connection_owned(&name) {
        Some(reason) => Err(reason),
        None => refuse_binary(name),
    }
}

/// Parses the name of response metadata whose value is text.
pub fn text_metadata_name(text: &str) -> Result<HeaderName, String> {
    metadata_name(text).and_then(refuse_binary)
}

fn refuse_binary(name: HeaderName) -> Result<HeaderName, String> {
    // gRPC over HTTP/2: the suffix `-bin` marks values that are base64-encoded bytes.
    if name.as_str().ends_with("-bin") {
        return Err(format!("`{name}` ends with `-bin`, which gRPC reserves for binary values; choose another name"));
    }
    Ok(name)
}

/// Why this header is never forwarded; `None` if it may be.
fn connection_owned(name: &HeaderName) -> Option<String> {
    match name.as_str() {
        // RFC 9110, section 7.6.1: these fields belong to one connection, not to the message.
        "connection" | "keep-alive" | "te" | "trailer" | "transfer-encoding" | "upgrade" => {
            Some(format!("`{name}` is a hop-by-hop header and is never forwarded"))
        }
        other if other.starts_with("proxy-") => Some(format!("`{name}` is a hop-by-hop header and is never forwarded")),
        "host" | "content-length" | "content-type" | "content-encoding" => {
            Some(format!("`{name}` is set by Towbar itself and is never forwarded"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hop_by_hop_and_reserved_headers_cannot_be_forwarded() {
        assert_eq!(metadata_name("X-Consent-Id").unwrap().as_str(), "x-consent-id");
        assert_eq!(reply_header_name("grpc-status").unwrap().as_str(), "grpc-status");
        for (text, message) in [
            ("", "expected a header name, found ``"),
            ("x consent", "expected a header name, found `x consent`"),
            (":path", "expected a header name, found `:path`"),
            ("TE", "`te` is a hop-by-hop header and is never forwarded"),
            ("Proxy-Authorization", "`proxy-authorization` is a hop-by-hop header and is never forwarded"),
            ("host", "`host` is set by Towbar itself and is never forwarded"),
            ("content-type", "`content-type` is set by Towbar itself and is never forwarded"),
            ("grpc-timeout", "`grpc-timeout` is reserved by gRPC and is never forwarded"),
        ] {
            assert_eq!(metadata_name(text).unwrap_err(), message, "{text}");
        }
        assert_eq!(metadata_name("x-trace-bin").unwrap().as_str(), "x-trace-bin");
        let message = "`x-trace-bin` ends with `-bin`, which gRPC reserves for binary values; choose another name";
        assert_eq!(reply_header_name("x-trace-bin").unwrap_err(), message);
        assert_eq!(text_metadata_name("x-trace-bin").unwrap_err(), message);
        for name in ["connection", "keep-alive", "trailer", "transfer-encoding", "upgrade", "content-length"] {
            assert!(metadata_name(name).is_err() && reply_header_name(name).is_err(), "{name}");
        }
    }
}
