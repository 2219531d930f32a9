//! What is wrong with a file of certificates or keys, and how to fix it.

use std::fmt;
use std::io;

/// What a file should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// At least one certificate.
    Certificates,
    /// A private key.
    Key,
    /// Certificates, private keys, or both.
    Either,
}

/// The kind of a PEM block or DER structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Certificate,
    Pkcs8,
    Pkcs1,
    Sec1,
    Encrypted,
    OpenSsh,
    Dsa,
    PublicKey,
    Request,
    Crl,
    Pkcs7,
    Pkcs12,
    /// A certificate in OpenSSL's own form (`TRUSTED CERTIFICATE`), or under the old label `X509 CERTIFICATE`.
    Trusted,
    /// Parameters of an elliptic curve, of Diffie-Hellman or of DSA.
    Parameters,
    Pgp,
    Other,
}

/// What is wrong with the contents of a file. It is `Copy`, so it cannot hold a part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// Text that has nothing of what is wanted.
    Nothing,
    Empty,
    Binary,
    Utf16,
    JavaKeystore,
    Putty,
    SshPublic,
    /// DER instead of PEM.
    Der(Kind),
    /// Base64 without BEGIN and END lines.
    Base64(Kind),
    /// PEM of another kind than the wanted one.
    Pem(Kind),
    /// The label of a block does not match its contents.
    Mislabelled {
        line: usize,
        label: Kind,
        content: Kind,
    },
    /// All lines joined into one.
    LineBreaksLost,
    /// The two characters `
    /// ` instead of line breaks.
    LineBreaksEscaped,
    /// Spaces instead of line breaks.
    LineBreaksBlank,
    /// A BEGIN or END line with too few dashes, or too many.
    Dashes {
        line: usize,
    },
    /// Other text before a BEGIN line, on the same line.
    Prefixed {
        line: usize,
    },
    /// The block that begins at this line has no END line.
    NoEnd {
        line: usize,
    },
    /// An END line with another label than the BEGIN line, or without a BEGIN line.
    StrayEnd {
        line: usize,
    },
    NotBase64 {
        line: usize,
    },
    /// The content of the block that begins at this line is cut off.
    Cut {
        line: usize,
    },
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// The file cannot be opened or read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// The file holds something else than wanted.
    #[error("expected {wanted}, found {}", Described { wanted: *.wanted, fault: *.fault })]
    Found { wanted: Wanted, fault: Unusable },
}

struct Described {
    wanted: Wanted,
    fault: Unusable,
}

