//! The way to a server, up to its certificate: files, addresses, TCP, TLS, whom it shows and whether that is trusted.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::{Report, Stop, listed};
use crate::certs::{self, Asked, Level, Shown, Usage};
use crate::problem::Problem;
use crate::tls::{self, Identity, Look, Seen, Servers, Trust};
use crate::upstream::TlsFiles;

/// A server, and how it is reached.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    /// For the whole of each step.
    pub(super) patience: Duration,
}

/// What TLS is made with.
pub(super) struct Ends {
    pub(super) name: ServerName<'static>,
    pub(super) servers: Servers,
    /// Whom the servers are trusted by, for people.
    pub(super) trusted_by: String,
    files: TlsFiles,
    /// Our own certificate.
    pub(super) own: Option<Shown>,
}

/// What a look ended with besides what was seen.
#[derive(Debug)]
pub(super) enum Broken {
    Tls(rustls::Error),
    Io(io::Error),
    Closed,
    Late,
}

impl Ends {
    /// What the gateway shows, read anew.
    pub(super) fn identity(&self) -> Result<Option<Identity>, Vec<Problem>> {
        self.files.identity.as_ref().map(Identity::load).transpose()
    }
}

/// The files, by the rules of `towbar certs check`.
pub(super) fn files(report: &mut Report<'_>, host: &str, files: &TlsFiles) -> Result<Ends, Stop> {
    const ADVICE: &str = "`towbar certs check FILE...` says what is in them";
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
    let mut warnings = Vec::new();
    if wrong.is_empty() {
        let asked = [(Usage::Client, own.clone()), (Usage::Trust, files.ca.iter().cloned().collect())];
        for (usage, files) in asked.into_iter().filter(|(_, files)| !files.is_empty()) {
            let asked = Asked { files, usage: Some(usage), ..Asked::default() };
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
    Ok(Ends { name, servers, trusted_by, files: files.clone(), own })
}

fn servers(files: &TlsFiles) -> (Result<Servers, Vec<Problem>>, String) {
    match &files.ca {
        _ if !files.pins.is_empty() => (Ok(Servers::Pinned(files.pins.clone())), "a pin".to_owned()),
        Some(ca) => (Trust::load(ca).map(Servers::Trusted), ca.display().to_string()),
        None => (Trust::system().map(Servers::Trusted), "the operating system".to_owned()),
    }
}

/// The addresses of the name.
pub(super) async fn resolve(report: &mut Report<'_>, server: &Server) -> Result<Vec<SocketAddr>, Stop> {
    let Server { host, port, patience } = server;
    let found = timeout(*patience, lookup_host((host.as_str(), *port))).await;
    const ADVICE: &str = "correct the name, or ask who runs the DNS of this machine";
    let addresses: Vec<SocketAddr> = match found {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) => return Err(report.failed("resolve", format!("{host}: {error}"), ADVICE)),
        Err(_) => return Err(report.failed("resolve", format!("{host}: no answer in {patience:?}"), ADVICE)),
    };
    if addresses.is_empty() {
        return Err(report.failed("resolve", format!("{host} has no address"), ADVICE));
    }
    report.passed("resolve", format!("{host} is {}", listed(addresses.iter().map(SocketAddr::ip))));
    Ok(addresses)
}

/// The first address that takes a connection; all are tried.
pub(super) async fn connect(
    report: &mut Report<'_>,
    server: &Server,
    addresses: &[SocketAddr],
) -> Result<SocketAddr, Stop> {
    let (mut first, mut told, mut failed) = (None, Vec::new(), false);
    for address in addresses {
        let started = Instant::now();
        match open(*address, server.patience).await {
            Ok(_) => {
                first = first.or(Some(*address));
                told.push(format!("{address} in {} ms", started.elapsed().as_millis()));
            }
            Err(reason) => {
                failed = true;
                told.push(format!("{address}: {reason}"));
            }
        }
    }
    let told = told.join(", ");
    let Some(address) = first else {
        let advice = "start the server there, correct the port, or ask who runs the firewall in between";
        return Err(report.failed("connect", told, advice));
    };
    if failed {
        report.noted("connect", told)
    } else {
        report.passed("connect", told)
    }
    Ok(address)
}

/// A TCP connection, or why there is none.
pub(super) async fn open(address: SocketAddr, patience: Duration) -> Result<TcpStream, String> {
    match timeout(patience, TcpStream::connect(address)).await {
        Ok(Ok(tcp)) => {
            // A failure of one option of the socket is no finding.
            let _ = tcp.set_nodelay(true);
            Ok(tcp)
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer in {patience:?}")),
    }
}

/// A look at the server with these protocols offered.
pub(super) async fn look(
    tcp: &mut TcpStream,
    ends: &Ends,
    alpn: &[&[u8]],
    patience: Duration,
) -> (Seen, Result<(), Broken>) {
    let mut look = match Look::new(ends.name.clone(), &ends.servers, alpn) {
        Ok(look) => look,
        Err(problem) => return (Seen::default(), Err(Broken::Io(io::Error::other(problem.to_string())))),
    };
    let ended = timeout(patience, shake(tcp, &mut look)).await.unwrap_or(Err(Broken::Late));
    (look.seen(), ended)
}

async fn shake(tcp: &mut TcpStream, look: &mut Look) -> Result<(), Broken> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let sent = tcp.write_all(&look.outgoing()).await;
        if look.is_over() {
            return Ok(());
        }
        // Who refuses us closes at once; what it said before is still there to read.
        let count = match (tcp.read(&mut buffer).await, sent) {
            (Ok(0), Ok(())) => return Err(Broken::Closed),
            (Ok(0), Err(error)) | (Err(error), _) => return Err(Broken::Io(error)),
            (Ok(count), _) => count,
        };
        if let Err(error) = look.incoming(&buffer[..count]) {
            // The alert that says why we end it.
            let _ = tcp.write_all(&look.outgoing()).await;
            return Err(Broken::Tls(error));
        }
    }
}

