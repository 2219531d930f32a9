//! The signature algorithms that are accepted. HMAC and `none` are not among them, so no token can ask for them.

use std::str::FromStr;

/// An algorithm, by its names in RFC 7518, RFC 8037 and RFC 9864.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// Ed25519, named `EdDSA` or `Ed25519`.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256: accepted only if the configuration lists it.
    Rs256,
}

impl Algorithm {
    /// The algorithms of an issuer without a configured list: those of FAPI 2.0, section 5.4.
    pub const DEFAULT: [Self; 3] = [Self::Ps256, Self::Es256, Self::EdDsa];

    /// The algorithm that a token's `alg` names.
    #[must_use]
    pub fn of_header(name: &str) -> Option<Self> {
        match name {
            "PS256" => Some(Self::Ps256),
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            "RS256" => Some(Self::Rs256),
            _ => None,
        }
    }

    /// Its name in RFC 7518 and RFC 8037.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    pub(super) fn of_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Ps256 => jsonwebtoken::Algorithm::PS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
        }
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let expected = "`PS256`, `ES256`, `EdDSA` or `RS256`";
        Self::of_header(name).ok_or_else(|| format!("expected {expected}, got `{name}`"))
    }
}
