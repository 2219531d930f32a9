//! The current addresses of a backend: its host names are looked up again when their TTL is over.
//!
//! All workers share one [`Directory`]. While look-ups succeed, no address is used for longer than its TTL, within the
//! configured bounds. When they fail, the last addresses stay in use, and the log says so once. IP addresses need no
//! look-up, and without host names no task runs.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::connections::Connections;
use super::endpoint::Endpoint;
use super::lookup::{ResolvedName, look_up};
use super::target::Target;
use crate::upstream::targets;

/// The longest pause before a failed look-up is repeated; the last TTL and the longest TTL also limit it.
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// How host names are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// The shortest TTL; a shorter one counts as this.
    pub min_ttl: Duration,
    /// The longest TTL; a longer one counts as this, and entries of `/etc/hosts` have this TTL.
    pub max_ttl: Duration,
    /// The DNS servers to ask; if empty, those of the operating system.
    pub servers: Vec<SocketAddr>,
}

impl Default for Dns {
    fn default() -> Self {
        Self { min_ttl: Duration::from_secs(1), max_ttl: Duration::from_secs(30), servers: Vec::new() }
    }
}

/// The addresses of a backend, as far as they are known.
#[derive(Clone, Default)]
pub(crate) struct Resolved {
    pub(crate) endpoints: Arc<[Endpoint]>,
    /// Why the last look-up of a host name failed.
    pub(crate) problem: Option<Arc<str>>,
}

/// The current addresses of one backend, for all its callers. Dropping it stops the look-ups.
pub(crate) struct Directory {
    pub(crate) connections: Connections,
    known: watch::Receiver<Resolved>,
    /// Look-ups that have not started yet.
    waiting: Mutex<Option<Vec<Following>>>,
    /// The runtime for the look-ups, which keeps them off the threads that serve calls.
    runtime: Option<Handle>,
    tasks: Mutex<Vec<AbortHandle>>,
}

/// The endpoints of one configured address, and its problem. All entries are published together.
#[derive(Default)]
struct Entry {
    endpoints: Vec<Endpoint>,
    problem: Option<Arc<str>>,
}

/// The repeated look-up of one host name.
struct Following {
    target: Arc<Target>,
    /// The index of the entry that it fills.
    index: usize,
    entries: Arc<Mutex<Vec<Entry>>>,
    known: Arc<watch::Sender<Resolved>>,
    dns: Dns,
}

impl Directory {
    /// Creates the directory without starting a look-up. Look-ups will run in the runtime of this call, if there is
    /// one.
    pub(crate) fn new(targets: Vec<Target>, dns: &Dns, connections: Connections) -> Arc<Self> {
        let targets: Vec<Arc<Target>> = targets.into_iter().map(Arc::new).collect();
        let literal = |target: &Arc<Target>| {
            let (host, port) = target.dialled();
            let address: Option<IpAddr> = host.parse().ok();
            address.map(|address| Endpoint::new(target.clone(), SocketAddr::new(address, port)))
        };
        let entry = |target| Entry { endpoints: literal(target).into_iter().collect(), problem: None };
        let entries: Vec<Entry> = targets.iter().map(entry).collect();
        let names: Vec<usize> = (0..entries.len()).filter(|&index| entries[index].endpoints.is_empty()).collect();
        let (sender, known) = watch::channel(together(&entries));
        let (sender, entries) = (Arc::new(sender), Arc::new(Mutex::new(entries)));
        let following = |index: usize| {
            let (target, known) = (targets[index].clone(), sender.clone());
            Following { target, index, entries: entries.clone(), known, dns: dns.clone() }
        };
        let waiting = Mutex::new(Some(names.into_iter().map(following).collect()));
        let runtime = Handle::try_current().ok();
        Arc::new(Self { connections, known, waiting, runtime, tasks: Mutex::default() })
    }

