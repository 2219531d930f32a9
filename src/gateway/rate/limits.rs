//! Counts each request for the limits of its rpc.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::config::{By, Limit, Mode, QuotaHeaders, Shared, StoreAway};
use super::key::{Asked, Parts};
use super::shared::{SharedAsk, SharedCounts, SharedKey, Verdict};
use crate::limits::rate::{Exceeded, Key, Keys, Left, Quota, Slot, Slots, Table};
use crate::observe::metrics::LimitReading;
use crate::observe::seldom::Seldom;
use crate::route::Rpc;
use crate::upstream::redis::Redis;

/// The most keys that are counted at one time. They take about 64 MiB.
const KEYS: usize = 1 << 20;

/// The limits of a gateway, and their counts. A reload keeps the counts.
#[derive(Debug)]
pub(crate) struct RateLimits {
    limits: Vec<Counted>,
    counts: Arc<Counts>,
    /// The way to the counts that gateways share.
    shared: SharedCounts,
    /// Limits the log lines about limits in report mode.
    told: Seldom,
}

/// What was counted.
#[derive(Debug)]
struct Counts {
    keys: Keys,
    table: Table,
    slots: Arc<Slots>,
}

#[derive(Debug)]
struct Counted {
    limit: Limit,
    /// Whether its key is known only after the token is verified.
    needs_caller: bool,
    /// The number of requests that were rejected, or would have been in report mode.
    exceeded: AtomicU64,
    /// The number of requests that were decided without the store, because it was away.
    without_store: AtomicU64,
}

/// A limit whose rate the store counts.
struct SharedLimit<'a> {
    counted: &'a Counted,
    shared: Shared,
    quota: Quota,
}

/// The limit that rejects a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exceeding {
    /// The name of the limit.
    pub(crate) name: String,
    pub(crate) excess: Excess,
}

/// What is above a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// The rate of requests.
    Rate { quota: Quota, exceeded: Exceeded },
    /// The number of requests in progress; `most` may be.
    Concurrent { most: u32 },
    /// It is not known: the store of a shared limit is away.
    Unknown,
}

/// What limits have counted for a request. Dropping it ends the request for them; only [`RateLimits::refund`] takes the
/// request back.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    rates: Vec<Rate>,
    /// The places of the request among those in progress.
    slots: Vec<Slot>,
    /// What the answer says of quotas.
    pub(crate) quotas: Vec<QuotaNote>,
}

/// What a limit has counted for a request, so that it can be refunded.
#[derive(Debug)]
struct Rate {
    key: Key,
    quota: Quota,
    cost: u64,
}

/// What is left of a quota.
#[derive(Debug)]
pub(crate) struct QuotaNote {
    /// The name of the limit.
    pub(crate) name: String,
    pub(crate) quota: Quota,
    pub(crate) left: Left,
}

impl RateLimits {
    /// `None` if no limit is configured.
    pub(crate) fn new(limits: &[Limit]) -> Option<Self> {
        let counted = |limit: &Limit| Counted {
            limit: limit.clone(),
            needs_caller: limit.by.iter().any(By::needs_caller),
            exceeded: AtomicU64::new(0),
            without_store: AtomicU64::new(0),
        };
        let limits: Vec<Counted> = limits.iter().map(counted).collect();
        let counts = || Counts { keys: Keys::new(), table: Table::new(KEYS), slots: Arc::default() };
        let made = || (Arc::new(counts()), SharedCounts::new(), Seldom::default());
        (!limits.is_empty()).then(made).map(|(counts, shared, told)| Self { limits, counts, shared, told })
    }

