//! Reads the certificate in a header, in the formats that proxies write.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// How a proxy writes a certificate into a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A byte sequence of structured fields (RFC 9440, section 2.2): `:MIIB...:`.
    Rfc9440,
    /// `X-Forwarded-Client-Cert` of Envoy, with `Cert="..."`.
    Xfcc,
    /// PEM, percent-encoded, or with spaces in place of its line breaks.
    Pem,
    /// DER in base64, and after commas the certificates of authorities.
    Base64,
}

/// The value is not a certificate in this format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rfc9440, Self::Xfcc, Self::Pem, Self::Base64];

    /// The name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rfc9440 => "rfc9440",
            Self::Xfcc => "xfcc",
            Self::Pem => "pem",
            Self::Base64 => "base64",
        }
    }

    /// The format of a header whose name is bound to one.
    #[must_use]
    pub fn of_header(name: &str) -> Option<Self> {
        match name {
            "client-cert" => Some(Self::Rfc9440),
            "x-forwarded-client-cert" => Some(Self::Xfcc),
            "x-forwarded-tls-client-cert" => Some(Self::Base64),
            "x-amzn-mtls-clientcert" | "x-amzn-mtls-clientcert-leaf" => Some(Self::Pem),
            _ => None,
        }
    }

    /// The certificate in the value of a header, then those that were passed on with it. `None` if the proxy says that
    /// its client has no certificate.
    ///
    /// # Errors
    /// The value is neither. The certificate itself is not parsed yet.
    pub fn read(self, value: &[u8]) -> Result<Option<Vec<CertificateDer<'static>>>, Unreadable> {
        // Apache writes `(null)`, and Caddy `::`, where a client has shown none.
        if matches!(value.trim_ascii(), b"" | b"(null)" | b"::") {
            return Ok(None);
        }
        let text = std::str::from_utf8(value).map_err(|_| Unreadable)?.trim_ascii();
        let chain = match self {
            Self::Rfc9440 => text.strip_prefix(':').and_then(|text| text.strip_suffix(':')).and_then(der).map(only),
            Self::Xfcc => certificate_of_element(text).and_then(pem).map(only),
            Self::Pem => pem(text).map(only),
            Self::Base64 => text.split(',').map(|one| der(one.trim_ascii())).collect(),
        };
        chain.map(Some).ok_or(Unreadable)
    }
}

fn only(certificate: CertificateDer<'static>) -> Vec<CertificateDer<'static>> {
    vec![certificate]
}

/// One certificate in base64, with its padding.
fn der(base64: &str) -> Option<CertificateDer<'static>> {
    STANDARD.decode(base64).ok().filter(|der| !der.is_empty()).map(CertificateDer::from)
}

/// One PEM block, and nothing else. A `+` stands for itself: AWS does not encode it.
fn pem(text: &str) -> Option<CertificateDer<'static>> {
    let text = percent_decode_str(text).decode_utf8().ok()?;
    let base64 = text.trim_ascii().strip_prefix(BEGIN)?.strip_suffix(END)?;
    let base64: String = base64.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    der(&base64)
}

/// The value of the only `Cert` of the only element of `X-Forwarded-Client-Cert`.
///
/// ```text
/// header  = element *( "," element )
/// element = pair *( ";" pair )        pair = name "=" ( text / quoted text )
/// ```
/// With several elements, some are of other proxies or of the client itself. `Hash` alone proves nothing.
fn certificate_of_element(text: &str) -> Option<&str> {
    let (mut certificate, mut rest) = (None, text);
    loop {
        let (name, value) = rest.split_once('=')?;
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_at(closing_quote(quoted)?),
            None => value.split_at(value.find([';', ',']).unwrap_or(value.len())),
        };
        let behind = behind.strip_prefix('"').unwrap_or(behind);
        if name.trim_ascii().eq_ignore_ascii_case("cert") && certificate.replace(value).is_some() {
            return None;
        }
        match behind.strip_prefix(';') {
            Some(next) => rest = next,
            None if behind.is_empty() => return certificate,
            None => return None,
        }
    }
}

