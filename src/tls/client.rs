//! TLS as a client: which servers are trusted, and which certificate the client presents.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::identity::{Identity, identity_problem};
use super::pin::Pin;
use super::presented::Presented;
use super::provider::{VERSIONS, provider};
use super::reason::{explain, other};
use super::signatures::{Signatures, verify_signatures};
use super::trust::Trust;
use crate::format::problem::Problem;

/// Which servers a client trusts.
#[derive(Debug, Clone)]
pub enum Servers {
    /// Servers with a certificate for the called name that one of these authorities has issued.
    Trusted(Trust),
    /// Servers whose certificate matches one of these pins, whatever its issuer and names.
    Pinned(Vec<Pin>),
}

/// The configuration of a client that trusts `servers` and presents `identity`, if there is one.
///
/// # Errors
/// Certificate and key do not belong together, or there is nothing to trust.
pub fn client(identity: Option<Identity>, servers: &Servers, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, Problem> {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS);
    let builder = builder.map_err(Problem::new)?.dangerous().with_custom_certificate_verifier(verifier(servers)?);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { chain, key, name }) => {
            builder.with_client_auth_cert(chain, key).map_err(|error| identity_problem(&name, &error))?
        }
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

pub(super) fn verifier(servers: &Servers) -> Result<Arc<dyn ServerCertVerifier>, Problem> {
    let certificate = match servers {
        Servers::Trusted(Trust(roots)) => {
            let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots.clone()), provider());
            CertificateCheck::Standard(builder.build().map_err(Problem::new)?)
        }
        Servers::Pinned(pins) => CertificateCheck::Pinned(pins.clone()),
    };
    Ok(Arc::new(ServerVerifier { certificate, signatures: Signatures::new() }))
}

/// Verifies a server. Its certificate is verified in one of two ways, the signature of the handshake always in the same
/// way.
#[derive(Debug)]
struct ServerVerifier {
    certificate: CertificateCheck,
    signatures: Signatures,
}

/// How the certificate of a server is verified.
#[derive(Debug)]
enum CertificateCheck {
    /// It must match one of the pins and be valid now.
    Pinned(Vec<Pin>),
    /// Verified by the usual rules. If it is rejected, the error says what is unusual about the certificate and how to
    /// pin it.
    Standard(Arc<WebPkiServerVerifier>),
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let presented = Presented::within_bounds(certificate, intermediates)?;
        presented.refuse_published()?;
        match &self.certificate {
            CertificateCheck::Pinned(pins) => verify_pinned(pins, &presented, certificate, now),
            CertificateCheck::Standard(standard) => standard
                .verify_server_cert(certificate, intermediates, name, ocsp, now)
                .map_err(|error| with_advice(error, &presented, certificate)),
        }
    }

    verify_signatures!();
}

fn verify_pinned(
    pins: &[Pin],
    presented: &Presented<'_>,
    certificate: &[u8],
    now: UnixTime,
) -> Result<ServerCertVerified, rustls::Error> {
    if !presented.fits_one(pins) {
        let found = Pin::certificate(certificate);
        return Err(other(format!("the server's certificate matches none of the pins; it is {found}")));
    }
    presented.verify_dates(now).map(|()| ServerCertVerified::assertion())
}

fn with_advice(error: rustls::Error, presented: &Presented<'_>, certificate: &[u8]) -> rustls::Error {
    match presented.peculiarities() {
        Some(found) => {
            let (error, pin) = (explain(&error), Pin::certificate(certificate));
            other(format!(
                "{error}; the certificate {found}: if this is the backend's own certificate, set upstream.tls.pins: [{pin}]"
            ))
        }
        None => error,
    }
}
