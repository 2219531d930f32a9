//! Chooses the address of a backend for a call: among the reachable ones, that with the fewest calls.
//!
//! An address that cannot be reached, or whose connection breaks, is ejected: it gets no calls for a while, longer each
//! time, unless all others are ejected as well. The answers of a backend do not matter here: an address that answers is
//! up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::connection::{Live, Load};
use super::purpose::Purpose;
use crate::upstream::dial::connect::ConnectError;
use crate::upstream::dial::endpoint::Endpoint;

/// How long an address is ejected after its first failure.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
/// The longest ejection; the time doubles with each failure.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// A connection that lasted this long proves that the address works.
const STEADY: Duration = Duration::from_secs(10);

/// The result of an attempt to connect; `None` while it lasts.
pub(crate) type Connecting = Option<Result<(), ConnectError>>;

/// One address, with the connections of one pool to it.
pub(crate) struct Subchannel {
    pub(crate) endpoint: Endpoint,
    pub(crate) live: Vec<Live>,
    /// The current attempt to connect, which calls without a connection wait for.
    pub(crate) attempt: Option<watch::Receiver<Connecting>>,
    /// How many times in a row it could not be reached, or its connection broke soon.
    failures: u32,
    is_ejected: bool,
}

/// The addresses of one pool.
#[derive(Default)]
pub(crate) struct Subchannels {
    pub(crate) list: Vec<Subchannel>,
    /// Where the next search begins, so that addresses with equally many calls take turns.
    next: usize,
}

/// A connection, by its indices in the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) subchannel: usize,
    pub(crate) live: usize,
    /// Whether the connection has as many calls as it takes.
    pub(crate) is_crowded: bool,
}

impl Subchannels {
    /// Begins the first search at `next`, because not all pools should begin with the same address.
    pub(crate) fn beginning_at(next: usize) -> Self {
        Self { list: Vec::new(), next }
    }

    /// The connection for a call, if one can take it without waiting; and an address that should get another
    /// connection.
    pub(crate) fn choose(&mut self, purpose: &Purpose) -> (Option<Chosen>, Option<usize>) {
        if let [only] = self.list.as_mut_slice() {
            let taking = only.taking(purpose);
            return (taking.map(|(live, is_crowded)| Chosen { subchannel: 0, live, is_crowded }), None);
        }
        self.choose_of_several(purpose, false)
    }

    /// The connection for a call, if addresses that should be avoided are allowed as well.
    pub(crate) fn choose_any(&mut self, purpose: &Purpose) -> Option<Chosen> {
        self.choose_of_several(purpose, true).0
    }

    fn choose_of_several(&mut self, purpose: &Purpose, any: bool) -> (Option<Chosen>, Option<usize>) {
        let count = self.list.len();
        let start = if count == 0 { 0 } else { self.next % count };
        self.next = start + 1;
        let is_any = any || self.list.iter().all(Subchannel::is_avoided);
        let (mut best, mut wanting) = (None, None);
        for subchannel in (start..count).chain(0..start) {
            let this = &mut self.list[subchannel];
            if !is_any && this.is_avoided() {
                continue;
            }
            let Some((live, is_crowded)) = this.taking(purpose) else {
                if this.attempt.is_none() && !this.is_avoided() {
                    wanting = wanting.or(Some(subchannel));
                }
                continue;
            };
            let rank = (is_crowded, this.calls());
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, Chosen { subchannel, live, is_crowded }));
            }
        }
        (best.map(|(_, chosen)| chosen), wanting)
    }

    /// Any open connection, however many calls it has.
    pub(crate) fn last_resort(&mut self) -> Option<Chosen> {
        let candidates = self.list.iter_mut().enumerate();
        let live = candidates.filter_map(|(subchannel, this)| {
            let live = this.least_loaded()?;
            Some((this.calls(), Chosen { subchannel, live, is_crowded: true }))
        });
        live.min_by_key(|(calls, _)| *calls).map(|(_, chosen)| chosen)
    }

    /// The address to connect to next, for a call that no connection takes. Skips addresses that were asked already,
    /// and prefers those that never failed.
    pub(crate) fn next_to_ask(&self, was_asked: impl Fn(&Endpoint) -> bool) -> Option<usize> {
        let count = self.list.len();
        let turn = |subchannel: usize| (subchannel + count - self.next % count) % count;
        let open = (0..count).filter(|&subchannel| !was_asked(&self.list[subchannel].endpoint));
        open.min_by_key(|&subchannel| {
            (self.list[subchannel].is_avoided(), self.list[subchannel].failures, turn(subchannel))
        })
    }

    /// Sets the addresses. Addresses that are no longer among them get no new calls; their calls continue.
    pub(crate) fn put(&mut self, endpoints: &[Endpoint]) {
        self.list.retain(|subchannel| endpoints.contains(&subchannel.endpoint));
        for endpoint in endpoints {
            if self.of(endpoint).is_none() {
                self.list.push(Subchannel::new(endpoint.clone()));
            }
        }
    }

    pub(crate) fn of(&mut self, endpoint: &Endpoint) -> Option<&mut Subchannel> {
        self.list.iter_mut().find(|subchannel| subchannel.endpoint == *endpoint)
    }
}

