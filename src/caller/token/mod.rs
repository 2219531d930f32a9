//! Verifies access tokens that are JWTs: takes a text, and gives a [`Token`] that a configured issuer has signed, or
//! the reason for rejecting it.
//!
//! ```text
//! text -> Unverified (compact) -> issuer and key -> signature -> claims (claims) -> Token, kept while valid (seen)
//! ```
//! Specifications: RFC 7519, RFC 8725 and RFC 9068. The algorithm is that of the key, and keys come from the
//! configuration, never from the token.

mod algorithm;
mod claims;
mod compact;
mod hash;
mod issuer;
mod json;
mod keys;
mod presented;
mod seen;
#[cfg(test)]
mod tests;
mod verified;

pub use algorithm::Algorithm;
pub use claims::{Binding, ClaimError, ClaimRules, FactName, Window};
pub(super) use compact::seconds;
pub use compact::{LONGEST, Malformed, Part, Unverified};
pub(super) use hash::{base64url, sha256};
pub use issuer::{Issuer, IssuerConfig, TokenTypes};
pub use json::{Json, Object};
pub use keys::{KeyError, KeySet, KeySetError, LARGEST_SET};
pub(super) use presented::PublicKey;
pub(super) use seen::{Seen, TokenHash};
pub use verified::{Refused, Token, Tokens};
