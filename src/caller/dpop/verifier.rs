//! The checks of RFC 9449, section 4.3, in the order of their cost.

use std::sync::Arc;

use http::request::Parts;

use super::nonce::{Nonce, Nonces};
use super::proof::{Proof, ProofMalformed};
use super::replay::{Memory, Noted, ProofHash, Replays, Use};
use super::url::PublicUrl;
use crate::caller::token::{Algorithm, base64url, sha256};

/// Default of [`Config::max_age`].
pub const MAX_AGE: u64 = 60;
/// Default of [`Config::max_proofs`].
pub const MAX_PROOFS: usize = 1_000_000;

/// The rules for proofs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The URLs that callers use for this API.
    pub urls: Vec<PublicUrl>,
    /// The accepted signature algorithms.
    pub algorithms: Vec<Algorithm>,
    /// How old a proof may be, in seconds.
    pub max_age: u64,
    /// How far the clocks of callers may be ahead, in seconds.
    pub leeway: u64,
    /// How many proofs are remembered at most.
    pub max_proofs: usize,
    /// Whether a proof must contain a nonce of this gateway.
    pub nonce: bool,
}

/// Verifies proofs.
pub(crate) struct Verifier {
    config: Config,
    /// Their names, for challenges (RFC 9449, section 7.1).
    algorithms: String,
    replays: Arc<Replays>,
    /// `None` if proofs need no nonce.
    nonces: Option<Arc<Nonces>>,
    /// Proofs made before this second are refused: an earlier configuration may have forgotten them.
    not_before: u64,
}

/// A request with a token that is bound to a key.
pub(crate) struct Presented<'a> {
    pub(crate) head: &'a Parts,
    /// The access token as text.
    pub(crate) token: &'a str,
    /// The thumbprint of the key that the token is bound to (RFC 7638, SHA-256).
    pub(crate) key: [u8; 32],
    /// In seconds since 1970.
    pub(crate) now: u64,
}

/// Why a proof is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// There is no `DPoP` header.
    #[error("there is no `DPoP` header")]
    Missing,
    /// There are several `DPoP` headers.
    #[error("there are several `DPoP` headers")]
    Several,
    /// The header is not a proof.
    #[error("{0}")]
    Malformed(ProofMalformed),
    /// The algorithm is not accepted.
    #[error("its `alg` is not among the `algorithms` of `callers.dpop`")]
    Algorithm,
    /// The token is bound to another key.
    #[error("its key is not the one that the access token is bound to")]
    OtherKey,
    /// The signature is wrong.
    #[error("its signature is not that of its key")]
    Signature,
    /// The proof is for another method.
    #[error("its `htm` is not the method of the request")]
    Method,
    /// The proof is for another URL.
    #[error("its `htu` is not the URL of the request, as `callers.dpop.url` and the path say")]
    Target,
    /// The proof is too old.
    #[error("its `iat` is older than `callers.dpop.max_age`")]
    TooOld,
    /// The proof is from the future.
    #[error("its `iat` is in the future")]
    InFuture,
    /// The proof is for another access token.
    #[error("its `ath` is not the hash of the access token")]
    OtherToken,
    /// The nonce is missing, expired, or from another gateway.
    #[error("its `nonce` is not one of the last ten minutes")]
    Nonce,
    /// The proof was used before.
    #[error("it was used before")]
    Replayed,
    /// The proof cannot be remembered, so a replay could not be detected.
    #[error("`callers.dpop.max_proofs` of proofs are remembered already")]
    Full,
}

impl Verifier {
    pub(crate) fn new(config: Config) -> Self {
        let names: Vec<&str> = config.algorithms.iter().map(|algorithm| algorithm.name()).collect();
        let nonces = config.nonce.then(|| Arc::new(Nonces::new()));
        Self { algorithms: names.join(" "), replays: Arc::default(), nonces, not_before: 0, config }
    }

    /// Takes over the proofs that `old` remembers; otherwise a reload would allow replays.
    pub(crate) fn go_on_from(&mut self, old: &Self, now: u64) {
        self.replays = old.replays.clone();
        if let (Some(nonces), Some(before)) = (&mut self.nonces, &old.nonces) {
            *nonces = before.clone();
        }
        self.not_before = old.not_before.max(now.saturating_sub(old.config.max_age));
    }

    /// The names of the algorithms with spaces between them.
    pub(crate) fn algorithms(&self) -> &str {
        &self.algorithms
    }

    /// The nonce that a proof made now must contain. `None` if proofs need none.
    pub(crate) fn nonce(&self, now: u64) -> Option<Nonce> {
        self.nonces.as_ref().map(|nonces| nonces.at(now))
    }