    /// Takes over the counts of `old` for limits that have not changed.
    pub(crate) fn going_on_from(self, old: &Self) -> Self {
        for now in &self.limits {
            let Some(before) = old.limits.iter().find(|before| before.limit.name == now.limit.name) else { continue };
            for (now, before) in [(&now.exceeded, &before.exceeded), (&now.without_store, &before.without_store)] {
                now.store(before.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
        Self { counts: old.counts.clone(), ..self }
    }

    /// Counts a request for the limits of its rpc: while its caller is not known, for those that do not ask for it, and
    /// then for the others.
    ///
    /// # Errors
    /// The limit that is exceeded. The other limits do not count the request then.
    pub(crate) fn count(&self, asked: &Asked<'_>) -> Result<Taken, Exceeding> {
        let (policy, mut taken) = (&asked.route.rpc.policy, Taken::default());
        let is_due = |it: &&Counted| it.needs_caller == asked.caller.is_some() && policy.limits.has(&it.limit.name);
        for counted in self.limits.iter().filter(is_due) {
            let limit = &counted.limit;
            if let Err(excess) = self.take(limit, asked, &mut taken)
                && self.is_enforced(counted, asked)
            {
                self.refund(taken);
                return Err(Exceeding { name: limit.name.clone(), excess });
            }
        }
        Ok(taken)
    }

    /// Whether the store counts requests for this rpc.
    pub(crate) fn has_shared(&self, rpc: &Rpc) -> bool {
        self.shared_of(rpc).next().is_some()
    }

    /// Counts a request for the shared limits of its rpc, in one round trip to the store. Its caller is known.
    ///
    /// # Errors
    /// The limit that is exceeded, or that cannot be checked. No limit counts the request here then.
    pub(crate) async fn count_shared(&self, asked: &Asked<'_>, store: Option<&Redis>) -> Result<Taken, Exceeding> {
        let cost = asked.route.rpc.policy.cost as u64;
        let ask = |it: &SharedLimit<'_>| SharedAsk {
            key: SharedKey::of(&Parts { limit: &it.counted.limit, asked }),
            quota: it.quota,
            cost,
            is_enforced: it.counted.limit.mode == Mode::Enforce,
        };
        let (mut asks, mut within) = (Vec::new(), Duration::ZERO);
        for limit in self.shared_of(&asked.route.rpc) {
            asks.push(ask(&limit));
            within = within.max(limit.shared.timeout);
        }
        let answer = self.shared.ask(store, &asks, within).await;
        let mut taken = Taken::default();
        for (place, it) in self.shared_of(&asked.route.rpc).enumerate() {
            let limit = &it.counted.limit;
            let counted = match &answer {
                Ok(verdicts) => self.follow(&it, verdicts.get(place), asked, &mut taken),
                Err(_) => self.without_store(&it, asked, &mut taken),
            };
            if let Err(excess) = counted
                && (excess == Excess::Unknown || self.is_enforced(it.counted, asked))
            {
                self.refund(taken);
                return Err(Exceeding { name: limit.name.clone(), excess });
            }
        }
        Ok(taken)
    }

    fn shared_of<'a>(&'a self, rpc: &'a Rpc) -> impl Iterator<Item = SharedLimit<'a>> + Send {
        let used = self.limits.iter().filter(|it| rpc.policy.limits.has(&it.limit.name));
        used.filter_map(|counted| {
            let (shared, quota) = counted.limit.shared.zip(counted.limit.quota)?;
            Some(SharedLimit { counted, shared, quota })
        })
    }

    /// Does what the store has decided. The local count follows, so that it is not as good as new when the store goes away.
    fn follow(
        &self,
        it: &SharedLimit<'_>,
        verdict: Option<&Verdict>,
        asked: &Asked<'_>,
        taken: &mut Taken,
    ) -> Result<(), Excess> {
        let (limit, quota) = (&it.counted.limit, it.quota);
        match verdict {
            Some(Verdict::Allowed(debt)) => {
                let key = self.counts.keys.key(Parts { limit, asked });
                let _ = self.counts.table.allow(key, quota, asked.route.rpc.policy.cost as u64);
                taken.note(limit, quota, *debt);
                Ok(())
            }
            Some(Verdict::Exceeded(exceeded)) => Err(Excess::Rate { quota, exceeded: *exceeded }),
            // An answer has a verdict for each limit up to the one that rejects.
            None => Ok(()),
        }
    }

    /// Decides without the store.
    fn without_store(&self, it: &SharedLimit<'_>, asked: &Asked<'_>, taken: &mut Taken) -> Result<(), Excess> {
        it.counted.without_store.fetch_add(1, Ordering::Relaxed);
        match it.shared.away {
            StoreAway::Local => {
                let key = self.counts.keys.key(Parts { limit: &it.counted.limit, asked });
                self.charge(&it.counted.limit, (key, it.quota), asked, taken)
            }
            StoreAway::Closed if it.counted.limit.mode == Mode::Enforce => Err(Excess::Unknown),
            StoreAway::Open | StoreAway::Closed => Ok(()),
        }
    }

    fn take(&self, limit: &Limit, asked: &Asked<'_>, taken: &mut Taken) -> Result<(), Excess> {
        let Counts { keys, slots, .. } = &*self.counts;
        let key = keys.key(Parts { limit, asked });
        let slot = match limit.concurrent {
            Some(most) => Some(slots.enter(key, most).ok_or(Excess::Concurrent { most })?),
            None => None,
        };
        if let Some(quota) = limit.quota
            && limit.shared.is_none()
        {
            self.charge(limit, (key, quota), asked, taken)?;
        }
        taken.slots.extend(slot);
        Ok(())
    }

    fn charge(
        &self,
        limit: &Limit,
        (key, quota): (Key, Quota),
        asked: &Asked<'_>,
        taken: &mut Taken,
    ) -> Result<(), Excess> {
        let cost = asked.route.rpc.policy.cost as u64;
        let allowed = self.counts.table.allow(key, quota, cost);
        let debt = allowed.map_err(|exceeded| Excess::Rate { quota, exceeded })?;
        taken.note(limit, quota, debt);
        taken.rates.push(Rate { key, quota, cost });
        Ok(())
    }

    /// Counts a request above a limit. Whether it is rejected: a limit in report mode only logs it.
    fn is_enforced(&self, counted: &Counted, asked: &Asked<'_>) -> bool {
        counted.exceeded.fetch_add(1, Ordering::Relaxed);
        if counted.limit.mode == Mode::Report {
            self.report(&counted.limit, &asked.route.rpc);
        }
        counted.limit.mode == Mode::Enforce
    }

    /// Takes back the counts of a request that another limit rejects.
    pub(crate) fn refund(&self, taken: Taken) {
        for Rate { key, quota, cost } in taken.rates {
            self.counts.table.refund(key, quota, cost);
        }
    }

    fn report(&self, limit: &Limit, rpc: &Rpc) {
        if let Some(left_out) = self.told.line() {
            tracing::info!(limit = limit.name, rpc = rpc.name, "a request above a limit was let through{left_out}");
        }
    }

    /// The readings for the metrics.
    pub(crate) fn readings(&self) -> Vec<LimitReading> {
        let reading = |counted: &Counted| LimitReading {
            name: counted.limit.name.clone(),
            is_enforced: counted.limit.mode == Mode::Enforce,
            exceeded: counted.exceeded.load(Ordering::Relaxed),
            without_store: counted.limit.shared.map(|_| counted.without_store.load(Ordering::Relaxed)),
        };
        self.limits.iter().map(reading).collect()
    }
}

impl Taken {
    /// Notes what is left of a quota, if the answer is to say it.
    fn note(&mut self, limit: &Limit, quota: Quota, debt: Duration) {
        if limit.headers == QuotaHeaders::Always {
            self.quotas.push(QuotaNote { name: limit.name.clone(), quota, left: quota.left(debt) });
        }
    }

    /// Adds what other limits have counted for the same request.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.rates.extend(other.rates);
        self.slots.extend(other.slots);
        self.quotas.extend(other.quotas);
        self
    }

    /// Whether the request holds something until its answer ends, or its answer says something of it.
    pub(crate) fn is_kept(&self) -> bool {
        !self.slots.is_empty() || !self.quotas.is_empty()
    }
}
