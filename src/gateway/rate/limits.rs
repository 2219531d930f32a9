//! Counts each request for the rate limits of its rpc.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::config::{By, Limit, Mode};
use crate::caller::{Principal, Subject};
use crate::limits::rate::{Exceeded, Key, Quota, Table};
use crate::observe::metrics::LimitReading;
use crate::observe::seldom::Seldom;
use crate::route::Rpc;

/// The most keys that are counted at one time. They take about 64 MiB.
const KEYS: usize = 1 << 20;

/// The limits of a gateway, and their counts. A reload keeps the counts.
#[derive(Debug)]
pub(crate) struct RateLimits {
    limits: Vec<Counted>,
    table: Arc<Table>,
    /// Limits the log lines about limits in report mode.
    told: Seldom,
}

#[derive(Debug)]
struct Counted {
    limit: Limit,
    /// The number of requests that were rejected, or would have been in report mode.
    exceeded: AtomicU64,
}

/// What is known about a request when it is counted.
pub(crate) struct Asked<'a> {
    pub(crate) rpc: &'a Rpc,
    /// The address of the caller, if known.
    pub(crate) address: Option<IpAddr>,
    pub(crate) certificate: Option<[u8; 32]>,
    /// The verified caller; `None` before the token is verified.
    pub(crate) caller: Option<Principal<'a>>,
}

/// The limit that rejects a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exceeding {
    pub(crate) name: String,
    pub(crate) quota: Quota,
    pub(crate) exceeded: Exceeded,
}

/// What a limit has counted for a request, so that it can be refunded.
pub(crate) struct Taken {
    key: Key,
    quota: Quota,
    cost: u64,
}

impl RateLimits {
    /// `None` if no limit is configured.
    pub(crate) fn new(limits: &[Limit]) -> Option<Self> {
        let counted = |limit: &Limit| Counted { limit: limit.clone(), exceeded: AtomicU64::new(0) };
        let limits: Vec<Counted> = limits.iter().map(counted).collect();
        (!limits.is_empty()).then(|| Self { limits, table: Arc::new(Table::new(KEYS)), told: Seldom::default() })
    }

    /// Takes over the counts of `old` for limits that have not changed.
    pub(crate) fn going_on_from(self, old: &Self) -> Self {
        for now in &self.limits {
            let before = old.limits.iter().find(|before| before.limit.name == now.limit.name);
            now.exceeded.store(before.map_or(0, |before| before.exceeded.load(Ordering::Relaxed)), Ordering::Relaxed);
        }
        Self { table: old.table.clone(), ..self }
    }

    /// Counts a request for the limits of its rpc: while its caller is not known, for those that do not ask for it, and
    /// then for the others.
    ///
    /// # Errors
    /// The limit that is exceeded. The other limits do not count the request then.
    pub(crate) fn count(&self, asked: &Asked<'_>) -> Result<Vec<Taken>, Exceeding> {
        let (policy, mut taken) = (&asked.rpc.policy, Vec::new());
        let cost = policy.cost as u64;
        let now = |limit: &Limit| limit.by.contains(&By::Caller) == asked.caller.is_some();
        for counted in self.limits.iter().filter(|it| policy.limits.has(&it.limit.name) && now(&it.limit)) {
            let (limit, quota) = (&counted.limit, counted.limit.quota);
            let key = self.key(limit, asked);
            let Err(exceeded) = self.table.allow(key, quota, cost) else {
                taken.push(Taken { key, quota, cost });
                continue;
            };
            counted.exceeded.fetch_add(1, Ordering::Relaxed);
            if limit.mode == Mode::Report {
                self.report(limit, asked.rpc);
                continue;
            }
            self.refund(taken);
            return Err(Exceeding { name: limit.name.clone(), quota, exceeded });
        }
        Ok(taken)
    }

    /// Takes back the counts of a request that another limit rejects.
    pub(crate) fn refund(&self, taken: Vec<Taken>) {
        for Taken { key, quota, cost } in taken {
            self.table.refund(key, quota, cost);
        }
    }

    fn report(&self, limit: &Limit, rpc: &Rpc) {
        if let Some(left_out) = self.told.line() {
            tracing::info!(limit = limit.name, rpc = rpc.name, "a request above a limit was let through{left_out}");
        }
    }

    /// The quota that a request is counted in.
    fn key(&self, limit: &Limit, asked: &Asked<'_>) -> Key {
        let has = |by| limit.by.contains(&by);
        let address = || asked.address.map(|address| masked(address, limit));
        let certificate = || asked.certificate.map_or_else(|| Part::Address(address()), Part::Certificate);
        let caller = has(By::Caller).then(|| match asked.caller {
            Some(Principal::Subject(Subject { issuer, subject, client })) => Part::Subject(issuer, subject, client),
            Some(Principal::Certificate(sha256)) => Part::Certificate(sha256),
            Some(Principal::Anonymous) | None => Part::Address(address()),
        });
        let rpc = has(By::Rpc).then_some(&*asked.rpc.name);
        let whence = (has(By::Certificate).then(certificate), has(By::Address).then(address));
        self.table.key(((&limit.name, rpc), caller, whence))
    }

    /// The readings for the metrics.
    pub(crate) fn readings(&self) -> Vec<LimitReading> {
        let reading = |counted: &Counted| LimitReading {
            name: counted.limit.name.clone(),
            is_enforced: counted.limit.mode == Mode::Enforce,
            exceeded: counted.exceeded.load(Ordering::Relaxed),
        };
        self.limits.iter().map(reading).collect()
    }
}

/// One part of a key.
#[derive(Hash)]
enum Part<'a> {
    Subject(&'a str, &'a str, &'a str),
    Certificate([u8; 32]),
    Address(Option<IpAddr>),
}

/// The address with all bits behind the prefix set to zero.
fn masked(address: IpAddr, limit: &Limit) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(limit.ipv4_prefix)).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(limit.ipv6_prefix)).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}
