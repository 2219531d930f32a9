//! Which protocols the port serves, and which of them a request speaks.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;

/// The protocols that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocols {
    /// JSON, by the rules of `google.api.http`.
    pub rest: bool,
    /// Native gRPC over HTTP/2.
    pub grpc: bool,
    /// gRPC-Web.
    pub grpc_web: bool,
}

impl Default for Protocols {
    fn default() -> Self {
        Self { rest: true, grpc: false, grpc_web: false }
    }
}

/// The protocol of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Rest,
    Grpc,
    GrpcWeb,
    /// The question of a browser whether a page may make a request.
    Preflight,
    /// None that is served.
    Other,
}

impl Protocols {
    /// Whether rpcs are called by their own paths in one of them.
    #[must_use]
    pub fn call_by_path(self) -> bool {
        self.grpc || self.grpc_web
    }

    /// The protocol of a request with this head.
    pub(super) fn of(self, head: &Parts) -> Spoken {
        // Most gateways serve REST alone, and look at nothing.
        if self.call_by_path()
            && let Some(spoken) = self.by_path(&head.headers)
        {
            spoken
        } else if self.rest {
            Spoken::Rest
        } else {
            Spoken::Other
        }
    }

    /// The protocol that the content type names, if that is one of these. PROTOCOL-HTTP2.md: `Content-Type -> "content-type"
    /// "application/grpc" [("+proto" / "+json" / {custom})]`; the names of gRPC-Web begin in the same way.
    fn by_path(self, headers: &HeaderMap) -> Option<Spoken> {
        let rest = headers.get(CONTENT_TYPE)?.as_bytes().strip_prefix(b"application/grpc")?;
        let ends = |rest: &[u8]| matches!(rest.first(), None | Some(b'+' | b';' | b' '));
        if ends(rest) {
            return self.grpc.then_some(Spoken::Grpc);
        }
        let rest = rest.strip_prefix(b"-web")?;
        let is_web = ends(rest.strip_prefix(b"-text").unwrap_or(rest));
        (is_web && self.grpc_web).then_some(Spoken::GrpcWeb)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn the_protocol_of_a_request_is_chosen_by_its_content_type() {
        let rest = Protocols::default();
        let all = Protocols { grpc: true, grpc_web: true, ..rest };
        let (grpc, web) = (Protocols { rest: false, grpc: true, grpc_web: false }, Protocols { grpc: false, ..all });
        for (content_type, expected) in [
            ("application/grpc", Spoken::Grpc),
            ("application/grpc+proto", Spoken::Grpc),
            ("application/grpc+json", Spoken::Grpc),
            ("application/grpc; charset=utf-8", Spoken::Grpc),
            ("application/grpc-web", Spoken::GrpcWeb),
            ("application/grpc-web+proto", Spoken::GrpcWeb),
            ("application/grpc-web-text", Spoken::GrpcWeb),
            ("application/grpc-web-text+proto", Spoken::GrpcWeb),
            ("application/grpc-webs", Spoken::Rest),
            ("application/grpcx", Spoken::Rest),
            ("application/json", Spoken::Rest),
            ("", Spoken::Rest),
        ] {
            let (head, ()) = Request::post("/").header(CONTENT_TYPE, content_type).body(()).unwrap().into_parts();
            let only = |spoken, other| if expected == spoken { spoken } else { other };
            let (of_grpc, of_web) = (only(Spoken::Grpc, Spoken::Other), only(Spoken::GrpcWeb, Spoken::Rest));
            let found = [rest, all, grpc, web].map(|protocols| protocols.of(&head));
            assert_eq!(found, [Spoken::Rest, expected, of_grpc, of_web], "{content_type}");
        }
    }
}