/// The command that restores the line breaks around all blocks of a file on one line.
macro_rules! broken_again {
    ($first:literal) => {
        concat!(
            "`sed -E '",
            $first,
            r"s/-----END [A-Z0-9 ]+-----/\n&\n/g; s/-----BEGIN [A-Z0-9 ]+-----/&\n/g' FILE | grep . >NEW` puts them back"
        )
    };
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificates => "at least one certificate (-----BEGIN CERTIFICATE-----)",
            Self::Key => "a private key (-----BEGIN PRIVATE KEY-----)",
            Self::Either => "certificates or a private key (PEM)",
        })
    }
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Unusable::Nothing => f.write_str("none"),
            Unusable::Empty => f.write_str("an empty file"),
            Unusable::Binary => f.write_str("binary data of an unknown kind: ask who made the file for PEM"),
            Unusable::Utf16 => f.write_str("text in UTF-16: convert it with `iconv -f UTF-16 -t UTF-8 FILE >NEW`"),
            Unusable::JavaKeystore => f.write_str(
                "a Java keystore: `keytool -importkeystore -srckeystore FILE -destkeystore NEW.p12 -deststoretype PKCS12` \
                 makes PKCS#12 of it, which `openssl pkcs12 -in NEW.p12 -noenc -out NEW` converts",
            ),
            Unusable::Putty => f.write_str(
                "a private key in PuTTY's format: `puttygen FILE -O private-openssh -o NEW`, then \
                 `ssh-keygen -p -N '' -m PKCS8 -f NEW` converts it",
            ),
            Unusable::SshPublic => f.write_str("a public key of SSH: the file of the private key has no .pub"),
            Unusable::Der(kind) => write!(f, "{}, not in PEM{}", kind.named(), self.of_der(kind)),
            Unusable::Base64(kind) => write!(
                f,
                "base64 of {} without its BEGIN and END lines: `openssl base64 -d -A -in FILE >NEW.der`{}",
                kind.named(),
                kind.tool().map_or_else(String::new, |tool| format!(
                    ", then `openssl {tool} -inform DER -in NEW.der -out NEW` converts it"
                )),
            ),
            Unusable::Pem(kind) => write!(f, "{}{}", kind.named(), self.of_pem(kind)),
            Unusable::Mislabelled { line, label, content } => {
                write!(f, "{} that line {line} calls {}", content.named(), label.named())?;
                match content.label() {
                    Some(right) => write!(f, ": write {right} in place of {} there and in its END line", label.shown()),
                    None => Ok(()),
                }
            }
            Unusable::LineBreaksLost => {
                write!(f, "PEM whose line breaks are lost: {}", broken_again!(""))
            }
            Unusable::LineBreaksEscaped => {
                write!(f, r"PEM with `\n` in place of line breaks: {}", broken_again!(r"s/(\\r)?\\n/\n/g; "))
            }
            Unusable::LineBreaksBlank => {
                write!(f, "PEM with blanks in place of line breaks: {}", broken_again!(""))
            }
            Unusable::Dashes { line } => write!(
                f,
                "PEM whose line {line} lacks its dashes: BEGIN and END lines begin and end with five each, such as \
                 -----BEGIN PRIVATE KEY-----"
            ),
            Unusable::Prefixed { line } => write!(
                f,
                "PEM whose line {line} has other text before -----BEGIN: put a line break between the two"
            ),
            Unusable::NoEnd { line } => {
                write!(f, "PEM whose block on line {line} has no END line: a part of the file is missing, copy it again")
            }
            Unusable::StrayEnd { line } => {
                write!(f, "PEM whose END line {line} has no BEGIN line of its kind: a part of the file is missing, copy it again")
            }
            Unusable::NotBase64 { line } => {
                write!(f, "PEM whose line {line} is not base64: the file is damaged, copy it again")
            }
            Unusable::Cut { line } => {
                write!(f, "PEM whose block on line {line} is not whole: lines of it are missing, copy the file again")
            }
        }
    }
}

impl Described {
    /// How to convert a file of this kind that is not PEM.
    fn of_der(&self, kind: Kind) -> String {
        match (kind, self.wanted) {
            (Kind::Pkcs12, Wanted::Key) => {
                ": `openssl pkcs12 -in FILE -nocerts -noenc -out NEW` takes the key out".to_owned()
            }
            (Kind::Pkcs12, Wanted::Certificates) => {
                ": `openssl pkcs12 -in FILE -nokeys -out NEW` takes the certificates out".to_owned()
            }
            (Kind::Pkcs12, Wanted::Either) => ": `openssl pkcs12 -in FILE -noenc -out NEW` converts it".to_owned(),
            (Kind::Encrypted, _) => {
                ": `openssl pkcs8 -inform DER -in FILE -out NEW` writes it without a pass phrase".to_owned()
            }
            (Kind::Pkcs7, _) => ": `openssl pkcs7 -inform DER -in FILE -print_certs -out NEW` converts it".to_owned(),
            (kind, _) => kind.tool().map_or_else(String::new, |tool| {
                format!(": `openssl {tool} -inform DER -in FILE -out NEW` converts it")
            }),
        }
    }

    /// What to do with PEM of this kind when another kind is wanted.
    fn of_pem(&self, kind: Kind) -> &'static str {
        match (kind, self.wanted) {
            (Kind::Certificate, Wanted::Key) => ": use the file of its private key here",
            (Kind::Pkcs8 | Kind::Pkcs1 | Kind::Sec1, Wanted::Certificates) => ": use the file of its certificate here",
            (Kind::Encrypted, Wanted::Key | Wanted::Either) => {
                ": `openssl pkey -in FILE -out NEW` writes it without a pass phrase"
            }
            (Kind::OpenSsh, Wanted::Key | Wanted::Either) => {
                ": `cp FILE NEW`, then `ssh-keygen -p -N '' -m PKCS8 -f NEW` converts it"
            }
            (Kind::Dsa, _) => ": TLS supports only RSA, ECDSA and Ed25519; create another key",
            (Kind::PublicKey, _) => ": use the file of the private key instead",
            (Kind::Request, _) => ": send it to the certificate authority, and use the certificate that it returns",
            (Kind::Pkcs7, _) => ": `openssl pkcs7 -in FILE -print_certs -out NEW` converts it",
            (Kind::Trusted, _) => ": `openssl x509 -in FILE -out NEW` converts it, one file for each certificate",
            _ => "",
        }
    }
}

