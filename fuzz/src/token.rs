//! Tokens that callers send, and key sets that issuers publish.

use towbar::caller::dpop::{Proof, TargetUrl};
use towbar::caller::token::{KeySet, Unverified};

/// A token that can be parsed is exactly the text it was parsed from: nothing of the text is left over, and no part has
/// another spelling.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(token) = Unverified::parse(text) else { return };
    let signed = std::str::from_utf8(token.signed).expect("a part of the text");
    assert_eq!(format!("{signed}.{}", token.signature), text);
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{text}");
    let names: Vec<&str> = token.claims.names().collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), names.len(), "two claims of one name");
    for name in names {
        let value = token.claims.member(name).expect("a name of its own");
        assert!(value.to_plain_text().len() <= 6 * text.len(), "a claim grew");
    }
}

/// A proof is a token that has a key and what it is for, and its URL is the same after another round.
pub fn proof(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(proof) = Proof::parse(text) {
        assert!(Unverified::parse(text).is_ok(), "{text}");
        let target = proof.target().to_string();
        assert_eq!(TargetUrl::parse(&target).map(|url| url.to_string()), Some(target));
    }
    if let Some(url) = TargetUrl::parse(text) {
        let normal = url.to_string();
        assert_eq!(TargetUrl::parse(&normal).as_ref(), Some(&url), "{normal}");
        // RFC 3986, section 3.3: a path may have `@`; before it, that would be a user.
        let authority = normal.strip_prefix("https://").and_then(|rest| rest.split('/').next());
        assert!(authority.is_some_and(|authority| !authority.contains('@')), "{normal}");
        assert!(!normal.contains(['?', '#']), "{normal}");
    }
}

/// An empty key set is always rejected.
pub fn key_set(data: &[u8]) {
    if let Ok(keys) = KeySet::parse(data) {
        assert!(!keys.is_empty() && keys.len() <= 100);
    }
}
