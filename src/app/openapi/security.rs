//! The `security` of the document: client certificates, and access tokens for rpcs that require one.

use serde_json::{Map, Value, json};

use super::operation::Entry;
use crate::route::policy::Require;
use crate::server;

const CERTIFICATE: &str = "clientCertificate";
const TOKEN: &str = "accessToken";

/// Whether callers present a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// A certificate is required.
    Required,
    /// A certificate is optional.
    Optional,
}

impl Certificate {
    /// What this listener asks of its callers; `None` if it does not ask for a certificate.
    #[must_use]
    pub fn of(listen: &server::Config) -> Option<Self> {
        let tls = listen.tls.as_ref().filter(|tls| tls.client_ca.is_some() || !tls.clients.is_empty())?;
        Some(if tls.client_optional { Self::Optional } else { Self::Required })
    }
}

/// The `security` of the document, which applies to every operation without its own.
pub(super) fn of_all(certificate: Option<Certificate>) -> Value {
    match certificate {
        Some(Certificate::Required) => json!([{ CERTIFICATE: [] }]),
        Some(Certificate::Optional) => json!([{ CERTIFICATE: [] }, {}]),
        // An explicit empty list: otherwise a reader could not tell whether `security` was forgotten.
        None => json!([]),
    }
}

/// The `security` of an operation with these routes, if any of their rpcs requires an access token: one alternative per
/// rpc.
pub(super) fn of_operation(certificate: Option<Certificate>, entries: &[&Entry<'_>]) -> Option<Value> {
    let mut choices: Vec<Value> = Vec::new();
    let mut has_token = false;
    for entry in entries {
        let token = match &entry.route.rpc.policy.require {
            Require::Nothing => None,
            Require::Token(demand) => Some((TOKEN, json!(demand.scopes))),
        };
        has_token |= token.is_some();
        for choice in of_all(certificate).as_array().filter(|all| !all.is_empty()).cloned().unwrap_or(vec![json!({})]) {
            let own = choice.as_object().cloned().unwrap_or_default();
            let both: Map<String, Value> =
                own.into_iter().chain(token.clone().map(|(name, scopes)| (name.to_owned(), scopes))).collect();
            let choice = Value::Object(both);
            if !choices.contains(&choice) {
                choices.push(choice);
            }
        }
    }
    has_token.then_some(Value::Array(choices))
}

/// The `securitySchemes` that operations refer to, if there are any.
pub(super) fn schemes(certificate: Option<Certificate>, entries: &[Entry<'_>]) -> Option<Value> {
    let mut schemes = Map::new();
    if certificate.is_some() {
        let description = "A client certificate that the gateway trusts.";
        schemes.insert(CERTIFICATE.to_owned(), json!({ "type": "mutualTLS", "description": description }));
    }
    if entries.iter().any(|entry| entry.route.rpc.policy.require != Require::Nothing) {
        let description = "An access token (RFC 6750). An operation lists the scopes that it needs.";
        let scheme = json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": description });
        schemes.insert(TOKEN.to_owned(), scheme);
    }
    (!schemes.is_empty()).then_some(Value::Object(schemes))
}
