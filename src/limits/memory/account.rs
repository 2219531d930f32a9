//! Counts what one caller's connection uses: the memory of its calls, and its calls in flight at backends.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::purpose::CALL;

/// One connection may hold this fraction of the budget (an eighth),
const PART: usize = 8;
/// but always at least this many bytes: enough for as many small calls as a connection may have.
const LEAST: usize = 256 * CALL;

/// How callers are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CallerId {
    /// The address of the connection.
    Address(IpAddr),
    /// The SHA-256 of the client certificate.
    Certificate([u8; 32]),
}

impl CallerId {
    /// Identifies a caller by address. An IPv6 host has a whole /64 network, so only the first 64 bits count.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => Self::Address(IpAddr::V6((address.to_bits() >> 64 << 64).into())),
            address @ IpAddr::V4(_) => Self::Address(address),
        }
    }
}

/// All callers that have a connection.
#[derive(Debug, Default)]
pub(super) struct Callers {
    known: Mutex<HashMap<CallerId, (usize, Arc<AtomicUsize>)>>,
    count: AtomicUsize,
}

/// The counts of one connection.
#[derive(Debug)]
pub struct Account {
    /// Bytes of memory held by its calls.
    held: AtomicUsize,
    /// Above this many bytes the connection is over its share.
    most_held: usize,
    /// How many of its calls are in flight at backends.
    calls: AtomicUsize,
    /// How many calls it may have in flight.
    most_calls: usize,
    caller: Option<(CallerId, Arc<AtomicUsize>)>,
    callers: Arc<Callers>,
}

/// Counts one call in flight at a backend, for its connection and its caller. Dropping it ends the count.
#[derive(Debug, Default)]
pub struct Tie(Option<Arc<Account>>);

impl Account {
    pub(super) fn new(callers: Arc<Callers>, caller: Option<CallerId>, size: usize, most_calls: usize) -> Self {
        let caller = caller.map(|caller| {
            let calls = callers.enter(&caller);
            (caller, calls)
        });
        let (held, calls) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { held, most_held: (size / PART).max(LEAST), calls, most_calls, caller, callers }
    }

    /// Bytes of memory held by the calls of this connection.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether its calls hold more memory than one connection may.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.held() > self.most_held
    }

    pub(super) fn add(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn give(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some((caller, _)) = &self.caller {
            self.callers.leave(caller);
        }
    }
}

impl Callers {
    fn enter(&self, caller: &CallerId) -> Arc<AtomicUsize> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (connections, calls) = known.entry(caller.clone()).or_default();
        *connections += 1;
        let calls = calls.clone();
        self.count.store(known.len(), Ordering::Relaxed);
        calls
    }

    fn leave(&self, caller: &CallerId) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((connections, _)) = known.get_mut(caller) {
            *connections -= 1;
            if *connections == 0 {
                known.remove(caller);
            }
        }
        self.count.store(known.len(), Ordering::Relaxed);
    }
}

impl Tie {
    /// Counts one more call.
    ///
    /// # Errors
    /// The connection has the maximum number of calls in flight; the error is that number.
    pub fn of(account: Option<&Arc<Account>>) -> Result<Self, usize> {
        let Some(account) = account else { return Ok(Self(None)) };
        let most = account.most_calls;
        let add = |calls: usize| (calls < most).then_some(calls + 1);
        account.calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).map_err(|_| most)?;
        if let Some((_, calls)) = &account.caller {
            calls.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Self(Some(account.clone())))
    }

    /// Whether its caller has more than `part` calls in flight while other callers are connected.
    #[must_use]
    pub fn is_beyond(&self, part: usize) -> bool {
        let Some(Account { caller: Some((_, calls)), callers, .. }) = self.0.as_deref() else { return false };
        callers.count.load(Ordering::Relaxed) > 1 && calls.load(Ordering::Relaxed) > part
    }
}

impl Drop for Tie {
    fn drop(&mut self) {
        let Some(account) = &self.0 else { return };
        account.calls.fetch_sub(1, Ordering::Relaxed);
        if let Some((_, calls)) = &account.caller {
            calls.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
