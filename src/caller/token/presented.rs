//! A public key that a caller presents, and its thumbprint.

use super::algorithm::Algorithm;
use super::hash::sha256;
use super::json::{Json, Object};
use super::keys::Key;

/// The secret members of a JWK (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1).
const SECRET: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A public key, and its thumbprint.
pub(crate) struct PublicKey {
    key: Key,
    thumbprint: [u8; 32],
}

impl PublicKey {
    /// `None` unless it is a public key for signatures.
    pub(crate) fn of(jwk: &Object) -> Option<Self> {
        if jwk.names().any(|name| SECRET.contains(&name)) {
            return None;
        }
        let key = Key::of(jwk).ok()??;
        Some(Self { key, thumbprint: thumbprint(jwk)? })
    }

    /// RFC 7638, with SHA-256.
    pub(crate) fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// Whether it may verify signatures of this algorithm.
    pub(crate) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.key.is_for(algorithm)
    }

    /// Whether `signature`, in base64url, is a signature of this key over `message`.
    pub(crate) fn verifies(&self, signature: &str, message: &[u8], algorithm: Algorithm) -> bool {
        self.key.verifies(signature, message, algorithm)
    }
}

/// RFC 7638, section 3: the required members in the order of their names, as JSON without spaces. The key was parsed, so no value needs
/// an escape.
fn thumbprint(jwk: &Object) -> Option<[u8; 32]> {
    let text = |name: &str| jwk.member(name).and_then(Json::text);
    let members: &[&str] = match text("kty")? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        // RFC 8037, section 2.
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let members = members.iter().map(|name| Some(format!("\"{name}\":\"{}\"", text(name)?)));
    let members: Vec<String> = members.collect::<Option<_>>()?;
    Some(sha256(&[b"{", members.join(",").as_bytes(), b"}"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::token::base64url;

    /// RFC 7638, section 3.1, RFC 8037, appendix A.3, and RFC 9449, section 6.1.
    #[test]
    fn key_thumbprints_match_the_examples_of_the_rfcs() {
        for (jwk, thumbprint) in [
            (
                r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#,
                "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
            ),
            (
                r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
                "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            ),
            (
                r#"{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}"#,
                "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
            ),
        ] {
            let key = PublicKey::of(&Object::parse(jwk.as_bytes()).unwrap()).unwrap();
            assert_eq!(base64url(key.thumbprint()), thumbprint, "{jwk}");
        }
    }

    #[test]
    fn a_key_with_a_private_member_or_of_an_unsupported_type_is_refused() {
        let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        for name in SECRET {
            let jwk = key.replacen('{', &format!("{{\"{name}\":\"AA\","), 1);
            assert!(PublicKey::of(&Object::parse(jwk.as_bytes()).unwrap()).is_none(), "{jwk}");
        }
        for jwk in [r#"{"kty":"oct"}"#, "{}", r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#] {
            assert!(PublicKey::of(&Object::parse(jwk.as_bytes()).unwrap()).is_none(), "{jwk}");
        }
    }
}
