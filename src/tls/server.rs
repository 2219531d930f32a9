//! TLS as a server makes it: a configuration for each connection, and whether a caller would still be let in.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::{NoServerSessionStorage, ServerConnection};

use super::clients::Clients;
use super::identity::{Identity, identity_problem};
use super::pin::sha256;
use super::presented;
use super::provider::{VERSIONS, provider};
use super::sessions::{OfConnection, Sessions};
use super::trust::Trust;
use super::witness::{RefusedCertificate, Witness};
use crate::format::problem::Problem;

/// What TLS is made with. Cheap to clone: the clones are one server, and a session of one is a session of all.
#[derive(Clone)]
pub struct Server {
    config: Arc<ServerConfig>,
    /// `None` where no caller is asked for a certificate.
    sessions: Option<Arc<Sessions>>,
}

/// What one connection is made with.
pub struct Handshake {
    config: Arc<ServerConfig>,
    /// Where its caller is asked for a certificate.
    client: Option<MutualTls>,
}

struct MutualTls {
    sessions: Arc<OfConnection>,
    witness: Arc<Witness>,
}

/// The configuration of a server. With `clients`, it asks for a certificate and refuses who has none that they trust, and resumes
/// no session.
///
/// # Errors
/// Certificate and key do not fit, or `clients` is no trust at all.
pub fn server(identity: Identity, clients: Option<&Trust>, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, Problem> {
    let clients = clients.map(|trust| Clients { trust: Some(trust.clone()), ..Clients::default() });
    Server::new(identity, clients.as_ref(), alpn).map(|server| server.config())
}

/// What a server's configuration is made of, as one SHA-256: two that have the same do the same.
#[must_use]
pub fn fingerprint(identity: &Identity, clients: Option<&Clients>) -> [u8; 32] {
    let mut parts: Vec<Vec<u8>> = identity.chain.iter().map(|certificate| certificate.to_vec()).collect();
    parts.push(identity.key.secret_der().to_vec());
    if let Some(Clients { optional, trust, pinned }) = clients {
        parts.push(format!("{optional} {pinned:?}").into_bytes());
        for root in trust.iter().flat_map(|Trust(roots)| &roots.roots) {
            let constraints = root.name_constraints.as_ref().map(|constraints| constraints.to_vec());
            parts.extend([
                root.subject.to_vec(),
                root.subject_public_key_info.to_vec(),
                constraints.unwrap_or_default(),
            ]);
        }
    }
    let lengths = parts.iter().flat_map(|part| part.len().to_be_bytes());
    sha256(&lengths.chain(parts.concat()).collect::<Vec<u8>>())
}

impl Server {
    /// A server that lets `clients` in, or everybody.
    ///
    /// # Errors
    /// Certificate and key do not fit, or there is nobody to trust.
    pub fn new(identity: Identity, clients: Option<&Clients>, alpn: &[&[u8]]) -> Result<Self, Problem> {
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS);
        let builder = builder.map_err(Problem::new)?;
        let verifier = clients.map(Clients::verifier).transpose()?;
        let builder = match &verifier {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier.clone()),
        };
        let Identity { chain, key, name } = identity;
        let mut config = builder.with_single_cert(chain, key).map_err(|error| identity_problem(&name, &error))?;
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let sessions = verifier.map(|verifier| Arc::new(Sessions::new(verifier, config.time_provider.clone())));
        if sessions.is_some() {
            // Whoever takes the configuration as it is resumes nothing.
            config.session_storage = Arc::new(NoServerSessionStorage {});
        }
        Ok(Self { config: Arc::new(config), sessions })
    }

    /// Begins a connection.
    #[must_use]
    pub fn handshake(&self) -> Handshake {
        let made = self.sessions.as_ref().and_then(|sessions| {
            let witness = Arc::new(Witness::new(sessions.verifier()));
            let sessions = Arc::new(OfConnection::new(sessions.clone()));
            let config = with_verifier(&self.config, witness.clone(), sessions.clone()).ok()?;
            Some(Handshake { config: Arc::new(config), client: Some(MutualTls { sessions, witness }) })
        });
        // It cannot fail: the same was made at the start. Without its sessions it would be as safe.
        made.unwrap_or_else(|| Handshake { config: self.config.clone(), client: None })
    }

    /// Whether a caller that showed these certificates, its own first, would be let in now.
    ///
    /// # Errors
    /// Why not.
    pub fn verify(&self, chain: Option<&[CertificateDer<'_>]>) -> Result<(), rustls::Error> {
        self.sessions.as_ref().map_or(Ok(()), |sessions| sessions.verify(chain))
    }

    /// When the next of these certificates is not valid any more; `None` if all that will be so are so already.
    #[must_use]
    pub fn next_end(&self, chain: &[CertificateDer<'_>]) -> Option<UnixTime> {
        let now = self.sessions.as_ref()?.now().ok()?;
        presented::next_end(chain, now)
    }

    /// How long until then; `None` if it has come.
    #[must_use]
    pub fn time_until(&self, end: UnixTime) -> Option<Duration> {
        let now = self.sessions.as_ref()?.now().ok()?;
        let seconds = end.as_secs().checked_sub(now.as_secs()).filter(|seconds| *seconds > 0)?;
        Some(Duration::from_secs(seconds))
    }

    /// Whether both are one, or clones of one.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config)
    }

    /// The configuration alone, with which no session of a caller is resumed who was asked for a certificate.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }
}

/// A server that looks at a certificate when it is shown, and never again.
impl From<Arc<ServerConfig>> for Server {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self { config, sessions: None }
    }
}

impl Handshake {
    /// What it is made with.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// Says that it is over, so that the caller can come back with less.
    pub fn done(self, connection: &ServerConnection) {
        if let Some(client) = self.client {
            client.sessions.keep(connection);
        }
    }

    /// The certificate that was refused in it, if one was.
    #[must_use]
    pub fn refused(&self) -> Option<&RefusedCertificate> {
        self.client.as_ref()?.witness.refused()
    }
}

/// The same configuration for one connection: with its view of the sessions, and with the witness of its certificate.
fn with_verifier(
    all: &ServerConfig,
    witness: Arc<Witness>,
    sessions: Arc<OfConnection>,
) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_details(all.crypto_provider().clone(), all.time_provider.clone())
        .with_protocol_versions(VERSIONS)?;
    let mut config = builder.with_client_cert_verifier(witness).with_cert_resolver(all.cert_resolver.clone());
    config.alpn_protocols.clone_from(&all.alpn_protocols);
    config.cert_compression_cache = all.cert_compression_cache.clone();
    config.session_storage = sessions;
    Ok(config)
}
