//! TLS as a server: a configuration for each connection, and a check whether a caller would still be accepted.

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

/// A TLS server. Cheap to clone: all clones share one set of sessions.
#[derive(Clone)]
pub struct Server {
    config: Arc<ServerConfig>,
    /// `None` if no caller is asked for a certificate.
    sessions: Option<Arc<Sessions>>,
}

/// The TLS settings of one connection.
pub struct Handshake {
    config: Arc<ServerConfig>,
    /// Set if the caller is asked for a certificate.
    client: Option<MutualTls>,
}

struct MutualTls {
    sessions: Arc<OfConnection>,
    witness: Arc<Witness>,
}

/// The configuration of a server without session resumption. With `clients`, it asks callers for a certificate and
/// rejects those without a trusted one.
///
/// # Errors
/// Certificate and key do not belong together, or `clients` has nothing to trust.
pub fn server(identity: Identity, clients: Option<&Trust>, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, Problem> {
    let clients = clients.map(|trust| Clients { trust: Some(trust.clone()), ..Clients::default() });
    Server::new(identity, clients.as_ref(), alpn).map(|server| server.config())
}

/// A SHA-256 of everything that a server's configuration is made of. Equal fingerprints mean equal behaviour.
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
    /// A server that accepts `clients`, or everybody if it is `None`.
    ///
    /// # Errors
    /// Certificate and key do not belong together, or there is nothing to trust.
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
            // Code that takes this configuration as it is resumes no sessions.
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
        // This cannot fail, because the same configuration was built at the start. Without sessions, the connection
        // would be equally safe.
        made.unwrap_or_else(|| Handshake { config: self.config.clone(), client: None })
    }

    /// Whether a caller that presents these certificates, its own first, would be accepted now.
    ///
    /// # Errors
    /// Why the caller would be rejected.
    pub fn verify(&self, chain: Option<&[CertificateDer<'_>]>) -> Result<(), rustls::Error> {
        self.sessions.as_ref().map_or(Ok(()), |sessions| sessions.verify(chain))
    }

    /// When the next of these certificates expires; `None` if none is left to expire.
    #[must_use]
    pub fn next_end(&self, chain: &[CertificateDer<'_>]) -> Option<UnixTime> {
        let now = self.sessions.as_ref()?.now().ok()?;
        presented::next_end(chain, now)
    }

    /// The time left until `end`; `None` if it has passed.
    #[must_use]
    pub fn time_until(&self, end: UnixTime) -> Option<Duration> {
        let now = self.sessions.as_ref()?.now().ok()?;
        let seconds = end.as_secs().checked_sub(now.as_secs()).filter(|seconds| *seconds > 0)?;
        Some(Duration::from_secs(seconds))
    }

    /// Whether both are the same server, or clones of it.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config)
    }

    /// The configuration alone. With it, no session is resumed for callers that are asked for a certificate.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }
}

/// A server that checks a certificate when it is presented, and never again.
impl From<Arc<ServerConfig>> for Server {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self { config, sessions: None }
    }
}

impl Handshake {
    /// The configuration for the connection.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// Ends the handshake, and keeps its session so that the caller can resume it.
    pub fn done(self, connection: &ServerConnection) {
        if let Some(client) = self.client {
            client.sessions.keep(connection);
        }
    }

    /// The certificate that was rejected in this handshake, if there was one.
    #[must_use]
    pub fn refused(&self) -> Option<&RefusedCertificate> {
        self.client.as_ref()?.witness.refused()
    }
}

/// The configuration of the server for one connection: with its view of the sessions, and with the witness for its
/// certificate.
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