impl Subchannel {
    fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, live: Vec::new(), attempt: None, failures: 0, is_ejected: false }
    }

    /// Whether it should get no calls while other addresses can take them.
    fn is_avoided(&self) -> bool {
        self.is_ejected || !self.endpoint.standing.is_healthy()
    }

    /// The connection with the fewest calls, if it takes another call or no further connection may be opened. Also says
    /// whether it already has as many calls as it takes.
    fn taking(&mut self, purpose: &Purpose) -> Option<(usize, bool)> {
        let live = self.least_loaded()?;
        let is_crowded = !self.live[live].has_room(purpose);
        (!is_crowded || self.live.len() >= purpose.connections).then_some((live, is_crowded))
    }

    fn least_loaded(&mut self) -> Option<usize> {
        use std::sync::atomic::Ordering;
        self.live.retain(|live| !live.load.has_ended.load(Ordering::Acquire));
        (0..self.live.len()).min_by_key(|&live| self.live[live].calls())
    }

    pub(crate) fn calls(&self) -> usize {
        self.live.iter().map(Live::calls).sum()
    }

    /// Removes a connection; false if it was already removed.
    pub(crate) fn remove(&mut self, load: &Arc<Load>) -> bool {
        let before = self.live.len();
        self.live.retain(|live| !Arc::ptr_eq(&live.load, load));
        self.live.len() < before
    }

    /// Notes how long a connection that has ended had lasted.
    pub(crate) fn lasted(&mut self, time: Duration) {
        if time >= STEADY {
            self.failures = 0;
        }
    }

    /// Ejects the address. Gives the time of the ejection, and the number with which to [readmit](Self::readmit) it.
    /// Failures during an ejection, when all addresses are ejected, do not count: otherwise the address would be
    /// ejected for long when the backend comes back.
    pub(crate) fn eject(&mut self) -> Option<(Duration, u32)> {
        if self.is_ejected {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        self.set_ejected(true);
        Some((backoff(self.failures), self.failures))
    }

    /// Ends an ejection, unless another one has begun since.
    pub(crate) fn readmit(&mut self, failures: u32) {
        if self.failures == failures {
            self.set_ejected(false);
        }
    }

    /// Notes that the address was reached, so that it gets calls.
    pub(crate) fn reached(&mut self, live: Live) {
        self.set_ejected(false);
        self.live.push(live);
    }

    fn set_ejected(&mut self, is_ejected: bool) {
        if self.is_ejected != is_ejected {
            self.is_ejected = is_ejected;
            self.endpoint.standing.note_ejected(is_ejected);
        }
    }
}

impl Drop for Subchannel {
    fn drop(&mut self) {
        self.set_ejected(false);
    }
}

fn backoff(failures: u32) -> Duration {
    FIRST_BACKOFF.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_ejected_for_twice_as_long_each_time_and_for_ten_seconds_at_most() {
        let times: Vec<u128> = [1, 2, 3, 5, 6, 7, u32::MAX].map(|failures| backoff(failures).as_millis()).into();
        assert_eq!(times, [200, 400, 800, 3200, 6400, 10_000, 10_000]);
    }
}