/// What the handshake came to. A server that ends it because we show no certificate has told everything before.
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
        Broken::Late => ("no answer to our first message".to_owned(), "this may be no port of TLS: ask its owner"),
        Broken::Closed => (
            "the server ended the connection in the middle of the handshake".to_owned(),
            "this may be no port of TLS, or something in between refuses the name: ask its owner",
        ),
        Broken::Io(error) => (error.to_string(), "something in between may refuse TLS: ask who runs the firewall"),
        Broken::Tls(rustls::Error::InvalidMessage(_)) => {
            ("what answers there is not TLS".to_owned(), "write `http://`, or name the port of TLS")
        }
        Broken::Tls(error @ (rustls::Error::PeerIncompatible(_) | rustls::Error::AlertReceived(_))) => {
            let is_name = matches!(error, rustls::Error::AlertReceived(AlertDescription::UnrecognisedName));
            let advice = match is_name {
                true => "set the server's name to one that it knows",
                false => "the server needs TLS 1.2 or 1.3 with a suite of ECDHE and AES-GCM or ChaCha20: ask its owner",
            };
            (tls::explain(error), advice)
        }
        Broken::Tls(error) => (tls::explain(error), "ask its owner"),
    };
    Err(report.failed("tls", reason, advice))
}

/// Whom the server shows, and whether a connection takes it.
pub(super) fn certificate(report: &mut Report<'_>, seen: &Seen, ends: &Ends) -> Result<(), Stop> {
    let chain: Vec<Shown> = seen.chain.iter().filter_map(|der| Shown::read(der)).collect();
    let Some(own) = chain.first() else {
        return Err(report.failed("certificate", "the server shows none that can be read", "ask its owner"));
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
    // Without the word before it, a line of a configuration.
    report.passed("pins", format!("[{}]", own.key_pin));
    match &seen.verdict {
        Some(Ok(())) => {
            report.passed("trust", format!("by {}", ends.trusted_by));
            Ok(())
        }
        Some(Err(error)) => Err(untrusted(report, error, own, ends)),
        None => Err(report.failed("trust", "the handshake ended before it could be told", "ask its owner")),
    }
}

fn untrusted(report: &mut Report<'_>, error: &rustls::Error, own: &Shown, ends: &Ends) -> Stop {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let by = &ends.trusted_by;
    if now > own.seconds.1 {
        let reason = format!("it is not valid any more since {}", own.days.1);
        return report.failed("trust", reason, "its owner has to renew it: nothing on this side helps, pins neither");
    }
    if now < own.seconds.0 {
        let reason = format!("it is not valid before {}", own.days.0);
        return report.failed("trust", reason, "its owner has to show another, or this machine's clock is wrong");
    }
    let name = ends.name.to_str();
    let (reason, advice) = match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => (
            format!("issued by {}, whom {by} does not know", own.issuer),
            "give the certificate of that authority (`ca`), or, if the server sends no intermediate ones, have its owner \
             send them"
                .to_owned(),
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => (
            format!("it is not for the name {name}"),
            format!("set the server's name (`server_name`) to one of its own: {}", listed(&own.names)),
        ),
        // A certificate that no standard verifier takes: the reason has the advice already.
        error => (tls::explain(error), "the line is under `pins`, for when its owner confirms it".to_owned()),
    };
    report.failed("trust", reason, advice)
}

/// The server goes on with us.
pub(super) fn accepted(report: &mut Report<'_>, ends: &Ends, seen: &Seen) {
    match (&seen.asked, &ends.own) {
        (None, None) => report.passed("mtls", "the server asks for no certificate"),
        (None, Some(own)) => {
            report.noted("mtls", format!("the server asks for no certificate; {} was not shown", own.subject));
        }
        (Some(_), None) => report.noted("mtls", "the server asks for a certificate, and goes on without one"),
        (Some(_), Some(own)) => report.passed("mtls", format!("{} was shown and accepted", own.subject)),
    }
}

/// It does not.
pub(super) fn refused(report: &mut Report<'_>, ends: &Ends, seen: &Seen, why: &str) -> Stop {
    let named = seen.asked.clone().unwrap_or_default();
    let trusts = match named.is_empty() {
        true => "it does not say whom it trusts".to_owned(),
        false => format!("it trusts {}", listed(&named)),
    };
    let Some(own) = &ends.own else {
        let reason = format!("the server does not go on without a certificate ({why}); {trusts}");
        return report.failed("mtls", reason, "give one with its key (`cert` and `key`)");
    };
    let reason = format!("the server refuses {}, issued by {} ({why}); {trusts}", own.subject, own.issuer);
    let pin = &own.key_pin;
    report.failed("mtls", reason, format!("have its owner trust this one ({pin}), or show one that it trusts"))
}
