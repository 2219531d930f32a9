//! TLS sessions of callers that are asked for a certificate.
//!
//! A resumed handshake only proves that the caller has connected before: no certificate is presented. Therefore a
//! session keeps the certificates that it began with. They are verified again, by the same rules, before the session is
//! resumed. If they are rejected, the session counts as unknown: the caller makes a full handshake and presents its
//! current certificate.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ServerConnection, StoresServerSessions};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, HandshakeKind};

/// The most sessions that are kept; beyond that, the oldest is dropped.
const MOST: usize = 256;
/// The largest chain, in bytes of DER, with which a session is kept.
const LARGEST_CHAIN: usize = 16 << 10;
/// The longest age of a session, in seconds. After it, a caller must prove again that it has the key of its
/// certificate, however often it has resumed.
const LONGEST: u64 = 24 * 60 * 60;

/// The verifier of callers, and the sessions of those that were accepted.
pub(super) struct Sessions {
    verifier: Arc<dyn ClientCertVerifier>,
    clock: Arc<dyn TimeProvider>,
    kept: Mutex<Kept>,
}

/// The sessions by their names, and the names in order of arrival.
#[derive(Default)]
struct Kept {
    sessions: HashMap<Vec<u8>, Session>,
    order: VecDeque<Vec<u8>>,
}

#[derive(Clone)]
struct Session {
    /// The state from which rustls resumes the session.
    secret: Vec<u8>,
    begun: Begun,
}

/// The full handshake in which a session began.
#[derive(Clone)]
struct Begun {
    at: UnixTime,
    /// The caller's certificates, its own first. `None` if it presented none, where none is required.
    chain: Option<Arc<[CertificateDer<'static>]>>,
}

/// The sessions as one connection sees them.
pub(super) struct OfConnection {
    sessions: Arc<Sessions>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The full handshake of the session that the connection has resumed.
    resumed: Option<Begun>,
    /// Names and secrets of the sessions given to the caller. Whether they are kept is decided when the handshake is
    /// complete.
    given: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Sessions {
    pub(super) fn new(verifier: Arc<dyn ClientCertVerifier>, clock: Arc<dyn TimeProvider>) -> Self {
        Self { verifier, clock, kept: Mutex::default() }
    }

    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.verifier.clone()
    }

    pub(super) fn now(&self) -> Result<UnixTime, rustls::Error> {
        self.clock.current_time().ok_or(rustls::Error::FailedToGetCurrentTime)
    }

    /// Whether a caller that presents these certificates, its own first, would be accepted now.
    pub(super) fn verify(&self, chain: Option<&[CertificateDer<'_>]>) -> Result<(), rustls::Error> {
        match chain.and_then(<[_]>::split_first) {
            Some((own, others)) => self.verifier.verify_client_cert(own, others, self.now()?).map(drop),
            None if self.verifier.client_auth_mandatory() => Err(rustls::Error::NoCertificatesPresented),
            None => Ok(()),
        }
    }

    fn is_current(&self, begun: &Begun) -> Result<(), rustls::Error> {
        let age = self.now()?.as_secs().saturating_sub(begun.at.as_secs());
        if age >= LONGEST {
            return Err(CertificateError::Expired.into());
        }
        self.verify(begun.chain.as_deref())
    }

    fn keep(&self, name: Vec<u8>, session: Session) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { sessions, order } = &mut *kept;
        if sessions.insert(name.clone(), session).is_none() {
            order.push_back(name);
        }
        while sessions.len() > MOST
            && let Some(oldest) = order.pop_front()
        {
            sessions.remove(&oldest);
        }
    }

    fn find(&self, name: &[u8], is_used_up: bool) -> Option<Session> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_used_up {
            return kept.sessions.get(name).cloned();
        }
        let session = kept.sessions.remove(name)?;
        kept.order.retain(|other| other != name);
        Some(session)
    }
}

impl OfConnection {
    pub(super) fn new(sessions: Arc<Sessions>) -> Self {
        Self { sessions, state: Mutex::default() }
    }

    /// Keeps the sessions that the caller was given, now that the handshake is complete.
    pub(super) fn keep(&self, connection: &ServerConnection) {
        let State { resumed, given } = std::mem::take(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner));
        let begun = match connection.handshake_kind() {
            Some(HandshakeKind::Resumed) => resumed,
            _ => self.sessions.now().ok().map(|at| Begun { at, chain: connection.peer_certificates().map(Arc::from) }),
        };
        let size =
            |begun: &Begun| begun.chain.iter().flat_map(|chain| chain.iter()).map(|one| one.len()).sum::<usize>();
        let Some(begun) = begun.filter(|begun| size(begun) <= LARGEST_CHAIN) else { return };
        for (name, secret) in given {
            self.sessions.keep(name, Session { secret, begun: begun.clone() });
        }
    }

    fn find(&self, name: &[u8], is_used_up: bool) -> Option<Vec<u8>> {
        let Session { secret, begun } = self.sessions.find(name, is_used_up)?;
        if let Err(error) = self.sessions.is_current(&begun) {
            tracing::debug!(%error, "a TLS session is not resumed");
            return None;
        }
        self.state.lock().unwrap_or_else(PoisonError::into_inner).resumed = Some(begun);
        Some(secret)
    }
}

impl StoresServerSessions for OfConnection {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).given.push((key, value));
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.find(key, false)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.find(key, true)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl fmt::Debug for OfConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfConnection").finish_non_exhaustive()
    }
}
