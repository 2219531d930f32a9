//! The steps up to the server's certificate: our files, the TLS handshake, and whether the certificate is trusted.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::report::{Report, Stop, listed};
use super::way::Way;
use crate::format::problem::Problem;
use crate::tls::certs::{self, Inspection, Level, Shown, Usage};
use crate::tls::pem;
use crate::tls::{self, Identity, Look, Seen, Servers, Trust};
use crate::upstream::TlsFiles;

/// The TLS settings of a test.
pub(super) struct Ends {
    pub(super) name: ServerName<'static>,
    pub(super) servers: Servers,
    /// What makes a server trusted, in words for the report.
    pub(super) trusted_by: String,
    files: TlsFiles,
    /// Our own certificate.
    pub(super) own: Option<Shown>,
    /// The certificate file, if it contains only our certificate and that one is not self-signed.
    alone: Option<PathBuf>,
}

/// Why a handshake ended early.
#[derive(Debug)]
pub(super) enum Broken {
    Tls(rustls::Error),
    Io(io::Error),
    Closed,
    Late,
}

impl Ends {
    /// The certificate and key that the gateway would present, read again.
    pub(super) fn identity(&self) -> Result<Option<Identity>, Vec<Problem>> {
        self.files.identity.as_ref().map(Identity::load).transpose()
    }
}

/// Checks the files by the rules of `towbar certs check`.
pub(super) fn files(report: &mut Report<'_>, host: &str, files: &TlsFiles) -> Result<Ends, Stop> {
    const ADVICE: &str = "run `towbar certs check FILE...` for details";
    let identity = files.identity.as_ref().map(Identity::load).transpose();
    let (servers, trusted_by) = servers(files);
    let mut wrong: Vec<String> = Vec::new();
    wrong.extend(identity.err().into_iter().flatten().map(|problem| problem.to_string()));
    let servers = servers.map_err(|problems| wrong.extend(problems.iter().map(Problem::to_string)));
    let name = files.server_name.as_deref().unwrap_or(host);
    let server_name = ServerName::try_from(name.to_owned()).map_err(|_| {
        wrong.push(format!("expected a DNS name or an IP address as the server's name, found `{name}`"));
    });
    let own: Vec<PathBuf> = files.identity.iter().flat_map(|files| [files.cert.clone(), files.key.clone()]).collect();
    let permissions = files.identity.as_ref().map(|identity| identity.permissions).unwrap_or_default();
    let mut warnings = Vec::new();
    if wrong.is_empty() {
        let asked = [(Usage::Client, own.clone()), (Usage::Trust, files.ca.iter().cloned().collect())];
        for (usage, files) in asked.into_iter().filter(|(_, files)| !files.is_empty()) {
            let asked = Inspection { files, usage: Some(usage), permissions, ..Inspection::default() };
            for finding in certs::check(&asked, SystemTime::now()).findings {
                let text = format!("{}: {}", finding.place, finding.message);
                match finding.level {
                    Level::Error => wrong.push(text),
                    Level::Warning => warnings.push(text),
                    Level::Note => {}
                }
            }
        }
    }
    let (Ok(servers), Ok(name), true) = (servers, server_name, wrong.is_empty()) else {
        return Err(report.failed("files", wrong.join("; "), ADVICE));
    };
    let named = own.iter().chain(&files.ca).map(|file| file.display());
    match warnings.is_empty() {
        true => report.passed("files", listed(named)),
        false => report.noted("files", warnings.join("; ")),
    }
    let own = files.identity.as_ref().and_then(|files| certs::first_of(&files.cert, &files.key));
    let is_alone = |file: &PathBuf| pem::certificates(file).is_ok_and(|all| all.len() == 1);
    let cert = files.identity.as_ref().map(|files| files.cert.clone());
    let alone = cert.filter(|cert| own.as_ref().is_some_and(|own| own.issuer != "itself") && is_alone(cert));
    Ok(Ends { name, servers, trusted_by, files: files.clone(), own, alone })
}

fn servers(files: &TlsFiles) -> (Result<Servers, Vec<Problem>>, String) {
    match &files.ca {
        _ if !files.pins.is_empty() => (Ok(Servers::Pinned(files.pins.clone())), "a pin".to_owned()),
        Some(ca) => (Trust::load(ca).map(Servers::Trusted), ca.display().to_string()),
        None => (Trust::system().map(Servers::Trusted), "the operating system".to_owned()),
    }
}

