//! Explains in words why a peer is rejected.

use std::sync::Arc;

use rustls::{CertificateError, OtherError};

/// The reason in words. rustls prints reasons that it does not define itself as nested values.
#[must_use]
pub fn explain(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(reason))) => reason.to_string(),
        error => error.to_string(),
    }
}

/// An error with a reason that rustls does not define.
pub(super) fn other(text: String) -> rustls::Error {
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Reason(String);
    CertificateError::Other(OtherError(Arc::new(Reason(text)))).into()
}
