//! Puts certificates into the order of their chain: each one before its issuer.

use super::facts::Certificate;

/// The certificate chain of one end, in the order in which it is presented: its own certificate, then the issuer's, and
/// so on.
pub(super) struct Chain<'a> {
    /// The certificates of the chain; the end's own comes first.
    pub(super) links: Vec<&'a Certificate>,
    /// Certificates of the file that are not part of the chain.
    pub(super) others: Vec<&'a Certificate>,
    /// Whether the file already has the certificates in this order.
    pub(super) is_ordered: bool,
}

impl<'a> Chain<'a> {
    /// Builds the chain from the certificate that `is_own` accepts, or else from one that has issued no other.
    pub(super) fn of(all: &'a [Certificate], is_own: impl Fn(&Certificate) -> bool) -> Option<Self> {
        let issues_none = |one: &&Certificate| !all.iter().any(|other| other.der != one.der && other.is_issued_by(one));
        let own =
            all.iter().find(|one| is_own(one)).or_else(|| all.iter().find(issues_none)).or_else(|| all.first())?;
        let mut links = vec![own];
        while let Some(next) = next(all, &links) {
            links.push(next);
        }
        let is_link = |one: &&Certificate| links.iter().any(|link| link.der == one.der);
        let others: Vec<_> = all.iter().filter(|one| !is_link(one)).collect();
        let is_ordered = links.iter().zip(all).all(|(link, shown)| link.der == shown.der);
        Some(Self { links, others, is_ordered })
    }

    /// The end's own certificate.
    pub(super) fn own(&self) -> &'a Certificate {
        self.links[0]
    }

    /// The last certificate, unless it is self-signed: then the peer must already have its issuer.
    pub(super) fn open_end(&self) -> Option<&'a Certificate> {
        self.links.last().copied().filter(|last| !last.is_self_signed())
    }
}

fn next<'a>(all: &'a [Certificate], links: &[&Certificate]) -> Option<&'a Certificate> {
    let last = links.last()?;
    let is_new = |one: &&Certificate| links.iter().all(|link| link.der != one.der);
    all.iter().filter(is_new).find(|one| last.is_issued_by(one))
}
