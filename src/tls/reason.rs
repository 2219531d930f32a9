//! Why a peer is refused, in words.

use std::sync::Arc;

use rustls::{CertificateError, OtherError};

/// What is wrong, in words: rustls shows reasons that are not its own as nested values.
#[must_use]
pub fn explain(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(reason))) => reason.to_string(),
        error => error.to_string(),
    }
}

/// A reason of ours.
pub(super) fn other(text: String) -> rustls::Error {
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Reason(String);
    CertificateError::Other(OtherError(Arc::new(Reason(text)))).into()
}