impl Kind {
    pub(super) fn of_label(label: &str) -> Self {
        match label {
            "CERTIFICATE" => Self::Certificate,
            "PRIVATE KEY" => Self::Pkcs8,
            "RSA PRIVATE KEY" => Self::Pkcs1,
            "EC PRIVATE KEY" => Self::Sec1,
            "ENCRYPTED PRIVATE KEY" => Self::Encrypted,
            "OPENSSH PRIVATE KEY" => Self::OpenSsh,
            "DSA PRIVATE KEY" => Self::Dsa,
            "PUBLIC KEY" | "RSA PUBLIC KEY" => Self::PublicKey,
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Self::Request,
            "X509 CRL" => Self::Crl,
            "PKCS7" | "PKCS #7 SIGNED DATA" | "CMS" => Self::Pkcs7,
            "TRUSTED CERTIFICATE" | "X509 CERTIFICATE" => Self::Trusted,
            "EC PARAMETERS" | "DH PARAMETERS" | "X9.42 DH PARAMETERS" | "DSA PARAMETERS" => Self::Parameters,
            label if label.starts_with("PGP ") => Self::Pgp,
            _ => Self::Other,
        }
    }

    /// Whether it is an unencrypted private key in a format that can be loaded.
    pub fn is_key(self) -> bool {
        matches!(self, Self::Pkcs8 | Self::Pkcs1 | Self::Sec1)
    }

    /// The label in its BEGIN line.
    pub(super) fn label(self) -> Option<&'static str> {
        match self {
            Self::Certificate => Some("CERTIFICATE"),
            Self::Pkcs8 => Some("PRIVATE KEY"),
            Self::Pkcs1 => Some("RSA PRIVATE KEY"),
            Self::Sec1 => Some("EC PRIVATE KEY"),
            Self::Encrypted => Some("ENCRYPTED PRIVATE KEY"),
            Self::PublicKey => Some("PUBLIC KEY"),
            Self::Request => Some("CERTIFICATE REQUEST"),
            Self::Crl => Some("X509 CRL"),
            Self::Pkcs7 => Some("PKCS7"),
            _ => None,
        }
    }

    fn shown(self) -> &'static str {
        self.label().unwrap_or("the label")
    }

    /// The `openssl` command that reads it in DER.
    fn tool(self) -> Option<&'static str> {
        match self {
            Self::Certificate => Some("x509"),
            Self::Pkcs8 | Self::Pkcs1 | Self::Sec1 => Some("pkey"),
            Self::Encrypted => Some("pkcs8"),
            Self::Request => Some("req"),
            Self::Crl => Some("crl"),
            _ => None,
        }
    }

    fn named(self) -> &'static str {
        match self {
            Self::Certificate => "a certificate",
            Self::Pkcs8 => "a private key (PKCS#8)",
            Self::Pkcs1 => "a private key (PKCS#1)",
            Self::Sec1 => "a private key (SEC1)",
            Self::Encrypted => "an encrypted private key",
            Self::OpenSsh => "a private key in OpenSSH's format",
            Self::Dsa => "a DSA key",
            Self::PublicKey => "a public key",
            Self::Request => "a certificate request",
            Self::Crl => "a certificate revocation list",
            Self::Pkcs7 => "certificates in PKCS#7",
            Self::Pkcs12 => "a PKCS#12 file",
            Self::Trusted => "a certificate in OpenSSL's own form",
            Self::Parameters => "parameters without a key",
            Self::Pgp => "a PGP block",
            Self::Other => "a PEM block of an unknown kind",
        }
    }
}
