//! Nonces that a DPoP proof must contain, if that is configured (RFC 9449, section 8).
//!
//! A nonce is a MAC of the time, rounded down to a span, under a key that only this process has. So nonces need no memory, and they expire.

use std::fmt;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use aws_lc_rs::rand::SystemRandom;

use crate::caller::token::base64url;

/// For how many seconds the same nonce is given. It is accepted in the next span too.
const SPAN: u64 = 300;

/// A nonce, as text in base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; 16]);

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url(&self.0))
    }
}

/// The source of nonces.
pub(super) struct Nonces(Key);

impl Nonces {
    /// A source with a random key.
    pub(super) fn new() -> Self {
        Self(Key::generate(HMAC_SHA256, &SystemRandom::new()).expect("the random generator of aws-lc does not fail"))
    }

    /// The nonce of this second, in seconds since 1970.
    pub(super) fn at(&self, now: u64) -> Nonce {
        self.of_span(now / SPAN)
    }

    /// Whether this nonce is the current one, or the one before.
    pub(super) fn accepts(&self, nonce: &str, now: u64) -> bool {
        let span = now / SPAN;
        [span, span.saturating_sub(1)].into_iter().any(|span| self.of_span(span).to_string() == nonce)
    }

    fn of_span(&self, span: u64) -> Nonce {
        let mac = sign(&self.0, &span.to_be_bytes());
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&mac.as_ref()[..16]);
        Nonce(nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_valid_for_five_to_ten_minutes_and_only_at_the_gateway_that_issued_it() {
        let (nonces, other) = (Nonces::new(), Nonces::new());
        let nonce = nonces.at(3_000).to_string();
        assert_eq!(nonce.len(), 22);
        for (now, is_accepted) in [(2_999, false), (3_000, true), (3_299, true), (3_599, true), (3_600, false)] {
            assert_eq!(nonces.accepts(&nonce, now), is_accepted, "{now}");
        }
        assert!(!other.accepts(&nonce, 3_000) && !nonces.accepts("", 3_000) && !nonces.accepts(&nonce[1..], 3_000));
    }
}
