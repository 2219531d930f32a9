//! Access tokens that are JWTs: a text in, a [`Token`] that one of the configured issuers has signed out, or why it is refused.
//!
//! ```text
//! text -> Unverified (compact) -> issuer and key -> signature -> claims (claims) -> Token, kept while it is valid (seen)
//! ```
//! RFC 7519, RFC 8725 and RFC 9068. The algorithm is that of the key, which comes from the configuration and never from the token.

mod algorithm;
mod claims;
mod compact;
mod issuer;
mod json;
mod keys;
mod seen;
#[cfg(test)]
mod tests;
mod verified;

pub use algorithm::Algorithm;
pub use claims::{Binding, ClaimError, ClaimRules, FactName, Window};
pub use compact::{LONGEST, Malformed, Part, Unverified};
pub use issuer::{Issuer, IssuerConfig, TokenTypes};
pub use json::{Json, Object};
pub use keys::{KeyError, KeySet, KeySetError, LARGEST_SET};
pub use verified::{Refused, Token, Tokens};
