//! Puts certificates into the order in which they are presented.
//!
//! RFC 8446, section 4.4.2: the sender's own certificate comes first, and each following one should certify the one
//! before it. Files may have any order: some authorities send the chain from the root on, and some tools put the root
//! first.

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Puts the certificate of `key` first, then its issuer, and so on; certificates outside the chain come last. The order
/// stays unchanged if no certificate belongs to the key, or if one cannot be parsed.
pub(super) fn in_order(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'_>,
    provider: &CryptoProvider,
) -> Vec<CertificateDer<'static>> {
    order(&chain, key, provider).map_or(chain.clone(), |order| order.into_iter().map(|at| chain[at].clone()).collect())
}

fn order(chain: &[CertificateDer<'_>], key: &PrivateKeyDer<'_>, provider: &CryptoProvider) -> Option<Vec<usize>> {
    let key = provider.key_provider.load_private_key(key.clone_key()).ok()?;
    let key = key.public_key()?;
    let parsed: Result<Vec<_>, _> = chain.iter().map(|der| X509Certificate::from_der(der)).collect();
    let parsed: Vec<X509Certificate<'_>> = parsed.ok()?.into_iter().map(|(_, parsed)| parsed).collect();
    let mut order = vec![parsed.iter().position(|one| one.public_key().raw == key.as_ref())?];
    while let Some(last) = order.last() {
        let issuer = parsed[*last].issuer().as_raw();
        let next = (0..parsed.len()).find(|at| !order.contains(at) && parsed[*at].subject().as_raw() == issuer);
        let Some(next) = next else { break };
        order.push(next);
    }
    let others: Vec<usize> = (0..parsed.len()).filter(|at| !order.contains(at)).collect();
    Some([order, others].concat())
}
