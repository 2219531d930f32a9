//! Parses the public keys of an issuer from a JWK Set (RFC 7517), and verifies signatures with them.
//!
//! Keys of other kinds and for other purposes are ignored, as RFC 7517, section 5, demands. A set is rejected as a
//! whole if it has a private or shared key, or two keys that a token could mean by the same `kid`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::verify;

use super::algorithm::Algorithm;
use super::json::{Json, Object};

/// The largest set, in bytes.
pub const LARGEST_SET: usize = 1 << 20;
/// The most keys in a set.
const MOST_KEYS: usize = 100;

/// The lengths of RSA keys in bits: the shortest (FAPI 2.0, section 5.4) and the longest that is accepted.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The keys of one issuer.
#[derive(Clone, Default)]
pub struct KeySet(Vec<Key>);

/// A public key of a set.
#[derive(Clone)]
pub(super) struct Key {
    id: Option<Box<str>>,
    kind: Kind,
    /// The only algorithm that the key is for, if it names one.
    only: Option<Algorithm>,
    key: DecodingKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    Ed25519,
}

/// Why a text is not a key set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// The text is not an object in strict JSON.
    #[error("expected a JWK Set in JSON: {0}")]
    Json(String),
    /// The text is longer than [`LARGEST_SET`].
    #[error("expected a JWK Set of at most {LARGEST_SET} bytes, got more")]
    TooLarge,
    /// The set has no list `keys`.
    #[error("expected a JWK Set with a list `keys`, got none")]
    NoKeys,
    /// The set has too many keys.
    #[error("expected at most {MOST_KEYS} keys, got {0}")]
    TooMany(usize),
    /// One of the keys is not valid.
    #[error("keys[{place}]: {problem}")]
    Key {
        /// The index of the key, from 0.
        place: usize,
        /// What is wrong with the key.
        problem: KeyError,
    },
    /// No usable key is left.
    #[error("none of the keys verifies signatures of PS256, ES256, EdDSA or RS256")]
    NoneUsable,
}