/// Makes a TLS handshake with these ALPN protocols on offer, over a new connection.
pub(super) async fn look(way: &Way, ends: &Ends, alpn: &[&[u8]], patience: Duration) -> (Seen, Result<(), Broken>) {
    let broken = |reason: String| (Seen::default(), Err(Broken::Io(io::Error::other(reason))));
    let mut tcp = match way.open(patience).await {
        Ok(tcp) => tcp,
        Err(reason) => return broken(reason),
    };
    let mut look = match Look::new(ends.name.clone(), &ends.servers, alpn) {
        Ok(look) => look,
        Err(problem) => return broken(problem.to_string()),
    };
    let ended = timeout(patience, shake(&mut tcp, &mut look)).await.unwrap_or(Err(Broken::Late));
    (look.seen(), ended)
}

/// Whether the server answers a TLS ClientHello with TLS. Nothing more is sent.
pub(super) async fn is_tls(way: &Way, host: &str, patience: Duration) -> bool {
    let Ok(name) = ServerName::try_from(host.to_owned()) else { return false };
    let (Ok(mut look), Ok(mut tcp)) = (Look::new(name, &Servers::Pinned(Vec::new()), &[]), way.open(patience).await)
    else {
        return false;
    };
    let _ = timeout(patience, shake(&mut tcp, &mut look)).await;
    !look.seen().chain.is_empty()
}

async fn shake(tcp: &mut TcpStream, look: &mut Look) -> Result<(), Broken> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let sent = tcp.write_all(&look.outgoing()).await;
        if look.is_over() {
            return Ok(());
        }
        // A server that rejects us closes at once. What it sent before that can still be read.
        let count = match (tcp.read(&mut buffer).await, sent) {
            (Ok(0), Ok(())) => return Err(Broken::Closed),
            (Ok(0), Err(error)) | (Err(error), _) => return Err(Broken::Io(error)),
            (Ok(count), _) => count,
        };
        if let Err(error) = look.incoming(&buffer[..count]) {
            // Send the alert that tells the server why we end the handshake.
            let _ = tcp.write_all(&look.outgoing()).await;
            return Err(Broken::Tls(error));
        }
    }
}

/// Reports the handshake. A server that ends it because we present no certificate has shown everything before that.
pub(super) fn handshake(report: &mut Report<'_>, seen: &Seen, ended: &Result<(), Broken>) -> Result<(), Stop> {
    let told = || format!("{}, {}", seen.version.as_deref().unwrap_or("?"), seen.suite.as_deref().unwrap_or("?"));
    let is_refusal =
        matches!(ended, Err(Broken::Tls(rustls::Error::AlertReceived(_)) | Broken::Io(_) | Broken::Closed));
    let broken = match ended {
        Err(broken) if !is_refusal || seen.asked.is_none() => broken,
        _ => {
            report.passed("tls", told());
            return Ok(());
        }
    };
    let (reason, advice) = match broken {
        Broken::Late => (
            "the server did not answer the ClientHello".to_owned(),
            "this port may not speak TLS; ask the server's owner",
        ),
        Broken::Closed => (
            "the server ended the connection in the middle of the handshake".to_owned(),
            "this port may not speak TLS, or something in between rejects the name; ask the server's owner",
        ),
        Broken::Io(error) => {
            (error.to_string(), "something in between may block TLS; ask the operators of the firewall")
        }
        Broken::Tls(rustls::Error::InvalidMessage(_)) => {
            ("the server does not speak TLS on this port".to_owned(), "use `http://`, or the port that speaks TLS")
        }
        Broken::Tls(error @ (rustls::Error::PeerIncompatible(_) | rustls::Error::AlertReceived(_))) => {
            let is_name = matches!(error, rustls::Error::AlertReceived(AlertDescription::UnrecognisedName));
            let advice = match is_name {
                true => "set the server name (`server_name`) to one that the server knows",
                false => "the server must support TLS 1.2 or 1.3 with ECDHE and AES-GCM or ChaCha20; ask its owner",
            };
            (tls::explain(error), advice)
        }
        Broken::Tls(error) => (tls::explain(error), "ask its owner"),
    };
    Err(report.failed("tls", reason, advice))
}

