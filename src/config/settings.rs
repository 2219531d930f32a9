//! The typed configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::callers::KeyServer;
use super::compatibility::{Preset, PresetKey};
use super::idempotency::SharedIdempotency;
use super::store::Store;
use super::traces::Traces;
use super::upstreams::{Reflection, Upstream};
use crate::caller;
use crate::format::reserved::ReservedPath;
use crate::format::secret::Permissions;
use crate::gateway;
use crate::gateway::metadata;
use crate::observe::access;
use crate::route::{self, RpcOptions};
use crate::schema::Imports;
use crate::server;
use crate::tls::IdentityFiles;
use crate::upstream;

/// The typed configuration. What could not be read is `None` or left out, and a problem says so.
pub struct Config {
    pub listen: Option<server::Config>,
    /// `.proto` files, folders of `.proto` files, and descriptor sets.
    pub schema: Vec<PathBuf>,
    /// Folders to search for imports of `.proto` files, and how.
    pub imports: Imports,
    /// Servers whose descriptors are read by reflection.
    pub reflection: Vec<Reflection>,
    /// The upstream of every rpc, unless `upstreams` has several.
    pub upstream: Option<upstream::Config>,
    /// Several upstreams, each with the rpcs that it serves.
    pub upstreams: Vec<Upstream>,
    pub proxy: gateway::Config,
    pub metadata: metadata::Config,
    /// Which callers may call; `None` if no tokens are checked.
    pub callers: Option<caller::Config>,
    /// The servers from which keys of token issuers are fetched.
    pub key_servers: Vec<KeyServer>,
    /// The policy of every rpc, for what `rpcs` does not override.
    pub routes: route::Defaults,
    /// The files that `rules`, `validation.rules` and `listen.addresses` were read from.
    pub rule_files: Vec<PathBuf>,
    /// How changed files are detected.
    pub reload: Reload,
    /// `host:port` of the admin listener; `None` if there is none.
    pub admin: Option<String>,
    /// The path of the OpenAPI document and its page on the listener; `None` if they are not served.
    pub openapi: Option<ReservedPath>,
    /// The access log; `None` if it is not configured.
    pub access_log: Option<access::Config>,
    /// The collector of traces; `None` if requests are not traced.
    pub traces: Option<Traces>,
    /// The server that several gateways share; `None` if it is not configured.
    pub store: Option<Store>,
    /// Idempotency keys in `store`; `None` if they are in the memory of this process.
    pub shared_idempotency: Option<SharedIdempotency>,
    /// The memory budget in bytes; `None` if the file does not set it.
    pub memory: Option<usize>,
    /// Which permissions files with secrets may have.
    pub secret_files: Permissions,
    /// The preset of `compatibility` and the keys that it sets, if the file names one.
    pub compatibility: Option<(Preset, Vec<PresetKey>)>,
    /// The effective configuration as YAML: the file with its `compatibility` preset merged in, without secrets.
    pub shown: String,
    /// Policies of single rpcs. Whether the schema has these rpcs is checked later and reported with their `place`.
    pub rpcs: Vec<RpcOptions>,
}

/// How changed files are detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reload {
    /// Whether files are polled for changes. SIGHUP causes a reload in any case.
    pub watch: bool,
    /// The time between two polls.
    pub interval: Duration,
}

impl Config {
    /// Every server that is called by gRPC: the upstreams, and the collector of traces.
    pub fn upstreams(&self) -> impl Iterator<Item = &upstream::Config> {
        let several = self.upstreams.iter().map(|upstream| &upstream.config);
        let collector = self.traces.iter().map(|traces| &traces.collector);
        self.upstream.iter().chain(several).chain(collector)
    }

    /// The most bytes of this process that idempotency keys may use.
    #[must_use]
    pub fn idempotency_memory(&self) -> usize {
        if self.shared_idempotency.is_some() { 0 } else { self.proxy.idempotency_memory }
    }

    /// Every file and folder that the configuration names, without the configuration file itself.
    pub fn files(&self) -> Vec<PathBuf> {
        let identity = |identity: &IdentityFiles| [identity.cert.clone(), identity.key.clone()];
        let listen = self.listen.iter().filter_map(|listen| listen.tls.as_ref());
        let listen = listen.flat_map(|tls| identity(&tls.identity).into_iter().chain(tls.client_ca.clone()));
        let hop = self.listen.iter().filter_map(|listen| listen.hop.as_ref()?.client_ca.clone());
        let listen = listen.chain(hop);
        let upstreams = self.upstreams().map(|upstream| (&upstream.tls, upstream.proxy.as_ref()));
        let servers = self.key_servers.iter().map(|server| (&server.fetch.tls, server.fetch.proxy.as_ref()));
        let upstreams = upstreams.chain(servers).flat_map(|(tls, proxy)| {
            let password = proxy.and_then(|proxy| proxy.password_file().map(Path::to_path_buf));
            tls.identity.iter().flat_map(identity).chain(tls.ca.clone()).chain(password)
        });
        let key_sets = self.callers.iter().flat_map(caller::Config::files);
        let keys = self.shared_idempotency.iter().flat_map(SharedIdempotency::sources);
        let keys = keys.filter_map(|source| source.path().map(Path::to_owned));
        let store = self.store.iter().flat_map(Store::files).chain(keys);
        let files = self.schema.iter().chain(&self.rule_files).chain(key_sets).cloned();
        files.chain(listen).chain(upstreams).chain(store).collect()
    }
}
