//! The `security` of the document: client certificates, and access tokens for rpcs that require one.

use serde_json::{Map, Value, json};

use super::operation::Entry;
use crate::route::policy::{Binding, Require};
use crate::server::{self, ClientAuth};

const CERTIFICATE: &str = "clientCertificate";
const TOKEN: &str = "accessToken";
/// An access token that is bound to a key of its holder.
const BOUND_TOKEN: &str = "accessTokenBoundToKey";

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
        listen.client_auth().map(|auth| match auth {
            ClientAuth::Required => Self::Required,
            ClientAuth::Optional => Self::Optional,
        })
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
        let tokens = of_tokens(&entry.route.rpc.policy.require);
        has_token |= !tokens.is_empty();
        let tokens = if tokens.is_empty() { vec![Map::new()] } else { tokens };
        for choice in of_all(certificate).as_array().filter(|all| !all.is_empty()).cloned().unwrap_or(vec![json!({})]) {
            let own = choice.as_object().cloned().unwrap_or_default();
            for token in &tokens {
                let both: Map<String, Value> = own.clone().into_iter().chain(token.clone()).collect();
                let choice = Value::Object(both);
                if !choices.contains(&choice) {
                    choices.push(choice);
                }
            }
        }
    }
    has_token.then_some(Value::Array(choices))
}

/// What an rpc demands besides what the listener asks for: one of these, or nothing if there are none.
fn of_tokens(require: &Require) -> Vec<Map<String, Value>> {
    let Require::Token(demand) = require else { return Vec::new() };
    let token = |name: &str| Map::from_iter([(name.to_owned(), json!(demand.scopes))]);
    let mut tokens = Vec::new();
    if require.is_bound_to(Binding::Certificate) {
        tokens.push(token(TOKEN).into_iter().chain([(CERTIFICATE.to_owned(), json!([]))]).collect());
    } else if !require.is_bound_to(Binding::Key) {
        tokens.push(token(TOKEN));
    }
    if require.is_bound_to(Binding::Key) {
        tokens.push(token(BOUND_TOKEN));
    }
    tokens
}

/// The `securitySchemes` that operations refer to, if there are any.
pub(super) fn schemes(certificate: Option<Certificate>, entries: &[Entry<'_>]) -> Option<Value> {
    let mut schemes = Map::new();
    let is_named = |name: &str| {
        let tokens = entries.iter().flat_map(|entry| of_tokens(&entry.route.rpc.policy.require));
        tokens.into_iter().any(|token| token.contains_key(name))
    };
    if certificate.is_some() || is_named(CERTIFICATE) {
        let description = "A client certificate that the gateway trusts.";
        schemes.insert(CERTIFICATE.to_owned(), json!({ "type": "mutualTLS", "description": description }));
    }
    if is_named(BOUND_TOKEN) {
        let description = "An access token that is bound to a key. Each request has a proof of the key in the header `DPoP` (RFC 9449).";
        let scheme = json!({ "type": "http", "scheme": "dpop", "bearerFormat": "JWT", "description": description });
        schemes.insert(BOUND_TOKEN.to_owned(), scheme);
    }
    if is_named(TOKEN) {
        let description = "An access token (RFC 6750). An operation lists the scopes that it needs.";
        let scheme = json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": description });
        schemes.insert(TOKEN.to_owned(), scheme);
    }
    (!schemes.is_empty()).then_some(Value::Object(schemes))
}