/// Why a key is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key is not an object with a `kty`.
    #[error("expected a JWK with a `kty`")]
    NoJwk,
    /// The key contains a secret.
    #[error("it has a private or shared part (`{0}`): publish public keys only, and replace this one")]
    Secret(&'static str),
    /// A parameter is missing or malformed.
    #[error("expected `{0}` in base64url without padding, of the length that the key has")]
    Parameter(&'static str),
    /// The RSA key is shorter or longer than accepted.
    #[error("expected an RSA key of 2048 to 8192 bits, got one of {0}")]
    RsaSize(usize),
    /// The `kid` is not a text.
    #[error("`kid` is not a text")]
    Identifier,
    /// Another key for the same algorithm has the same `kid`.
    #[error("its `kid` is that of another key for the same algorithm")]
    Ambiguous,
}

impl KeySet {
    /// Parses a set, and keeps the keys that can verify signatures.
    ///
    /// # Errors
    /// The text is not a JWK Set, or one of its keys is not allowed in it.
    pub fn parse(text: &[u8]) -> Result<Self, KeySetError> {
        if text.len() > LARGEST_SET {
            return Err(KeySetError::TooLarge);
        }
        let set = Object::parse(text).map_err(|error| KeySetError::Json(error.to_string()))?;
        let list = set.member("keys").and_then(Json::array).ok_or(KeySetError::NoKeys)?;
        if list.len() > MOST_KEYS {
            return Err(KeySetError::TooMany(list.len()));
        }
        let mut keys: Vec<Key> = Vec::new();
        for (place, jwk) in list.iter().enumerate() {
            let wrong = |problem| KeySetError::Key { place, problem };
            let jwk = jwk.object().ok_or(wrong(KeyError::NoJwk))?;
            let Some(key) = Key::of(jwk).map_err(wrong)? else { continue };
            if keys.iter().any(|other| other.kind == key.kind && other.id == key.id && other.overlaps(&key)) {
                return Err(wrong(KeyError::Ambiguous));
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(KeySetError::NoneUsable) } else { Ok(Self(keys)) }
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the set has no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key for a token that is signed with `algorithm` and names this `kid`. Without a `kid`, the set must have
    /// exactly one such key.
    pub(super) fn key(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let mut fit = self.0.iter().filter(|key| key.is_for(algorithm) && (id.is_none() || key.id.as_deref() == id));
        let key = fit.next()?;
        fit.next().is_none().then_some(key)
    }
}

impl Key {
    /// Parses a key; `None` for a key of another kind or for another purpose.
    pub(super) fn of(jwk: &Object) -> Result<Option<Self>, KeyError> {
        let text = |name: &str| jwk.member(name).and_then(Json::text);
        let kind = match (text("kty").ok_or(KeyError::NoJwk)?, text("crv")) {
            ("oct", _) => return Err(KeyError::Secret("k")),
            ("RSA", _) => Kind::Rsa,
            ("EC", Some("P-256")) => Kind::P256,
            ("OKP", Some("Ed25519")) => Kind::Ed25519,
            _ if jwk.member("d").is_some() => return Err(KeyError::Secret("d")),
            _ => return Ok(None),
        };
        if jwk.member("d").is_some() {
            return Err(KeyError::Secret("d"));
        }
        // RFC 7517, sections 4.2 to 4.4: these members restrict what the key is for.
        let is_other_use = jwk.member("use").is_some_and(|value| value.text() != Some("sig"));
        let is_other_operation =
            jwk.member("key_ops").is_some_and(|value| !value.texts().is_some_and(|list| list.contains(&"verify")));
        let only = jwk.member("alg").map(|value| value.text().and_then(Algorithm::of_header));
        if is_other_use || is_other_operation || only == Some(None) {
            return Ok(None);
        }
        let id = match jwk.member("kid") {
            None => None,
            Some(id) => Some(id.text().ok_or(KeyError::Identifier)?.into()),
        };
        let key = match kind {
            Kind::Rsa => rsa(jwk)?,
            Kind::P256 => {
                // RFC 7518, section 6.2.1.2: a coordinate has its full size, including leading zeros.
                sized(jwk, "x")?;
                sized(jwk, "y")?;
                let (x, y) = (text("x").unwrap_or_default(), text("y").unwrap_or_default());
                DecodingKey::from_ec_components(x, y).map_err(|_| KeyError::Parameter("x"))?
            }
            Kind::Ed25519 => DecodingKey::from_ed_der(&sized(jwk, "x")?),
        };
        Ok(Some(Self { id, kind, only: only.flatten(), key }))
    }

    /// Whether it may verify signatures of this algorithm.
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        let fits = match algorithm {
            Algorithm::Ps256 | Algorithm::Rs256 => self.kind == Kind::Rsa,
            Algorithm::Es256 => self.kind == Kind::P256,
            Algorithm::EdDsa => self.kind == Kind::Ed25519,
        };
        fits && self.only.is_none_or(|only| only == algorithm)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.only.is_none() || other.only.is_none() || self.only == other.only
    }

    /// Whether `signature`, in base64url, is a signature of `message` by this key. The key must be for `algorithm`.
    pub(super) fn verifies(&self, signature: &str, message: &[u8], algorithm: Algorithm) -> bool {
        verify(signature, message, &self.key, algorithm.of_library()).unwrap_or(false)
    }
}

fn decoded(jwk: &Object, name: &'static str) -> Result<Vec<u8>, KeyError> {
    let text = jwk.member(name).and_then(Json::text).ok_or(KeyError::Parameter(name))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyError::Parameter(name))
}

/// Decodes a member of 32 bytes, the length of the coordinates of P-256 and Ed25519.
fn sized(jwk: &Object, name: &'static str) -> Result<Vec<u8>, KeyError> {
    decoded(jwk, name).and_then(|bytes| if bytes.len() == 32 { Ok(bytes) } else { Err(KeyError::Parameter(name)) })
}

fn rsa(jwk: &Object) -> Result<DecodingKey, KeyError> {
    let (n, e) = (decoded(jwk, "n")?, decoded(jwk, "e")?);
    // RFC 7518, section 6.3.1: no leading zeros.
    let Some(first) = n.first().filter(|first| **first > 0) else { return Err(KeyError::Parameter("n")) };
    let bits = n.len() * 8 - first.leading_zeros() as usize;
    if !RSA_BITS.contains(&bits) {
        return Err(KeyError::RsaSize(bits));
    }
    let is_odd = |bytes: &[u8]| bytes.last().is_some_and(|last| last % 2 == 1);
    // At least 3. The library rejects exponents of more than 33 bits.
    if !is_odd(&e) || e == [1] || e.len() > 5 || e.first() == Some(&0) {
        return Err(KeyError::Parameter("e"));
    }
    if !is_odd(&n) {
        return Err(KeyError::Parameter("n"));
    }
    Ok(DecodingKey::from_rsa_raw_components(&n, &e))
}
