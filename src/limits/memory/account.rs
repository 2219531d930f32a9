//! What one connection of a caller has: the memory of its calls, and the calls that are in flight at backends for it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::purpose::CALL;

/// What one connection may hold is this part of the budget,
const PART: usize = 8;
/// and never less than this, in bytes: as many small calls as a connection may have.
const LEAST: usize = 256 * CALL;

/// By what callers are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CallerId {
    /// The address of the connection.
    Address(IpAddr),
    /// The SHA-256 of the client certificate.
    Certificate([u8; 32]),
}

impl CallerId {
    /// An address. The host that has an IPv6 address has the other 2^64 of its network too.
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

/// One connection's part of what all have.
#[derive(Debug)]
pub struct Account {
    /// Bytes of memory that its calls have.
    held: AtomicUsize,
    /// More than so many it should not.
    most_held: usize,
    /// Its calls that are in flight at backends.
    calls: AtomicUsize,
    /// So many of them it may have.
    most_calls: usize,
    caller: Option<(CallerId, Arc<AtomicUsize>)>,
    callers: Arc<Callers>,
}

/// A call that is in flight at a backend, as its connection and its caller count it. Given back when dropped.
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

    /// Bytes of memory that its calls have.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether its calls have more memory than those of one connection may have.
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
    /// Counts another call.
    ///
    /// # Errors
    /// The connection has as many in flight as it may: so many.
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

    /// Whether its caller has more calls in flight than `part`, while there are other callers.
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
