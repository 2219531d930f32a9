//! Why a request of a proxy is not taken.

/// Why a request has no client certificate that counts. The text is for the log, and contains nothing that a caller
/// wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HopError {
    /// The connection is not one of the proxy.
    #[error("the connection is not one of the proxy that `listen.hop` trusts")]
    NotTrusted,
    /// The proxy passes on no certificate, and one is required.
    #[error("the proxy passed on no client certificate")]
    Missing,
    /// The header is there more than once.
    #[error("the header with the client certificate is repeated")]
    Several,
    /// The header does not contain a certificate.
    #[error("the header with the client certificate does not have the configured `format`")]
    Unreadable,
    /// The certificate is not accepted.
    #[error("the client certificate that the proxy passed on is not accepted: {0}")]
    NotAccepted(String),
}
