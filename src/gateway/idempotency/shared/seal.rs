//! Encrypts stored responses: AES-256-GCM with a random nonce.
//!
//! ```text
//! 8 bytes: which key | 12 bytes: nonce | ciphertext | 16 bytes: tag
//! ```
//! With one key and random nonces, some 2^32 responses are safe (NIST SP 800-38D, section 8.3). That is a year with
//! 130 per second; several keys allow to replace one.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::format::secret::Secret;

/// The length of a key in bytes.
const KEY: usize = 32;
/// The length of the name of a key in bytes.
const ID: usize = 8;

/// The keys that stored responses are encrypted with: the first encrypts, all decrypt. They cannot be printed.
pub struct SealingKeys(Vec<SealingKey>);

struct SealingKey {
    /// The first bytes of a digest of the key.
    id: [u8; ID],
    key: RandomizedNonceKey,
}

impl SealingKeys {
    /// What a key must be.
    pub const EXPECTED: &str =
        "expected a key of 32 bytes, in base64 or in 64 hexadecimal digits; `openssl rand -base64 32` makes one";

    /// Keys of 32 bytes, each in base64 or hexadecimal digits.
    ///
    /// # Errors
    /// The place of the first one that is no key.
    pub fn new(secrets: &[Secret]) -> Result<Self, usize> {
        let keys = secrets.iter().enumerate().map(|(place, secret)| SealingKey::new(secret).ok_or(place));
        keys.collect::<Result<Vec<_>, _>>().map(Self)
    }

    /// Encrypts, bound to `context`. `None` only if the crypto library fails.
    pub(super) fn seal(&self, context: &[u8], mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        let SealingKey { id, key } = self.0.first()?;
        let nonce = key.seal_in_place_append_tag(Aad::from(context), &mut bytes).ok()?;
        Some([&id[..], nonce.as_ref(), &bytes].concat())
    }

    /// Decrypts what was sealed with this context and one of the keys.
    pub(super) fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (id, rest) = sealed.split_first_chunk::<ID>()?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>()?;
        let SealingKey { key, .. } = self.0.iter().find(|key| key.id == *id)?;
        let mut bytes = rest.to_vec();
        let length =
            key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context), &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }
}

impl SealingKey {
    fn new(secret: &Secret) -> Option<Self> {
        let text = std::str::from_utf8(secret.bytes()).ok()?.trim();
        let key = if text.len() == 2 * KEY { from_hexadecimal(text) } else { STANDARD.decode(text).ok() };
        let key = key.filter(|key| key.len() == KEY)?;
        let mut id = [0; ID];
        id.copy_from_slice(&digest(&SHA256, &[b"towbar idempotency key id", &key[..]].concat()).as_ref()[..ID]);
        Some(Self { id, key: RandomizedNonceKey::new(&AES_256_GCM, &key).ok()? })
    }
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    digits?.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(texts: &[&str]) -> Result<SealingKeys, usize> {
        SealingKeys::new(&texts.iter().map(|text| Secret::new(text.as_bytes())).collect::<Vec<_>>())
    }

    const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

    #[test]
    fn a_key_is_32_bytes_in_base64_or_hexadecimal_digits() {
        for (text, is_key) in
            [(OLD, true), (NEW, true), ("", false), ("AAEC", false), (&NEW[2..], false), ("{}", false)]
        {
            assert_eq!(keys(&[NEW, text]).err(), (!is_key).then_some(1), "{text}");
        }
    }

    #[test]
    fn what_is_sealed_is_opened_with_the_same_context_only_and_by_replaced_keys_too() {
        let old = keys(&[OLD]).unwrap_or_else(|_| panic!());
        let both = keys(&[NEW, OLD]).unwrap_or_else(|_| panic!());
        let new = keys(&[NEW]).unwrap_or_else(|_| panic!());
        let sealed = old.seal(b"slot", b"answer".to_vec()).unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"answer"));
        assert_ne!(old.seal(b"slot", b"answer".to_vec()).unwrap(), sealed, "another nonce");
        for (keys, context, opens) in
            [(&old, &b"slot"[..], true), (&both, b"slot", true), (&new, b"slot", false), (&both, b"other slot", false)]
        {
            assert_eq!(keys.open(context, &sealed).is_some_and(|plain| plain == b"answer"), opens);
        }
        let by_new = both.seal(b"slot", Vec::new()).unwrap();
        assert_eq!((new.open(b"slot", &by_new), old.open(b"slot", &by_new)), (Some(Vec::new()), None));
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(old.open(b"slot", &changed), None, "{place}");
            assert_eq!(old.open(b"slot", &sealed[..place]), None, "{place}");
        }
    }
}
