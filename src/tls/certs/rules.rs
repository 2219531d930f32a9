//! The rules for certificates, one function each. Findings say what was expected and what was found.

use super::chain::Chain;
use super::facts::{Certificate, Hash, Key, Usages, hex};
use super::read::{KeyForm, Material};
use super::report::{Finding, Inspection, Level, Profile, Usage};
use crate::format::secret::Permissions;
use crate::tls::pin::PUBLISHED_KEY;

const DAY: i64 = 24 * 60 * 60;
/// Two years, one of them a leap year, in seconds.
const LONGEST_OF_THALES: i64 = 731 * DAY;

/// Whether this is the digest of the key that is published with Token's sample bank, so that anybody has it.
#[must_use]
pub fn sample_key_is(key_digest: &[u8; 32]) -> bool {
    *key_digest == PUBLISHED_KEY
}

/// Collects findings.
struct Checking<'a> {
    inspection: &'a Inspection,
    now: i64,
    findings: &'a mut Vec<Finding>,
}

pub(super) fn check(inspection: &Inspection, material: &Material, now: i64, findings: &mut Vec<Finding>) {
    let mut checking = Checking { inspection, now, findings };
    if inspection.usage == Some(Usage::Trust) {
        checking.bundle(material);
    } else {
        checking.own(material);
    }
    for certificate in &material.certificates {
        if sample_key_is(&certificate.key_digest()) {
            let message = "its private key is published with the sample bank, so anyone can use it; create another one";
            checking.error(&certificate.place, message);
        }
    }
}

