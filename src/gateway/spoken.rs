//! Which protocols the port serves, and which of them a request speaks.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Uri};

/// A Connect client says with this header that a request is of Connect.
pub(super) const CONNECT_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");

/// The protocols that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocols {
    /// JSON, by the rules of `google.api.http`.
    pub rest: bool,
    /// Native gRPC over HTTP/2.
    pub grpc: bool,
    /// gRPC-Web.
    pub grpc_web: bool,
    /// Connect.
    pub connect: bool,
}

impl Default for Protocols {
    fn default() -> Self {
        Self { rest: true, grpc: false, grpc_web: false, connect: false }
    }
}

/// The protocol of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Rest,
    Grpc,
    GrpcWeb,
    /// A unary call of Connect.
    Connect,
    /// A stream of Connect with messages of JSON.
    ConnectJsonStream,
    /// Any other stream of Connect.
    ConnectStream,
    /// The question of a browser whether a page may make a request.
    Preflight,
    /// None that is served.
    Other,
}

impl Spoken {
    /// The name of the protocol in logs. `None` for a request that speaks none of those that are served.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Rest => Some("rest"),
            Self::Grpc => Some("grpc"),
            Self::GrpcWeb => Some("grpc-web"),
            Self::Connect | Self::ConnectJsonStream | Self::ConnectStream => Some("connect"),
            Self::Preflight | Self::Other => None,
        }
    }
}

/// Looks up the path of a request.
#[derive(Clone, Copy)]
pub(super) struct Paths<R, T> {
    /// Whether the path is that of a served rpc itself. If it is: whether the template of a rule matches it too.
    pub(super) rpc: R,
    /// Whether the template of a rule matches the path, for any method.
    pub(super) rule: T,
}

impl Protocols {
    /// Whether rpcs are called by their own paths in one of them.
    #[must_use]
    pub fn call_by_path(self) -> bool {
        self.grpc || self.grpc_web || self.connect
    }

    /// The protocol of a request with this head.
    pub(super) fn of<R, T>(self, head: &Parts, paths: Paths<R, T>) -> Spoken
    where
        R: FnOnce(&str) -> Option<bool>,
        T: FnOnce(&str) -> bool,
    {
        // Most gateways serve REST alone, and look at nothing.
        if self.call_by_path()
            && let Some(spoken) = self.by_path(head, paths)
        {
            spoken
        } else if self.rest {
            Spoken::Rest
        } else {
            Spoken::Other
        }
    }

    /// The protocol that calls rpcs by their paths, if the request is of one.
    fn by_path<R, T>(self, head: &Parts, paths: Paths<R, T>) -> Option<Spoken>
    where
        R: FnOnce(&str) -> Option<bool>,
        T: FnOnce(&str) -> bool,
    {
        if self.connect
            && let Some(Mark { spoken, is_certain }) = Mark::of(head)
        {
            let path = head.uri.path();
            let is_connect = match (paths.rpc)(path) {
                Some(is_shared) => is_certain || !(self.rest && is_shared),
                None => is_certain && !(self.rest && (paths.rule)(path)),
            };
            return is_connect.then_some(spoken);
        }
        self.of_grpc(&head.headers)
    }

    /// The protocol that the content type names, if that is one of these. PROTOCOL-HTTP2.md: `Content-Type -> "content-type"
    /// "application/grpc" [("+proto" / "+json" / {custom})]`; the names of gRPC-Web begin in the same way.
    fn of_grpc(self, headers: &HeaderMap) -> Option<Spoken> {
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

/// What in a head says that the request may be of Connect.
struct Mark {
    spoken: Spoken,
    /// No other protocol has this mark. Without a certain one, a POST of JSON can be of REST as well.
    is_certain: bool,
}

impl Mark {
    fn of(head: &Parts) -> Option<Self> {
        let Parts { method, uri, headers, .. } = head;
        let certain = |spoken| Some(Self { spoken, is_certain: true });
        if method == Method::GET {
            return if has_connect_version(uri) { certain(Spoken::Connect) } else { None };
        }
        let content_type = media_type(headers);
        let is = |known: &str| content_type.eq_ignore_ascii_case(known.as_bytes());
        let begins = |known: &str| {
            content_type.get(..known.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(known.as_bytes()))
        };
        if is("application/connect+json") {
            certain(Spoken::ConnectJsonStream)
        } else if begins("application/connect+") {
            certain(Spoken::ConnectStream)
        } else if is("application/proto") || headers.contains_key(CONNECT_VERSION) && !begins("application/grpc") {
            certain(Spoken::Connect)
        } else {
            (method == Method::POST && is("application/json"))
                .then_some(Self { spoken: Spoken::Connect, is_certain: false })
        }
    }
}

/// The content type without its parameters, as it was written.
pub(super) fn media_type(headers: &HeaderMap) -> &[u8] {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii()
}

/// Unary-Get-Request: `Connect-Version-Query -> "connect=v1"`.
fn has_connect_version(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "connect=v1"))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    /// A path that is one of an rpc, of a rule, or of both.
    fn paths(rpc: bool, rule: bool) -> Paths<impl Fn(&str) -> Option<bool>, impl Fn(&str) -> bool> {
        Paths { rpc: move |_: &str| rpc.then_some(rule), rule: move |_: &str| rule }
    }

