//! Which address of a backend gets a call: the one with the fewest calls, of those that can be reached.
//!
//! An address that cannot be reached, or whose connection breaks, is ejected: it gets no calls for a while, each time for
//! longer, unless all others are as bad. What a bank answers counts for nothing here: who answers is up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::connection::{Live, Load};
use super::pool::Use;
use crate::upstream::dial::connect::ConnectError;
use crate::upstream::dial::directory::Place;

/// How long an address is ejected that fails once.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
/// How long at most: twice as long after each failure.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// A connection that held for so long says that the address is well.
const STEADY: Duration = Duration::from_secs(10);

/// What became of an attempt to connect; `None` while it lasts.
pub(crate) type Attempt = Option<Result<(), ConnectError>>;

/// One address, with the connections of one pool to it.
pub(crate) struct Endpoint {
    pub(crate) place: Place,
    pub(crate) live: Vec<Live>,
    /// The attempt to connect that is under way. Whoever needs a connection waits for it.
    pub(crate) attempt: Option<watch::Receiver<Attempt>>,
    /// How often in a row it could not be reached, or broke soon.
    failures: u32,
    is_ejected: bool,
}

/// The addresses of one pool.
#[derive(Default)]
pub(crate) struct Endpoints {
    pub(crate) list: Vec<Endpoint>,
    /// Where the next search begins: among addresses with equally many calls each has its turn.
    next: usize,
}

/// A connection, by its places in the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) endpoint: usize,
    pub(crate) live: usize,
    /// It has as many calls as it takes.
    pub(crate) is_crowded: bool,
}

impl Endpoints {
    /// With a search that begins at `next`: not all pools should begin with the same address.
    pub(crate) fn beginning_at(next: usize) -> Self {
        Self { list: Vec::new(), next }
    }

    /// The connection for a call, if one takes it without waiting; and an address that should have a connection more.
    pub(crate) fn choose(&mut self, used: &Use) -> (Option<Chosen>, Option<usize>) {
        if let [only] = self.list.as_mut_slice() {
            let taking = only.taking(used);
            return (taking.map(|(live, is_crowded)| Chosen { endpoint: 0, live, is_crowded }), None);
        }
        self.choose_of_several(used, false)
    }

    /// The same where addresses that should be avoided count like others.
    pub(crate) fn choose_any(&mut self, used: &Use) -> Option<Chosen> {
        self.choose_of_several(used, true).0
    }

    fn choose_of_several(&mut self, used: &Use, any: bool) -> (Option<Chosen>, Option<usize>) {
        let count = self.list.len();
        let start = if count == 0 { 0 } else { self.next % count };
        self.next = start + 1;
        let is_any = any || self.list.iter().all(Endpoint::is_avoided);
        let (mut best, mut wanting) = (None, None);
        for endpoint in (start..count).chain(0..start) {
            let this = &mut self.list[endpoint];
            if !is_any && this.is_avoided() {
                continue;
            }
            let Some((live, is_crowded)) = this.taking(used) else {
                if this.attempt.is_none() && !this.is_avoided() {
                    wanting = wanting.or(Some(endpoint));
                }
                continue;
            };
            let rank = (is_crowded, this.calls());
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, Chosen { endpoint, live, is_crowded }));
            }
        }
        (best.map(|(_, chosen)| chosen), wanting)
    }

    /// Any connection at all, be it as loaded as it may.
    pub(crate) fn last_resort(&mut self) -> Option<Chosen> {
        let candidates = self.list.iter_mut().enumerate();
        let live = candidates.filter_map(|(endpoint, this)| Some((this.least_loaded()?, this.calls(), endpoint)));
        live.min_by_key(|(_, calls, _)| *calls).map(|(live, _, endpoint)| Chosen { endpoint, live, is_crowded: true })
    }

    /// The address to connect to next for a call that no connection takes; not one of those asked already. First those
    /// that never failed.
    pub(crate) fn next_to_ask(&self, was_asked: impl Fn(&Place) -> bool) -> Option<usize> {
        let count = self.list.len();
        let turn = |endpoint: usize| (endpoint + count - self.next % count) % count;
        let open = (0..count).filter(|&endpoint| !was_asked(&self.list[endpoint].place));
        open.min_by_key(|&endpoint| (self.list[endpoint].is_avoided(), self.list[endpoint].failures, turn(endpoint)))
    }

    /// These addresses from now on. Those that are no longer among them get no new calls; the calls there go on.
    pub(crate) fn put(&mut self, places: &[Place]) {
        self.list.retain(|endpoint| places.contains(&endpoint.place));
        for place in places {
            if self.of(place).is_none() {
                self.list.push(Endpoint::new(place.clone()));
            }
        }
    }

    pub(crate) fn of(&mut self, place: &Place) -> Option<&mut Endpoint> {
        self.list.iter_mut().find(|endpoint| endpoint.place == *place)
    }
}

impl Endpoint {
    fn new(place: Place) -> Self {
        Self { place, live: Vec::new(), attempt: None, failures: 0, is_ejected: false }
    }

    /// Whether it should have no calls while others can.
    fn is_avoided(&self) -> bool {
        self.is_ejected || !self.place.standing.is_healthy()
    }

    /// The connection with the fewest calls, if it takes another one, or there can be none besides; and whether it has as
    /// many as it takes.
    fn taking(&mut self, used: &Use) -> Option<(usize, bool)> {
        let live = self.least_loaded()?;
        let is_crowded = !self.live[live].has_room(used);
        (!is_crowded || self.live.len() >= used.connections).then_some((live, is_crowded))
    }

    fn least_loaded(&mut self) -> Option<usize> {
        use std::sync::atomic::Ordering;
        self.live.retain(|live| !live.load.has_ended.load(Ordering::Acquire));
        (0..self.live.len()).min_by_key(|&live| self.live[live].calls())
    }

    pub(crate) fn calls(&self) -> usize {
        self.live.iter().map(Live::calls).sum()
    }

    /// Takes a connection out; false if it was out already.
    pub(crate) fn remove(&mut self, load: &Arc<Load>) -> bool {
        let before = self.live.len();
        self.live.retain(|live| !Arc::ptr_eq(&live.load, load));
        self.live.len() < before
    }

    /// A connection that lasted so long has ended.
    pub(crate) fn lasted(&mut self, time: Duration) {
        if time >= STEADY {
            self.failures = 0;
        }
    }

    /// Ejects it for the time that is given back, with the number by which to [readmit](Self::readmit) it. What fails while
    /// it is ejected, because all others are, does not count: it would be out for long when the backend comes back.
    pub(crate) fn eject(&mut self) -> Option<(Duration, u32)> {
        if self.is_ejected {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        self.is_ejected = true;
        Some((backoff(self.failures), self.failures))
    }

    /// Ends an ejection, unless there was another one since.
    pub(crate) fn readmit(&mut self, failures: u32) {
        if self.failures == failures {
            self.is_ejected = false;
        }
    }

    /// It was reached: calls may come.
    pub(crate) fn reached(&mut self, live: Live) {
        self.is_ejected = false;
        self.live.push(live);
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
