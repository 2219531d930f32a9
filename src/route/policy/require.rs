//! What an rpc demands of its callers.

use std::fmt;

use super::layer::whole;
use super::setting::{Keys as _, Setting};

/// What a caller must prove before an rpc is called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Require {
    /// Nothing beyond what TLS requires.
    #[default]
    Nothing,
    /// An access token that meets this demand.
    Token(TokenDemand),
}

/// What an access token must have, besides being valid.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenDemand {
    /// The names of the accepted issuers; if empty, every configured issuer is accepted.
    pub issuers: Vec<String>,
    /// The scopes that the token must have, all of them.
    pub scopes: Vec<String>,
    /// The claims that the token must have, all of them.
    pub claims: Vec<ClaimDemand>,
    /// The types of `authorization_details` that the token must have, all of them (RFC 9396).
    pub authorization_details: Vec<String>,
    /// What the token must be bound to: one of these. Empty if it need not be bound.
    pub bindings: Vec<Binding>,
}

/// A claim whose value, or one of whose values if it is a list, must be among `values`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimDemand {
    /// The name of the claim.
    pub name: String,
    /// The accepted values. Values that are not strings are written as in JSON.
    pub values: Vec<String>,
}

/// What a token may be bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// The client certificate of the connection (RFC 8705).
    Certificate,
    /// A key of which each request has a proof (RFC 9449).
    Key,
}

impl Binding {
    fn noun(self) -> &'static str {
        match self {
            Self::Certificate => "the client certificate",
            Self::Key => "a key (DPoP)",
        }
    }
}

whole!(Require);

impl Require {
    /// The accepted issuers; if empty, every configured issuer is accepted.
    pub fn issuers(&self) -> &[String] {
        if let Self::Token(demand) = self { &demand.issuers } else { &[] }
    }

    /// Whether a token that is bound to this is accepted because of its binding.
    #[must_use]
    pub fn is_bound_to(&self, binding: Binding) -> bool {
        matches!(self, Self::Token(demand) if demand.bindings.contains(&binding))
    }
}

/// Written as `towbar check` shows it.
impl fmt::Display for Require {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Token(demand) = self else { return f.write_str("nothing") };
        f.write_str("a token")?;
        let mut listed = |what: &str, list: &[String]| match list {
            [] => Ok(()),
            list => write!(f, ", {what} {}", list.join(" ")),
        };
        listed("issuer", &demand.issuers)?;
        listed("scopes", &demand.scopes)?;
        listed("authorization_details", &demand.authorization_details)?;
        for claim in &demand.claims {
            listed(&claim.name, &claim.values)?;
        }
        let bindings: Vec<&str> = demand.bindings.iter().map(|binding| binding.noun()).collect();
        if bindings.is_empty() { Ok(()) } else { write!(f, ", bound to {}", bindings.join(" or ")) }
    }
}

const KEYS: &[&str] = &["issuers", "scopes", "claims", "authorization_details", "bound_to"];

/// Reads `token`, `none`, or a map of what a token must have.
pub(super) fn require<S: Setting, A>(setting: &S, _: &A) -> Option<Require> {
    if !setting.is_map() {
        return setting.parsed("`token`, `none` or a map", |text| match text {
            "token" => Ok(Require::Token(TokenDemand::default())),
            "none" => Ok(Require::Nothing),
            _ => Err(format!("expected `token`, `none` or a map of what a token must have, got `{text}`")),
        });
    }
    let keys = setting.map(KEYS)?;
    let words = |key, read: fn(&str) -> Result<String, String>| {
        keys.read(key, |setting: &S| setting.list("a text", |item| item.parsed("a text", read)))
    };
    let claims = |claims: &S| {
        let named = claims.named();
        if named.is_empty() {
            claims.refuse("expected claims by their names, got none".to_owned());
        }
        let demand = |(name, values): (String, S)| {
            let values = values.list("a value", |item| item.parsed("a value", |text| Ok(text.to_owned())));
            ClaimDemand { name, values }
        };
        named.into_iter().map(demand).collect()
    };
    let binding = |text: &str| match text {
        "certificate" => Ok(Binding::Certificate),
        "dpop" => Ok(Binding::Key),
        _ => Err(format!("expected `certificate` or `dpop`, got `{text}`")),
    };
    Some(Require::Token(TokenDemand {
        issuers: words("issuers", any),
        scopes: words("scopes", scope),
        claims: keys.read("claims", claims),
        authorization_details: words("authorization_details", any),
        bindings: keys.read("bound_to", |setting: &S| {
            setting.list("`certificate` or `dpop`", |item| item.parsed("`certificate` or `dpop`", binding))
        }),
    }))
}

fn any(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// RFC 6749, section 3.3: `scope-token`.
fn scope(text: &str) -> Result<String, String> {
    let is_part = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if text.bytes().all(is_part) {
        return Ok(text.to_owned());
    }
    Err(format!("expected a scope without spaces, quotes and backslashes, got `{text}`; several scopes are a list"))
}
