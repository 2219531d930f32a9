//! Every rpc in every protocol: what it demands of its callers does not depend on the way in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};
use towbar::config::Overrides;
use towbar::schema::RpcDescriptor;

use crate::support::grpc::{call, frame};
use crate::support::http;
use crate::support::talk::{Reader, backend, note, schema};
use crate::support::tokens::{AUDIENCE, ISSUER, Key, claims_with, key_set};
use crate::support::{Backend, Gateway};

/// The ways in that are compared with each other.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Rest,
    Grpc,
    GrpcWeb,
    Connect,
}

struct Stage {
    gateway: Gateway,
    calls: Arc<AtomicUsize>,
    _backend: Backend,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// A gateway whose rpcs all demand this.
    fn demanding(key: &Key, demand: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys.json");
        std::fs::write(&keys, key_set(&[key])).unwrap();
        let calls = Arc::<AtomicUsize>::default();
        let counted = calls.clone();
        let backend = backend(move |_, mut requests, replies| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move {
                requests.all().await;
                replies.send(&note("", 0)).await;
                replies.end("0", "").await;
            }
        });
        let config = format!(
            "listen: {{address: \"127.0.0.1:0\", protocols: [rest, grpc, grpc_web, connect]}}\nupstream: http://{}\nschema: talk.proto\n\
             callers:\n  issuers:\n    bank: {{issuer: {ISSUER}, audience: {AUDIENCE}, keys: {}}}\n  require: {demand}\n",
            backend.address,
            keys.display()
        );
        let gateway = Gateway::with(&config, &Overrides::default(), Ok(schema()), None);
        Self { gateway, calls, _backend: backend, _folder: folder }
    }

    /// Why the call is refused, and how often the backend was called.
    fn asked(&self, rpc: &RpcDescriptor, way: Way, token: Option<&str>) -> (Option<String>, usize) {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let proof: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let reason = match way {
            Way::Grpc => call(self.gateway.address, &rpc.path, &proof, &frame(b"")).reason(),
            Way::GrpcWeb => {
                let headers = [&[("content-type", "application/grpc-web")], &proof[..]].concat();
                let reader = self.sent("POST", &rpc.path, &headers, Some(&frame(b"")));
                let details = reader.answer.header("grpc-status-details-bin");
                details.and_then(|details| reason_of(&STANDARD_NO_PAD.decode(details).unwrap()))
            }
            Way::Connect => {
                let is_stream = rpc.client_streams || rpc.server_streams;
                let content_type = if is_stream { "application/connect+proto" } else { "application/proto" };
                let headers = [&[("content-type", content_type)], &proof[..]].concat();
                let body = if is_stream { frame(b"") } else { Vec::new() };
                let mut reader = self.sent("POST", &rpc.path, &headers, Some(&body));
                let details = infos(&reader.bytes().0);
                details.iter().find_map(|detail| reason_of(detail))
            }
            Way::Rest => {
                let rule = &rpc.rules.as_ref().unwrap()[0];
                let path = rule.pattern.template.replace(['{', '}'], "");
                let is_raw = matches!(rpc.name.as_str(), "talk.Talk.Put" | "talk.Talk.Upload" | "talk.Talk.Echo");
                let content_type = if is_raw { "text/plain" } else { "application/json" };
                let body = match (rule.body.as_str(), is_raw) {
                    ("", _) => None,
                    (_, true) => Some(&b"a"[..]),
                    ("text", _) => Some(&b"\"a\""[..]),
                    _ => Some(&b"{}"[..]),
                };
                let headers: Vec<_> =
                    body.map(|_| ("content-type", content_type)).into_iter().chain(proof.iter().copied()).collect();
                let mut reader = self.sent(&rule.pattern.method, &path, &headers, body);
                reason_of(&reader.bytes().0)
            }
        };
        (reason, self.calls.swap(0, Ordering::SeqCst))
    }

    fn sent(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Reader {
        let mut stream = http::connect(self.gateway.address);
        http::write(&mut stream, method, path, headers, body);
        Reader::new(stream)
    }
}

/// The details of a Connect error, which may be in the last envelope of a stream.
fn infos(body: &[u8]) -> Vec<Vec<u8>> {
    let error =
        body.iter().position(|byte| *byte == b'{').and_then(|from| serde_json::from_slice::<Value>(&body[from..]).ok());
    let error = error.map(|error| if error["error"].is_object() { error["error"].clone() } else { error });
    let details = error.map(|error| error["details"].as_array().cloned().unwrap_or_default()).unwrap_or_default();
    details.iter().map(|detail| STANDARD_NO_PAD.decode(detail["value"].as_str().unwrap()).unwrap()).collect()
}

/// The reason about an access token, wherever it stands in these bytes.
fn reason_of(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let from = text.find("ACCESS_TOKEN_")?;
    let reason = text[from..].bytes().take_while(|byte| byte.is_ascii_uppercase() || *byte == b'_').count();
    Some(text[from..from + reason].to_owned())
}

#[test]
fn every_rpc_has_the_same_token_requirements_over_every_protocol() {
    let key = Key::ed25519("e");
    let schema = schema();
    let high = json!({"acr": "high", "authorization_details": [{"type": "payment"}], "scope": "payments"});
    // What is demanded, and claims that do not meet it.
    let demands: [(&str, Option<Value>); 5] = [
        ("token", None),
        ("{scopes: payments}", Some(json!({"scope": "accounts"}))),
        ("{claims: {acr: high}}", Some(json!({"acr": "low"}))),
        ("{authorization_details: payment}", Some(json!({"authorization_details": [{"type": "other"}]}))),
        ("{bound_to: certificate}", Some(json!({}))),
    ];
    let mut count = 0;
    for (demand, lacking) in demands {
        let stage = Stage::demanding(&key, demand);
        let insufficient =
            if demand.contains("bound_to") { "ACCESS_TOKEN_INVALID" } else { "ACCESS_TOKEN_INSUFFICIENT" };
        let good = (!demand.contains("bound_to")).then(|| key.token(&claims_with(high.clone())));
        let lacking = lacking.map(|claims| key.token(&claims_with(claims)));
        for rpc in schema.rpcs() {
            for way in [Way::Rest, Way::Grpc, Way::GrpcWeb, Way::Connect] {
                let input = format!("{demand} {} {way:?}", rpc.name);
                let refused = |reason: &str| (Some(reason.to_owned()), 0);
                assert_eq!(stage.asked(rpc, way, None), refused("ACCESS_TOKEN_MISSING"), "{input}");
                assert_eq!(stage.asked(rpc, way, Some("a.b.c")), refused("ACCESS_TOKEN_INVALID"), "{input}");
                if let Some(lacking) = &lacking {
                    assert_eq!(stage.asked(rpc, way, Some(lacking)), refused(insufficient), "{input}");
                }
                if let Some(good) = &good {
                    assert_eq!(stage.asked(rpc, way, Some(good)), (None, 1), "{input}");
                }
                count += 1;
            }
        }
    }
    assert_eq!(count, 5 * 4 * schema.rpcs().len());
}