    #[test]
    fn the_protocol_of_a_request_is_chosen_by_its_content_type() {
        let rest = Protocols::default();
        let all = Protocols { grpc: true, grpc_web: true, ..rest };
        let (grpc, web) = (Protocols { rest: false, grpc: true, ..rest }, Protocols { grpc: false, ..all });
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
            ("application/proto", Spoken::Rest),
            ("application/json", Spoken::Rest),
            ("", Spoken::Rest),
        ] {
            let (head, ()) = Request::post("/").header(CONTENT_TYPE, content_type).body(()).unwrap().into_parts();
            let only = |spoken, other| if expected == spoken { spoken } else { other };
            let (of_grpc, of_web) = (only(Spoken::Grpc, Spoken::Other), only(Spoken::GrpcWeb, Spoken::Rest));
            let found = [rest, all, grpc, web].map(|protocols| protocols.of(&head, paths(false, false)));
            assert_eq!(found, [Spoken::Rest, expected, of_grpc, of_web], "{content_type}");
        }
    }

    #[test]
    fn a_request_of_connect_never_takes_the_path_of_a_rest_route() {
        let (rest, connect) = (Protocols::default(), Protocols { connect: true, ..Protocols::default() });
        let alone = Protocols { rest: false, ..connect };
        let (unary, stream) = (Spoken::Connect, Spoken::ConnectStream);
        // A certain mark, and one that REST has too, at each kind of path: of an rpc, of a rule, of both, of neither.
        let certain = |spoken| [spoken, Spoken::Rest, spoken, spoken];
        let uncertain = [unary, Spoken::Rest, Spoken::Rest, Spoken::Rest];
        let none = [Spoken::Rest; 4];
        let version = Some("connect-protocol-version");
        for (method, target, content_type, header, expected) in [
            ("POST", "/a", "application/connect+json", None, certain(Spoken::ConnectJsonStream)),
            ("POST", "/a", "application/connect+xml", None, certain(stream)),
            ("POST", "/a", "Application/Connect+Proto", None, certain(stream)),
            ("POST", "/a", "application/proto", None, certain(unary)),
            ("POST", "/a", "application/json", version, certain(unary)),
            ("POST", "/a", "application/json; charset=utf-8", version, certain(unary)),
            ("POST", "/a", "text/plain", version, certain(unary)),
            ("PUT", "/a", "application/json", version, certain(unary)),
            ("GET", "/a?connect=v1&message=", "", None, certain(unary)),
            ("GET", "/a?message=&connect=v1", "", version, certain(unary)),
            ("POST", "/a", "application/json", None, uncertain),
            ("POST", "/a?connect=v1", "Application/JSON; charset=utf-8", None, uncertain),
            ("PUT", "/a", "application/json", None, none),
            ("GET", "/a?connect=v2", "", None, none),
            ("GET", "/a", "application/json", version, none),
            ("POST", "/a", "application/protobuf", None, none),
            ("POST", "/a", "application/vnd.a+json", None, none),
            ("POST", "/a", "", None, none),
        ] {
            let mut request = Request::builder().method(method).uri(target).header(CONTENT_TYPE, content_type);
            request = header.into_iter().fold(request, |request, name| request.header(name, "1"));
            let (head, ()) = request.body(()).unwrap().into_parts();
            let input = format!("{method} {target} {content_type} {header:?}");
            let found = [(true, false), (false, true), (true, true), (false, false)];
            let found = found.map(|(rpc, rule)| connect.of(&head, paths(rpc, rule)));
            assert_eq!(found, expected, "{input}");
            assert_eq!(rest.of(&head, paths(true, true)), Spoken::Rest, "{input}");
            // Without REST, rules say nothing.
            let others = if expected == none { Spoken::Other } else { expected[0] };
            assert_eq!(alone.of(&head, paths(true, true)), others, "{input}");
        }
    }
}