/// The position of the quote that ends a quoted text.
fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[1, 2, 3, 251, 255]` in base64, with characters that a percent-encoding changes.
    const BYTES: &[u8] = &[1, 2, 3, 251, 255];
    const TEXT: &str = "AQID+/8=";

    #[test]
    fn a_certificate_is_read_in_the_format_of_each_proxy() {
        let nginx = "-----BEGIN%20CERTIFICATE-----%0AAQID%2B%2F8%3D%0A-----END%20CERTIFICATE-----%0A";
        let aws = "-----BEGIN%20CERTIFICATE-----%0AAQID+/8=%0A-----END%20CERTIFICATE-----%0A";
        let apache = "-----BEGIN CERTIFICATE----- AQID +/8= -----END CERTIFICATE----- ";
        let envoy = format!("By=spiffe://a;Hash=00;Cert=\"{nginx}\";Subject=\"CN=\\\"a, b;Cert=x\\\"\";URI=");
        for (format, value) in [
            (Format::Rfc9440, format!(":{TEXT}:")),
            (Format::Base64, TEXT.to_owned()),
            (Format::Pem, nginx.to_owned()),
            (Format::Pem, aws.to_owned()),
            (Format::Pem, apache.to_owned()),
            (Format::Xfcc, envoy),
            (Format::Xfcc, format!("cert=\"{aws}\"")),
        ] {
            let read = format.read(value.as_bytes());
            assert_eq!(read, Ok(Some(vec![CertificateDer::from(BYTES)])), "{value}");
        }
        let chain = Format::Base64.read(format!("{TEXT},{TEXT}").as_bytes()).unwrap().unwrap();
        assert_eq!(chain.len(), 2);
    }

    #[test]
    fn a_client_without_a_certificate_is_told_from_an_unreadable_header() {
        for format in Format::ALL {
            for value in ["", "  ", "(null)", "::"] {
                assert_eq!(format.read(value.as_bytes()), Ok(None), "{format:?} {value}");
            }
            for value in ["(none)", ":", "=", "\u{e9}", ";;", "-----BEGIN CERTIFICATE----------END CERTIFICATE-----"] {
                assert_eq!(format.read(value.as_bytes()), Err(Unreadable), "{format:?} {value}");
            }
        }
        let pem = format!("{BEGIN} {TEXT} {END}");
        for (format, value) in [
            // A colon that a proxy took away, a parameter, a list, and text in place of bytes.
            (Format::Rfc9440, format!("{TEXT}:")),
            (Format::Rfc9440, format!(":{TEXT}:;a=1")),
            (Format::Rfc9440, format!(":{TEXT}:, :{TEXT}:")),
            (Format::Rfc9440, format!("\"{TEXT}\"")),
            (Format::Rfc9440, ":AQID+/8:".to_owned()),
            (Format::Pem, format!("{pem} {pem}")),
            (Format::Pem, format!("{pem},{pem}")),
            (Format::Pem, format!("{BEGIN} {TEXT}")),
            (Format::Base64, format!("{TEXT},")),
            (Format::Base64, pem.clone()),
            (Format::Xfcc, format!("Hash={TEXT}")),
            (Format::Xfcc, format!("Cert=\"{pem}\",Cert=\"{pem}\"")),
            (Format::Xfcc, format!("Hash=a,Cert=\"{pem}\"")),
            (Format::Xfcc, format!("Cert=\"{pem}\";Cert=\"{pem}\"")),
            (Format::Xfcc, format!("Cert=\"{pem}")),
            (Format::Xfcc, format!("Cert=\"{pem}\"x")),
            (Format::Xfcc, format!("Cert=\"{pem}\";")),
        ] {
            assert_eq!(format.read(value.as_bytes()), Err(Unreadable), "{format:?} {value}");
        }
    }
}