/// Reports the server's certificate and whether it is trusted.
pub(super) fn certificate(report: &mut Report<'_>, seen: &Seen, ends: &Ends) -> Result<(), Stop> {
    let chain: Vec<Shown> = seen.chain.iter().filter_map(|der| Shown::read(der)).collect();
    let Some(own) = chain.first() else {
        return Err(report.failed("certificate", "the server sent no certificate that can be read", "ask its owner"));
    };
    let sent: Vec<String> =
        chain[1..].iter().map(|one| format!("; with it {}, issued by {}", one.subject, one.issuer)).collect();
    report.passed(
        "certificate",
        format!(
            "{}, issued by {}, {}, {} to {}, names {}, {}{}",
            own.subject,
            own.issuer,
            own.key,
            own.days.0,
            own.days.1,
            listed(&own.names),
            own.certificate_pin,
            sent.concat()
        ),
    );
    // The text is valid as the value of `pins` in a configuration file.
    report.passed("pins", format!("[{}]", own.key_pin));
    match &seen.verdict {
        Some(Ok(())) => {
            report.passed("trust", format!("by {}", ends.trusted_by));
            Ok(())
        }
        Some(Err(error)) => Err(untrusted(report, error, own, ends)),
        None => {
            Err(report.failed("trust", "the handshake ended before the certificate could be checked", "ask its owner"))
        }
    }
}

fn untrusted(report: &mut Report<'_>, error: &rustls::Error, own: &Shown, ends: &Ends) -> Stop {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let by = &ends.trusted_by;
    if now > own.seconds.1 {
        let reason = format!("it expired on {}", own.days.1);
        return report.failed("trust", reason, "its owner must renew it; nothing on this side helps, not even a pin");
    }
    if now < own.seconds.0 {
        let reason = format!("it is not valid before {}", own.days.0);
        return report.failed(
            "trust",
            reason,
            "its owner must install another one, or the clock of this machine is wrong",
        );
    }
    let name = ends.name.to_str();
    let (reason, advice) = match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => (
            format!("issued by {}, which {by} does not trust", own.issuer),
            "give the certificate of that authority (`ca`), or, if the server sends no intermediate ones, have its owner \
             send them"
                .to_owned(),
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => (
            format!("it is not valid for the name {name}"),
            format!("set the server name (`server_name`) to one that it is valid for: {}", listed(&own.names)),
        ),
        // A certificate that no standard verifier accepts. The reason already contains the advice.
        error => (tls::explain(error), "if its owner confirms this certificate, use the pin that `pins` shows".to_owned()),
    };
    report.failed("trust", reason, advice)
}

/// Reports that the server accepted us, with or without a client certificate.
pub(super) fn accepted(report: &mut Report<'_>, ends: &Ends, seen: &Seen) {
    match (&seen.asked, &ends.own) {
        (None, None) => report.passed("mtls", "the server does not ask for a client certificate"),
        (None, Some(own)) => {
            report.noted(
                "mtls",
                format!("the server does not ask for a client certificate; {} was not sent", own.subject),
            );
        }
        (Some(_), None) => report.noted("mtls", "the server asks for a client certificate but does not require one"),
        (Some(_), Some(own)) => report.passed("mtls", format!("{} was sent and accepted", own.subject)),
    }
}

/// Reports that the server rejected our certificate, or requires one.
pub(super) fn refused(report: &mut Report<'_>, ends: &Ends, seen: &Seen, why: &str) -> Stop {
    let named = seen.asked.clone().unwrap_or_default();
    let trusts = match named.is_empty() {
        true => "it does not say which authorities it trusts".to_owned(),
        false => format!("it trusts {}", listed(&named)),
    };
    let Some(own) = &ends.own else {
        let reason = format!("the server requires a client certificate ({why}); {trusts}");
        return report.failed("mtls", reason, "set `cert` and `key`");
    };
    let reason = format!("the server rejects {}, issued by {} ({why}); {trusts}", own.subject, own.issuer);
    let trust = format!(
        "ask the server's owner to trust this certificate ({}), or use one that the server trusts",
        own.key_pin
    );
    let advice = match &ends.alone {
        // Most servers trust only the root, and cannot find a path to it without the intermediate certificate.
        Some(file) if !named.contains(&own.issuer) => format!(
            "{} does not contain the certificate of {}; if that is an intermediate authority, append its certificate to the \
             file; otherwise {trust}",
            file.display(),
            own.issuer
        ),
        _ => trust,
    };
    report.failed("mtls", reason, advice)
}