    /// The directory of a backend at fixed endpoints.
    pub(crate) fn of(endpoints: Arc<[Endpoint]>, connections: Connections) -> Arc<Self> {
        let (_, known) = watch::channel(Resolved { endpoints, problem: None });
        let (waiting, runtime) = (Mutex::new(None), None);
        Arc::new(Self { connections, known, waiting, runtime, tasks: Mutex::default() })
    }

    /// The known addresses, now and as they change. Starts the look-ups.
    pub(crate) fn known(&self) -> watch::Receiver<Resolved> {
        self.start();
        self.known.clone()
    }

    /// The addresses that are known now. Starts no look-up.
    pub(crate) fn now(&self) -> Resolved {
        self.known.borrow().clone()
    }

    /// Starts the look-ups, unless they have been started.
    ///
    /// True if this call has started them.
    pub(crate) fn start(&self) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let begins = waiting.is_some();
        waiting.into_iter().flatten().for_each(|following| self.run(following.run()));
        begins
    }

    /// Runs a task until the directory is dropped.
    pub(crate) fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        let Some(runtime) = self.runtime.clone().or_else(|| Handle::try_current().ok()) else { return };
        let task = runtime.spawn(task).abort_handle();
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let tasks = self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner);
        tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Following {
    async fn run(self) {
        let mut failures = 0;
        let mut longest = LONGEST_RETRY.min(self.dns.max_ttl);
        loop {
            let looked = look_up(self.target.dialled().0, &self.dns.servers).await;
            let wait = match looked {
                Ok(found) => {
                    self.found(&found, failures > 0);
                    failures = 0;
                    let ttl = found.ttl.clamp(self.dns.min_ttl, self.dns.max_ttl);
                    // Failed look-ups are repeated at least once per TTL, so that changes are noticed as quickly as
                    // ever afterwards.
                    longest = ttl.min(LONGEST_RETRY);
                    ttl
                }
                Err(cause) => {
                    self.failed(&cause, failures == 0);
                    failures += 1;
                    let longer = self.dns.min_ttl.saturating_mul(1 << (failures - 1).min(16));
                    longer.min(longest)
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    fn found(&self, found: &ResolvedName, has_failed: bool) {
        let (name, port) = self.target.dialled();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = &mut entries[self.index];
        let mut addresses: Vec<SocketAddr> =
            found.addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
        addresses.sort_unstable();
        let is_new = !entry.endpoints.iter().map(|endpoint| endpoint.address).eq(addresses.iter().copied());
        if has_failed || is_new {
            let listed: Vec<String> = found.addresses.iter().map(IpAddr::to_string).collect();
            let again = if has_failed { "is resolved again" } else { "is resolved" };
            tracing::info!(target: targets::RESOLVE, "{name} {again}: {}", listed.join(", "));
        }
        if !is_new && entry.problem.is_none() {
            return;
        }
        let known = |address: SocketAddr| entry.endpoints.iter().find(|endpoint| endpoint.address == address).cloned();
        let endpoint = |address| known(address).unwrap_or_else(|| Endpoint::new(self.target.clone(), address));
        *entry = Entry { endpoints: addresses.into_iter().map(endpoint).collect(), problem: None };
        self.known.send_replace(together(&entries));
    }

    fn failed(&self, cause: &str, is_first: bool) {
        let name = self.target.dialled().0;
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = &mut entries[self.index];
        if is_first {
            let meanwhile = match entry.endpoints.as_slice() {
                [] => "it has no address to call",
                _ => "its last addresses stay in use",
            };
            tracing::warn!(target: targets::RESOLVE, "{name} cannot be resolved: {cause}; {meanwhile}");
        }
        entry.problem = Some(format!("{name}: {cause}").into());
        // Pools that have addresses continue with them and need not be woken.
        if entry.endpoints.is_empty() {
            self.known.send_replace(together(&entries));
        }
    }
}

fn together(entries: &[Entry]) -> Resolved {
    let endpoints = entries.iter().flat_map(|entry| entry.endpoints.iter().cloned()).collect();
    Resolved { endpoints, problem: entries.iter().find_map(|entry| entry.problem.clone()) }
}