    /// Checks that a request has a proof of the key, made for this request and not used before.
    pub(crate) fn check(&self, presented: &Presented<'_>) -> Result<(), ProofError> {
        let Presented { head, token, key, now } = *presented;
        let mut values = head.headers.get_all("dpop").iter();
        let text = values.next().ok_or(ProofError::Missing)?;
        if values.next().is_some() {
            return Err(ProofError::Several);
        }
        let proof = text.to_str().unwrap_or_default();
        let Proof { token: jwt, key: own, claims } = Proof::parse(proof).map_err(ProofError::Malformed)?;
        if !self.config.algorithms.contains(&jwt.algorithm) {
            return Err(ProofError::Algorithm);
        }
        // Before the signature check, which costs the most.
        if *own.thumbprint() != key {
            return Err(ProofError::OtherKey);
        }
        if *claims.method != *head.method.as_str() {
            return Err(ProofError::Method);
        }
        if !self.config.urls.iter().any(|url| url.is_of(&claims.target, head.uri.path())) {
            return Err(ProofError::Target);
        }
        if claims.issued < now.saturating_sub(self.config.max_age).max(self.not_before) {
            return Err(ProofError::TooOld);
        }
        if claims.issued > now.saturating_add(self.config.leeway) {
            return Err(ProofError::InFuture);
        }
        if *claims.token_hash != base64url(&sha256(&[token.as_bytes()])) {
            return Err(ProofError::OtherToken);
        }
        if !own.verifies(jwt.signature, jwt.signed, jwt.algorithm) {
            return Err(ProofError::Signature);
        }
        if let Some(nonces) = &self.nonces
            && !claims.nonce.as_deref().is_some_and(|nonce| nonces.accepts(nonce, now))
        {
            return Err(ProofError::Nonce);
        }
        let hash = sha256(&[&key, claims.id.as_bytes()]);
        let mut id = ProofHash::default();
        id.copy_from_slice(&hash[..size_of::<ProofHash>()]);
        let memory = Memory { most: self.config.max_proofs, max_age: self.config.max_age };
        match self.replays.note(Use { proof: id, issued: claims.issued, now }, memory) {
            Noted::New => Ok(()),
            Noted::Replayed => Err(ProofError::Replayed),
            Noted::Full => Err(ProofError::Full),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    /// RFC 9449, section 7.1, figures 12 to 14, and section 6.1, figure 7.
    const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    const PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    const KEY: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    const ISSUED: u64 = 1_562_262_618;

    fn verifier(url: &str) -> Verifier {
        Verifier::new(Config {
            urls: vec![PublicUrl::parse(url).unwrap()],
            algorithms: Algorithm::DEFAULT.to_vec(),
            max_age: 60,
            leeway: 10,
            max_proofs: 100,
            nonce: false,
        })
    }

    fn head(proof: &str) -> Parts {
        let request = Request::get("/protectedresource?a=b").header("dpop", proof);
        request.body(()).unwrap().into_parts().0
    }

    fn thumbprint() -> [u8; 32] {
        Proof::parse(PROOF).ok().map(|proof| *proof.key.thumbprint()).unwrap()
    }

    #[test]
    fn the_rfc_9449_example_proof_is_accepted_once_and_only_within_its_lifetime() {
        assert_eq!(base64url(&thumbprint()), KEY);
        let head = head(PROOF);
        for (now, expected) in [
            (ISSUED, Ok(())),
            (ISSUED - 10, Ok(())),
            (ISSUED + 60, Ok(())),
            (ISSUED - 11, Err(ProofError::InFuture)),
            (ISSUED + 61, Err(ProofError::TooOld)),
            (0, Err(ProofError::InFuture)),
        ] {
            let verifier = verifier("https://resource.example.org");
            let presented = Presented { head: &head, token: TOKEN, key: thumbprint(), now };
            assert_eq!(verifier.check(&presented), expected, "{now}");
            if expected.is_ok() {
                assert_eq!(verifier.check(&presented), Err(ProofError::Replayed), "{now}");
            }
        }
    }

    #[test]
    fn the_rfc_9449_example_proof_is_refused_for_another_url_token_or_key_or_if_altered() {
        fn presented<'a>(head: &'a Parts, token: &'a str, key: [u8; 32]) -> Presented<'a> {
            Presented { head, token, key, now: ISSUED }
        }
        let (head, other) = (head(PROOF), verifier("https://resource.example.com"));
        let own = verifier("https://resource.example.org");
        for (verifier, presented, expected) in [
            (&other, presented(&head, TOKEN, thumbprint()), ProofError::Target),
            (&own, presented(&head, "another", thumbprint()), ProofError::OtherToken),
            (&own, presented(&head, TOKEN, [7; 32]), ProofError::OtherKey),
        ] {
            assert_eq!(verifier.check(&presented), Err(expected));
        }
        for place in 0..PROOF.len() {
            let mut bytes = PROOF.as_bytes().to_vec();
            bytes[place] ^= 1;
            let head = self::head(std::str::from_utf8(&bytes).unwrap());
            assert!(own.check(&presented(&head, TOKEN, thumbprint())).is_err(), "{place}");
        }
        assert_eq!(own.check(&presented(&head, TOKEN, thumbprint())), Ok(()));
    }

    #[test]
    fn a_reload_does_not_let_a_proof_be_replayed() {
        let head = head(PROOF);
        let presented = |now| Presented { head: &head, token: TOKEN, key: thumbprint(), now };
        let old = verifier("https://resource.example.org");
        assert_eq!(old.check(&presented(ISSUED)), Ok(()));
        let mut new = verifier("https://resource.example.org");
        new.config.max_age = 300;
        new.go_on_from(&old, ISSUED + 100);
        assert_eq!(new.check(&presented(ISSUED + 1)), Err(ProofError::TooOld));
        let mut soon = verifier("https://resource.example.org");
        soon.go_on_from(&old, ISSUED + 1);
        assert_eq!(soon.check(&presented(ISSUED + 2)), Err(ProofError::Replayed));
    }
}
