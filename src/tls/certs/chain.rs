//! Which certificate leads to which.

use super::facts::Certificate;

/// The certificates of an end, in the order in which they are shown: its own, then who issued it, and so on.
pub(super) struct Chain<'a> {
    /// The end's own first.
    pub(super) links: Vec<&'a Certificate>,
    /// What leads nowhere.
    pub(super) others: Vec<&'a Certificate>,
    /// Whether the file has them in this order.
    pub(super) is_ordered: bool,
}

impl<'a> Chain<'a> {
    /// The way from the certificate of the key, or else from the one that has issued no other.
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

    /// The end's own.
    pub(super) fn own(&self) -> &'a Certificate {
        self.links[0]
    }

    /// The last, if it is not signed by itself: somebody else must have its issuer.
    pub(super) fn open_end(&self) -> Option<&'a Certificate> {
        self.links.last().copied().filter(|last| !last.is_self_signed())
    }
}

fn next<'a>(all: &'a [Certificate], links: &[&Certificate]) -> Option<&'a Certificate> {
    let last = links.last()?;
    let is_new = |one: &&Certificate| links.iter().all(|link| link.der != one.der);
    all.iter().filter(is_new).find(|one| last.is_issued_by(one))
}
