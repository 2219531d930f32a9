//! Reads files, and reports what they hold and what is wrong with it.

use std::path::Path;
use std::time::SystemTime;

use super::chain::Chain;
use super::facts::Certificate;
use super::read::read;
use super::report::{Inspection, Report};
use super::rules;
use super::shown::Shown;

/// Checks the files as they are now; `now` decides which certificates are valid.
#[must_use]
pub fn check(inspection: &Inspection, now: SystemTime) -> Report {
    let mut report = Report::default();
    let material = read(&inspection.files, &mut report.findings);
    report.facts = material.certificates.iter().map(Certificate::described).collect();
    report.facts.extend(material.keys.iter().map(|key| key.described(&material.certificates)));
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    rules::check(inspection, &material, i64::try_from(seconds).unwrap_or(i64::MAX), &mut report.findings);
    report
}

/// The certificate in `cert` that belongs to the key in `key`; `None` if `cert` has no certificate.
#[must_use]
pub fn first_of(cert: &Path, key: &Path) -> Option<Shown> {
    let material = read(&[cert.to_owned(), key.to_owned()], &mut Vec::new());
    let is_own = |one: &Certificate| material.keys.iter().any(|key| key.is_of(one));
    Chain::of(&material.certificates, is_own).and_then(|chain| Shown::read(&chain.own().der))
}
