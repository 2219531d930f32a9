//! DPoP (RFC 9449): checks that a caller holds the private key that its access token is bound to.
//!
//! ```text
//! header `DPoP` -> Proof (proof) -> key of the token -> signature -> method, URL (url), time, token -> not seen before (replay)
//! ```
//! The checks of section 4.3. The key of a proof comes from the proof itself. The access token, which its issuer has signed, says which
//! key that must be.

mod nonce;
mod proof;
mod replay;
mod url;
mod verifier;

pub use nonce::Nonce;
pub use proof::{Proof, ProofMalformed};
pub use url::{PublicUrl, TargetUrl};
pub use verifier::{Config, MAX_AGE, MAX_PROOFS, ProofError};
pub(super) use verifier::{Presented, Verifier};
