//! Limits the concurrent TLS handshakes with one address, and reports failed ones.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::observe::metrics::{HandshakeCounts, HandshakeFault};
use crate::observe::refused::shown;
use crate::observe::seldom::Seldom;
use crate::tls::{self, RefusedCertificate};

/// The default for the most handshakes with one address at one time. A load balancer in front has one address, and
/// begins many at once after a restart; those beyond the limit wait.
pub const HANDSHAKES_OF_ONE_ADDRESS: usize = 100;

/// The longest text of a reason, in bytes, because some reasons quote what the caller has sent.
const LONGEST_REASON: usize = 160;

/// The handshakes of all workers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Handshakes(Arc<All>);

struct All {
    most: usize,
    /// The addresses with handshakes now or waiting, each with its free places.
    addresses: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
    counts: HandshakeCounts,
    told: Seldom,
    /// Limits the log lines about HTTP/2 on connections that only speak HTTP/1.1.
    prefaces: Seldom,
}

/// The place of a handshake among those with its address. Dropping it frees the place.
pub(super) struct HandshakePermit {
    all: Arc<All>,
    network: IpAddr,
    turns: Option<Arc<Semaphore>>,
    turn: Option<OwnedSemaphorePermit>,
}

/// Why a handshake failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The caller closed the connection without sending anything: load balancers check that way whether the port is
    /// open.
    Silent,
    /// The handshake took too long.
    TimedOut,
    /// The connection or the TLS data of the caller failed.
    Io(io::Error),
}

impl Handshakes {
    pub(super) fn new(most: usize, counts: HandshakeCounts) -> Self {
        let (addresses, told, prefaces) = (Mutex::default(), Seldom::default(), Seldom::default());
        Self(Arc::new(All { most: most.min(Semaphore::MAX_PERMITS), addresses, counts, told, prefaces }))
    }

    /// Handshakes without a limit.
    pub(super) fn unbounded() -> Self {
        Self::new(usize::MAX, HandshakeCounts::default())
    }

    /// Waits for a free place and takes it.
    pub(super) async fn place(&self, address: IpAddr) -> HandshakePermit {
        let (all, network) = (self.0.clone(), network(address));
        let turns = {
            let mut addresses = all.addresses.lock().unwrap_or_else(PoisonError::into_inner);
            addresses.entry(network).or_insert_with(|| Arc::new(Semaphore::new(all.most))).clone()
        };
        // From here on the place is freed on drop, even if the caller stops waiting.
        let mut place = HandshakePermit { all, network, turns: Some(turns.clone()), turn: None };
        place.turn = turns.acquire_owned().await.ok();
        place
    }

    /// Counts a handshake that succeeded.
    pub(super) fn made(&self, version: &'static str) {
        self.0.counts.made(version);
    }

    /// Counts a handshake that failed, and logs it with the certificate that was rejected. Logs at most one per second.
    pub(super) fn failed(&self, address: Option<IpAddr>, failure: &Failure, refused: Option<&RefusedCertificate>) {
        let Some(fault) = failure.fault() else { return };
        self.0.counts.failed(fault);
        let Some(left_out) = self.0.told.line() else { return };
        let shown = shown(address);
        match refused {
            None => tracing::info!("a TLS handshake with {shown} failed: {failure}{left_out}"),
            Some(certificate) => tracing::info!(
                "a TLS handshake with {shown} failed: {failure}; the caller's certificate: {certificate}{left_out}"
            ),
        }
    }

    /// Logs that a caller speaks HTTP/2 on a connection that only speaks HTTP/1.1.
    pub(super) fn preface(&self, address: Option<IpAddr>) {
        let Some(left_out) = self.0.prefaces.line() else { return };
        tracing::info!(
            "{} speaks HTTP/2 on a connection of HTTP/1.1, and was told so: HTTP/2 is spoken over TLS, where ALPN chooses it{left_out}",
            shown(address)
        );
    }
}

impl Drop for HandshakePermit {
    fn drop(&mut self) {
        drop((self.turn.take(), self.turns.take()));
        let mut addresses = self.all.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if addresses.get(&self.network).is_some_and(|turns| Arc::strong_count(turns) == 1) {
            addresses.remove(&self.network);
        }
    }
}

/// What counts as one address: for IPv6 a /64, which may all belong to one machine.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address @ IpAddr::V4(_) => address,
    }
}

impl Failure {
    fn fault(&self) -> Option<HandshakeFault> {
        Some(match self {
            Self::Silent => return None,
            Self::TimedOut => HandshakeFault::TimedOut,
            Self::Io(error) => match tls_error(error) {
                None => HandshakeFault::Closed,
                Some(Error::NoCertificatesPresented | Error::InvalidCertificate(_)) => HandshakeFault::Certificate,
                Some(Error::AlertReceived(_)) => HandshakeFault::Refused,
                Some(_) => HandshakeFault::Protocol,
            },
        })
    }
}

fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("the caller sent nothing"),
            Self::TimedOut => f.write_str("it took too long"),
            Self::Io(error) => {
                let text = tls_error(error).map_or_else(|| error.to_string(), tls::explain);
                let end = text.floor_char_boundary(LONGEST_REASON);
                let more = if end < text.len() { "..." } else { "" };
                write!(f, "{}{more}", text[..end].escape_debug())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn concurrent_handshakes_are_limited_per_address_without_delaying_others() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let handshakes = Handshakes::new(2, HandshakeCounts::default());
            let at = |text: &str| text.parse::<IpAddr>().unwrap();
            let first = handshakes.place(at("192.0.2.1")).await;
            let second = handshakes.place(at("::ffff:192.0.2.1")).await;
            let third = tokio::time::timeout(Duration::from_millis(50), handshakes.place(at("192.0.2.1"))).await;
            assert!(third.is_err(), "a third one");
            let others = [handshakes.place(at("192.0.2.2")).await, handshakes.place(at("2001:db8::1")).await];
            let neighbour = handshakes.place(at("2001:db8::2")).await;
            let third = tokio::time::timeout(Duration::from_millis(50), handshakes.place(at("2001:db8::3"))).await;
            assert!(third.is_err(), "a third one of a /64");
            drop(first);
            let third = handshakes.place(at("192.0.2.1")).await;
            assert_eq!(handshakes.0.addresses.lock().unwrap().len(), 3);
            drop((second, third, others, neighbour));
            assert!(handshakes.0.addresses.lock().unwrap().is_empty(), "nobody is remembered");
        });
    }

    #[test]
    fn a_failed_handshake_is_reported_in_one_line_of_bounded_length() {
        let long = Error::General("a\nb".repeat(1000));
        let failure = Failure::Io(io::Error::new(io::ErrorKind::InvalidData, long));
        let text = failure.to_string();
        assert!(text.starts_with("unexpected error: a\\nba\\nb") && text.ends_with("..."), "{text}");
        assert!(text.len() < 2 * LONGEST_REASON && !text.contains('\n'), "{text}");
    }
}