impl Checking<'_> {
    fn error(&mut self, place: &str, message: impl Into<String>) {
        self.find(Level::Error, place, message);
    }

    fn warn(&mut self, place: &str, message: impl Into<String>) {
        self.find(Level::Warning, place, message);
    }

    fn note(&mut self, place: &str, message: impl Into<String>) {
        self.find(Level::Note, place, message);
    }

    fn find(&mut self, level: Level, place: &str, message: impl Into<String>) {
        let finding = Finding { level, place: place.to_owned(), message: message.into() };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Checks the certificates that an end presents, and its key.
    fn own(&mut self, material: &Material) {
        self.keys(material);
        let is_own = |certificate: &Certificate| material.keys.iter().any(|key| key.is_of(certificate));
        let Some(chain) = Chain::of(&material.certificates, is_own) else { return };
        self.chain(&chain);
        for link in &chain.links {
            self.dates(link, Level::Error);
            self.strength(link, Level::Error);
        }
        self.usage(chain.own());
        match self.inspection.profile {
            Some(Profile::Thales) if self.inspection.usage != Some(Usage::Server) => self.thales(chain.own()),
            Some(Profile::Token) => self.token(material),
            _ => {}
        }
        self.name(chain.own());
    }

    fn keys(&mut self, material: &Material) {
        for key in &material.keys {
            if let Some(exposed) = &key.exposed {
                let level = match self.inspection.permissions {
                    Permissions::Strict => Level::Error,
                    Permissions::Any => Level::Warning,
                };
                self.find(level, &key.place, exposed.to_string());
            }
            let is_known = key.key_info.is_some();
            if is_known && !material.certificates.is_empty() && !material.certificates.iter().any(|one| key.is_of(one))
            {
                self.error(&key.place, "the private key does not match any of these certificates");
            }
        }
    }

    fn chain(&mut self, chain: &Chain<'_>) {
        let of_one_file = |one: &&Certificate| one.file() == chain.own().file();
        let is_one_file = chain.links.iter().chain(&chain.others).all(of_one_file);
        if is_one_file && !chain.is_ordered {
            let order: Vec<&str> = chain.links.iter().map(|link| link.subject.as_str()).collect();
            let message =
                format!("expected each certificate before its issuer's; change the order to {}", order.join(" | "));
            self.warn(chain.own().file(), message);
        }
        for other in &chain.others {
            let signer = chain.links.iter().any(|link| link.names_as_issuer(other));
            let why = if signer { "has its issuer's name, and another key" } else { "is not part of it" };
            let message = format!("expected the chain of {}, found a certificate that {why}", chain.own().place);
            self.warn(&other.place, message);
        }
        if let Some(last) = chain.open_end().filter(|_| chain.links.len() == 1) {
            let message = format!(
                "its issuer is not there ({}): if that is an intermediate authority, put its certificate behind this one, \
                 or peers find no way to a root",
                last.issuer
            );
            self.note(&last.place, message);
        }
    }

    /// Checks the dates. `ended` is the level to report if the certificate is not valid now.
    fn dates(&mut self, certificate: &Certificate, ended: Level) {
        let (place, last) = (&certificate.place, &certificate.last_day);
        if self.now < certificate.not_before {
            return self.find(ended, place, format!("is not valid before {}", certificate.first_day));
        }
        if self.now > certificate.not_after {
            return self.find(ended, place, format!("expired on {last}"));
        }
        let left = (certificate.not_after - self.now) / DAY;
        let advice = match left {
            ..=7 => "renew it now",
            8..=30 => "renew it",
            31..=60 => "plan its renewal",
            _ => return,
        };
        let days = if left == 1 { "day" } else { "days" };
        self.warn(place, format!("expires in {left} {days}, on {last}: {advice}"));
    }

    fn strength(&mut self, certificate: &Certificate, weak: Level) {
        if let Key::Rsa(bits @ ..2048) = certificate.key {
            self.find(weak, &certificate.place, format!("expected an RSA key of 2048 bits or more, found {bits}"));
        }
        // Findings about the signature are warnings, because nobody verifies the signature of a root.
        let is_old = certificate.hash == Hash::Sha1 || matches!(&certificate.hash, Hash::Other(name) if name == "MD5");
        if is_old {
            let message = format!(
                "is signed with {}, which is rejected unless the certificate itself is trusted",
                certificate.hash
            );
            self.warn(&certificate.place, message);
        }
    }

    fn usage(&mut self, own: &Certificate) {
        match (self.inspection.usage, own.usages) {
            (Some(Usage::Server), Some(Usages { server: false, .. })) => {
                self.warn(&own.place, "its extendedKeyUsage has no serverAuth, so strict callers reject it");
            }
            (Some(Usage::Client), Some(Usages { client: false, .. })) => {
                self.warn(&own.place, "its extendedKeyUsage has no clientAuth, so strict servers reject it");
            }
            (None, Some(Usages { server: false, client: false })) => {
                self.warn(&own.place, "its extendedKeyUsage has neither serverAuth nor clientAuth");
            }
            _ => {}
        }
        if self.inspection.usage == Some(Usage::Server) {
            self.peculiar(own);
        }
    }

    /// Warns of what standard verifiers reject in a server's certificate.
    fn peculiar(&mut self, own: &Certificate) {
        let found = [
            (own.is_self_signed(), "is self-signed"),
            (own.is_authority, "is marked as an authority's (CA:TRUE)"),
            (own.names.as_ref().is_none_or(Vec::is_empty), "has no host name (no subjectAltName)"),
        ];
        let found: Vec<&str> = found.into_iter().filter_map(|(is_so, text)| is_so.then_some(text)).collect();
        if !found.is_empty() {
            let pin = hex(&own.key_digest());
            let message = format!("{}; only callers that pin it accept it: spki-sha256:{pin}", found.join(", "));
            self.warn(&own.place, message);
        }
    }

    /// The rules of Thales: "Self-signed certificate requirements".
    fn thales(&mut self, own: &Certificate) {
        let place = &own.place;
        if !own.names_itself() {
            self.error(
                place,
                format!("Thales: expected a self-signed certificate, found one issued by {}", own.issuer),
            );
        } else if !own.is_self_signed() {
            self.error(place, "Thales: expected a self-signed certificate, found one whose signature is another key's");
        }
        if own.not_after - own.not_before > LONGEST_OF_THALES {
            let days = (own.not_after - own.not_before) / DAY;
            self.error(place, format!("Thales: expected at most 2 years, found {days} days"));
        }
        match &own.key {
            Key::P256 | Key::P384 | Key::Rsa(2048) => {}
            Key::Rsa(bits @ 2049..) => {
                self.warn(place, format!("Thales: expected EC P-256, EC P-384 or RSA 2048, found RSA {bits}"));
            }
            key => self.error(place, format!("Thales: expected EC P-256, EC P-384 or RSA 2048, found {key}")),
        }
        match &own.hash {
            Hash::Sha256 => {}
            hash @ (Hash::Sha384 | Hash::Sha512) => {
                self.warn(place, format!("Thales: expected a signature with SHA-256, found {hash}"));
            }
            hash => self.error(place, format!("Thales: expected a signature with SHA-256, found {hash}")),
        }
        if own.common_names.len() != 1 {
            let found = own.common_names.len();
            self.error(place, format!("Thales: expected one common name, found {found}"));
        }
        if self.inspection.name.is_none() {
            self.note(place, "Thales: the common name was not checked; pass the portal's with `--name`");
        }
    }

    fn token(&mut self, material: &Material) {
        for key in material.keys.iter().filter(|key| key.form != KeyForm::Pkcs8) {
            let message = "Token's SDK reads PKCS#8 only: `openssl pkcs8 -topk8 -nocrypt -in FILE -out NEW`";
            self.warn(&key.place, message);
        }
    }

    /// Checks the name that was asked for: a host name for a server, otherwise the common name.
    fn name(&mut self, own: &Certificate) {
        let Some(name) = &self.inspection.name else { return };
        let names = own.names.as_deref().unwrap_or_default();
        if self.inspection.usage == Some(Usage::Server) {
            if !names.iter().any(|known| covers(known, name)) {
                let found = if names.is_empty() { "none".to_owned() } else { format!("`{}`", names.join("`, `")) };
                self.error(&own.place, format!("expected the name `{name}` in its subjectAltName, found {found}"));
            }
        } else if own.common_names != [name.as_str()] {
            let found = if own.common_names.is_empty() {
                "none".to_owned()
            } else {
                format!("`{}`", own.common_names.join("`, `"))
            };
            self.error(&own.place, format!("expected the common name `{name}`, found {found}"));
        }
    }

    /// Checks a bundle of trusted certificates.
    fn bundle(&mut self, material: &Material) {
        for key in &material.keys {
            self.error(&key.place, "expected certificates of authorities, found a private key; remove it");
        }
        for (index, certificate) in material.certificates.iter().enumerate() {
            self.dates(certificate, Level::Warning);
            self.strength(certificate, Level::Warning);
            if !certificate.is_authority {
                let message = format!(
                    "is no authority's (no CA:TRUE): if it is the peer's own, pin it in place of trusting it, by \
                     spki-sha256:{}",
                    hex(&certificate.key_digest())
                );
                self.warn(&certificate.place, message);
            }
            if material.certificates[..index].iter().any(|other| other.der == certificate.der) {
                self.warn(&certificate.place, "appears twice");
            }
        }
    }
}

/// RFC 6125, section 6.4.3: `*` stands for one label, the first.
fn covers(known: &str, name: &str) -> bool {
    let (known, name) = (known.to_ascii_lowercase(), name.to_ascii_lowercase());
    match known.strip_prefix("*.") {
        Some(domain) => name.split_once('.').is_some_and(|(first, rest)| !first.is_empty() && rest == domain),
        None => known == name,
    }
}
