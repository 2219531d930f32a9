//! Joins all parts: turns a configuration into a gateway that can serve, or into a list of all problems.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::admin::Snapshot;
use super::checks::{certificates, check_certificates, passwords, reserved_paths, unheard_proxies};
use super::hop;
use super::idempotency;
use super::keep::keep;
use super::key_refresh::{KeyRefreshes, key_refreshes};
use super::limits;
use super::notes;
use super::openapi::{Api, Certificate, Descriptors, page};
use super::store::{shared_keys, store};
use super::trace_export::{Collector, TraceExport};
use crate::caller::Callers;
use crate::config::{Config, Preset, PresetKey};
use crate::format::problem::Problem;
use crate::format::secret::Permissions;
use crate::gateway::metadata::Metadata;
use crate::gateway::{self, Door, Gateway, Observers};
use crate::limits::memory::{self, Budget, Share};
use crate::observe::access::{self, AccessLog};
use crate::observe::metrics::{HandshakeCounts, Metrics, RequestMetrics};
use crate::route::policy::Require;
use crate::route::{Route, Routes, misplaced};
use crate::schema::{DescriptorSource, Remarks, Schema};
use crate::server::{self, Bounds, ClientAuth, Drain, Listener, Plain, Recipe, SYSTEMD, Served, Stop};
use crate::tls::certs::{self, Inspection, Usage};
use crate::tls::{self, Clients, Identity, Trust};
use crate::upstream::Upstream;
use crate::upstream::redis::Redis;
use crate::upstream::reflection;

/// File descriptors that connections of callers may not use, unless 1/8 of the limit is more. Connections to backends
/// need most of them.
const OWN_FILES: usize = 64;

/// Replaces what is served while it is served.
pub type Handover = server::Handover<Door>;

/// A gateway whose configuration, descriptors, rules and certificates are valid.
pub struct App {
    listen: server::Config,
    tls: Option<ServerTls>,
    gateway: Arc<Gateway>,
    /// Fetches the keys of token issuers while the gateway is served.
    keys: KeyRefreshes,
    /// The names of the upstreams; empty if there is only one.
    names: Vec<String>,
    /// Certificates to check again as time passes.
    certificates: Vec<Inspection>,
    warnings: Vec<String>,
    /// The address of the admin port, if it is configured.
    admin: Option<String>,
    /// The configuration of the access log.
    access_log: Option<access::Config>,
    /// The collector of traces, if it is configured, and the way to it.
    collector: Option<Arc<Collector>>,
    export: Option<TraceExport>,
    /// The memory budget in bytes, if it is configured.
    memory: Option<usize>,
    /// The configuration as YAML, without secrets.
    shown: String,
    /// The sources of the descriptors, except servers that were asked by reflection.
    descriptors: Descriptors,
    /// The preset of `compatibility` and the keys that it sets.
    compatibility: Option<(Preset, Vec<PresetKey>)>,
}

/// What the checks before [`App::join`] found.
struct Checked {
    certificates: Vec<Inspection>,
    warnings: Vec<String>,
    problems: Vec<Problem>,
}

/// The TLS configuration for callers, and the fingerprint of its sources.
#[derive(Clone)]
struct ServerTls {
    server: tls::Server,
    fingerprint: [u8; 32],
}

/// A gateway that has bound its port.
pub struct Bound {
    listener: Listener,
    handover: Arc<Handover>,
    bounds: Bounds,
    /// Lines to print at the start: one for the listener, one for the routes.
    pub summary: String,
    pub address: SocketAddr,
}

impl App {
    /// Checks everything that `config` names, and joins it. `problems` are those that were found while the
    /// configuration was read.
    ///
    /// # Errors
    /// All problems.
    pub async fn new(config: Config, problems: Vec<Problem>) -> Result<Self, Vec<Problem>> {
        Self::with_schema(config, problems, None).await
    }

    /// Like [`App::new`], with descriptors that were compiled before and have not changed, if there are any. Compiling
    /// descriptors takes longer than everything else.
    ///
    /// # Errors
    /// All problems.
    pub async fn with_schema(
        config: Config,
        mut problems: Vec<Problem>,
        known: Option<Schema>,
    ) -> Result<Self, Vec<Problem>> {
        let upstreams = upstreams(&config, &mut problems);
        let certificates = certificates(&config);
        let (wrong, mut warnings) = check_certificates(&certificates, SystemTime::now());
        problems.extend(wrong);
        match (passwords(&config), config.secret_files) {
            (exposed, Permissions::Strict) => problems.extend(exposed),
            (exposed, Permissions::Any) => warnings.extend(exposed.iter().map(Problem::to_string)),
        }
        warnings.extend(unheard_proxies(&config));
        warnings.extend(hop::warning(config.listen.as_ref()));
        let schema = match known {
            Some(known) => Some(Ok(known)),
            None => schema(&config, &upstreams).await,
        };
        Self::join(config, schema, upstreams, Checked { certificates, warnings, problems })
    }

    /// Builds the gateway from a given schema and upstream. If one is missing, `problems` has the reason.
    ///
    /// # Errors
    /// All problems.
    pub fn with_parts(
        config: Config,
        schema: Option<Result<Schema, Vec<Problem>>>,
        upstream: Option<Upstream>,
        problems: Vec<Problem>,
    ) -> Result<Self, Vec<Problem>> {
        let checked = Checked { certificates: Vec::new(), warnings: Vec::new(), problems };
        Self::join(config, schema, upstream.into_iter().map(Some).collect(), checked)
    }

    fn join(
        config: Config,
        schema: Option<Result<Schema, Vec<Problem>>>,
        upstreams: Vec<Option<Upstream>>,
        checked: Checked,
    ) -> Result<Self, Vec<Problem>> {
        let Checked { certificates, mut warnings, mut problems } = checked;
        let upstreams: Vec<Upstream> = upstreams.into_iter().flatten().collect();
        let routed = schema.and_then(|schema| keep(schema.and_then(|s| with_routes(s, &config)), &mut problems));
        let tls = config.listen.as_ref().and_then(|listen| keep(server_tls(listen), &mut problems));
        let hop = config.listen.as_ref().and_then(|listen| keep(hop::hop(listen), &mut problems)).flatten();
        let callers = config.callers.as_ref().and_then(|callers| keep(Callers::load(callers), &mut problems));
        let keys = KeyRefreshes::new(key_refreshes(&config.key_servers, callers.as_ref(), &mut problems));
        let collector = config.traces.as_ref().and_then(|traces| keep(Collector::new(traces), &mut problems));
        let collector = collector.map(Arc::new);
        let store = store(&config, &mut problems);
        let store_memory = config.idempotency_memory();
        let shared_keys = shared_keys(&config, store.as_ref(), &mut problems);
        let (Some(listen), Some(tls), Some((schema, routes))) = (config.listen, tls, routed) else {
            return Err(problems);
        };
        problems.extend(misplaced(&routes, &config.rpcs));
        problems.extend(limits::unfit(&routes, &config.proxy.limits));
        problems.extend(limits::unshared(&config.proxy.limits, config.store.is_some()));
        problems.extend(limits::unproxied(&config.proxy.limits, listen.proxies.is_some()));
        let process = config.memory.unwrap_or_else(memory::limit);
        problems.extend(idempotency::too_large(&routes, store_memory, process));
        if upstreams.is_empty() || !problems.is_empty() {
            return Err(problems);
        }
        let names = config.upstreams.into_iter().map(|upstream| upstream.name).collect();
        let metadata = Metadata::new(config.metadata).behind(listen.proxies.clone());
        let gateway = Gateway::new(schema, routes, upstreams, metadata, config.proxy);
        let gateway = gateway.with_callers(callers.map(Arc::new)).behind(hop.map(Arc::new)).with_store(store);
        let gateway = gateway.with_shared_keys(shared_keys);
        warnings.extend(gateway.routes.warnings().iter().cloned());
        let Config { admin, access_log, memory, compatibility, shown, schema, imports, openapi, .. } = config;
        let descriptors = Descriptors { paths: schema, imports };
        let files = openapi.map(|path| {
            let (routes, config, certificate) = (&gateway.routes, &gateway.config, Certificate::of(&listen));
            Arc::new(page::on_listener(path, &Api { routes, remarks: &descriptors.remarks(), config, certificate }))
        });
        let gateway = Arc::new(gateway.with_files(files));
        Ok(Self {
            listen,
            tls,
            gateway,
            keys,
            names,
            certificates,
            warnings,
            admin,
            access_log,
            collector,
            export: None,
            memory,
            shown,
            descriptors,
            compatibility,
        })
    }

    /// Problems that do not prevent a start, but need attention soon.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The problems and warnings about certificates at the time `now`, with the files read again.
    #[must_use]
    pub fn certificates_at(&self, now: SystemTime) -> Vec<String> {
        let (wrong, warnings) = check_certificates(&self.certificates, now);
        wrong.iter().map(Problem::to_string).chain(warnings).collect()
    }

    /// One line per upstream if there are several: its name, its number of routes, and its address. For a single
    /// upstream, a line with its proxy, if it has one.
    #[must_use]
    pub fn upstreams(&self) -> Vec<String> {
        if self.names.is_empty() {
            let proxied = self.gateway.upstreams.iter().filter(|upstream| upstream.proxy.is_some());
            return proxied.map(|upstream| format!("calling {}", upstream.place())).collect();
        }
        let line = |(place, name): (usize, &String)| {
            let count = self.gateway.routes.all().iter().filter(|route| route.rpc.upstream == place).count();
            let noun = if count == 1 { "route" } else { "routes" };
            format!("{name}: {count} {noun}, answered by {}", self.gateway.upstreams[place].place())
        };
        self.names.iter().enumerate().map(line).collect()
    }

    /// One line for each noteworthy setting of single rpcs, and for each key that `compatibility` sets.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let routes = self.routes();
        let notes = self.repeated().into_iter().chain(notes::without_rules(routes)).chain(notes::websockets(routes));
        let notes = notes.chain(self.demands());
        notes.chain(idempotency::notes(self.routes(), self.gateway.key_store())).chain(self.preset()).collect()
    }

    /// Settings that are dangerous although they are intended, for `towbar check`.
    #[must_use]
    pub fn risks(&self) -> Vec<String> {
        self.routes().risks().into_iter().chain(idempotency::shared(self.routes(), &self.listen)).collect()
    }

    /// Every key of the preset, and whether the file overrides it.
    fn preset(&self) -> impl Iterator<Item = String> {
        self.compatibility.iter().flat_map(|(preset, keys)| {
            keys.iter().map(|PresetKey { key, value, file }| match file {
                None => format!("compatibility {}: {key}: {value}", preset.name()),
                Some(file) => {
                    format!("compatibility {}: {key}: {value}, overridden by the file: {file}", preset.name())
                }
            })
        })
    }

    /// What rpcs require of their callers, and which rpcs are open: one line per requirement. Empty if no tokens are
    /// checked.
    fn demands(&self) -> Vec<String> {
        let mut demands: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for route in self.gateway.routes.ways().filter(|_| self.gateway.callers.is_some()) {
            let line = match &route.rpc.policy.require {
                Require::Nothing => "open to every caller".to_owned(),
                require @ Require::Token(_) => format!("called with {require}"),
            };
            demands.entry(line).or_default().insert(&route.rpc.name);
        }
        let line = |(demand, rpcs): (String, BTreeSet<&str>)| {
            let rpcs: Vec<&str> = rpcs.into_iter().collect();
            format!("{demand}: {}", rpcs.join(", "))
        };
        demands.into_iter().map(line).collect()
    }

    /// The rpcs whose calls are retried when they may have been lost.
    fn repeated(&self) -> Option<String> {
        let repeated = self.gateway.routes.ways().filter(|route| route.rpc.may_repeat);
        let rpcs: BTreeSet<&str> = repeated.map(|route| route.rpc.name.as_str()).collect();
        let rpcs: Vec<&str> = rpcs.into_iter().collect();
        (!rpcs.is_empty()).then(|| format!("idempotent, and therefore retried: {}", rpcs.join(", ")))
    }

    /// How each worker builds its service: with its own connections to the upstreams, and everything else shared.
    #[must_use]
    pub fn recipe(&self) -> Recipe<Door> {
        self.keys.start();
        self.gateway.store.iter().for_each(Redis::start);
        self.export.iter().for_each(|export| export.send_to(self.collector.clone()));
        let (tls, gateway) = (self.tls.as_ref().map(|tls| tls.server.clone()), self.gateway.clone());
        let prior_knowledge = self.listen.prior_knowledge;
        Arc::new(move |memory, holder| {
            let worker = gateway.for_worker(memory, holder);
            Served {
                tls: tls.clone(),
                prior_knowledge,
                malformed: Some(gateway::malformed(&worker)),
                header_limit: worker.config.policy.header_limit,
                service: gateway::service(worker),
            }
        })
    }

    /// How long a shutdown may take.
    #[must_use]
    pub fn drain(&self) -> Drain {
        self.listen.drain
    }

    /// Takes over from `old`: the count of calls in flight of each upstream. If the TLS configuration is unchanged,
    /// also the TLS sessions and connections.
    #[must_use]
    pub fn in_place_of(self, old: &Self) -> Self {
        let Observers { access, requests, .. } = old.gateway.observers().clone();
        let mut this = self.observed_by(access, requests, old.export.clone());
        // `get_mut` succeeds: until it is served, the gateway and its callers have no other owner.
        let callers = Arc::get_mut(&mut this.gateway).and_then(|gateway| gateway.callers.as_mut());
        if let (Some(callers), Some(before)) = (callers.and_then(Arc::get_mut), &old.gateway.callers) {
            callers.go_on_from(before);
        }
        if let Some(gateway) = Arc::get_mut(&mut this.gateway) {
            gateway.remember(&old.gateway);
        }
        for (place, upstream) in
            Arc::get_mut(&mut this.gateway).into_iter().flat_map(|it| it.upstreams.iter_mut().enumerate())
        {
            let before = match this.names.get(place) {
                Some(name) => old.names.iter().position(|before| before == name),
                None => Some(0).filter(|_| old.names.is_empty()),
            };
            if let Some(before) = before {
                upstream.go_on_from(&old.gateway.upstreams[before]);
            }
        }
        match (&this.tls, &old.tls) {
            (Some(new), Some(old)) if new.fingerprint == old.fingerprint => Self { tls: Some(old.clone()), ..this },
            _ => this,
        }
    }

    #[must_use]
    pub fn routes(&self) -> &Routes {
        &self.gateway.routes
    }

    /// The name of the upstream that serves a route; `None` if there is only one.
    #[must_use]
    pub fn upstream_of(&self, route: &Route) -> Option<&str> {
        self.names.get(route.rpc.upstream).map(String::as_str)
    }

    /// The state to show on the admin pages.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (gateway, names) = (self.gateway.clone(), self.names.clone());
        let [listener_certificate, upstream_certificate] =
            [Usage::Server, Usage::Client].map(|usage| self.until(usage));
        let (descriptors, certificate) = (self.descriptors.clone(), Certificate::of(&self.listen));
        let config = self.shown.clone();
        Snapshot { gateway, names, config, descriptors, certificate, listener_certificate, upstream_certificate }
    }

    /// When the first certificate for this usage expires, in seconds since 1970. Reads the files again.
    fn until(&self, usage: Usage) -> Option<i64> {
        let shown = self.certificates.iter().filter(|inspection| inspection.usage == Some(usage));
        let until = |inspection: &Inspection| match inspection.files.as_slice() {
            [cert, key] => certs::first_of(cert, key).map(|shown| shown.seconds.1),
            _ => None,
        };
        shown.filter_map(until).min()
    }

    /// The configured address of the listener.
    #[must_use]
    pub fn listen_address(&self) -> &str {
        &self.listen.address
    }

    /// The configured address of the admin port.
    #[must_use]
    pub fn admin_address(&self) -> Option<&str> {
        self.admin.as_deref()
    }

    /// The configuration of the access log.
    #[must_use]
    pub fn access_log(&self) -> Option<&access::Config> {
        self.access_log.as_ref()
    }

    /// Reports every request to the access log, the metrics and the collector of traces, if it is configured. Only for
    /// an app that is not served yet.
    #[must_use]
    pub fn observed_by(
        mut self,
        access: Option<AccessLog>,
        requests: Option<RequestMetrics>,
        export: Option<TraceExport>,
    ) -> Self {
        let traced = self.collector.as_deref().zip(export.as_ref());
        let traces = traced.map(|(collector, export)| collector.tracer(export, &self.gateway.upstreams));
        self.export = export;
        let names = if self.names.is_empty() { vec!["default".to_owned()] } else { self.names.clone() };
        if let Some(gateway) = Arc::get_mut(&mut self.gateway) {
            gateway.observed_by(Observers { access, requests, traces, upstreams: names.into() });
        }
        self
    }

    /// The configured limits: `memory`, `listen.connections`, `listen.handshakes` and `listen.backlog`.
    #[must_use]
    pub fn bounds_configured(&self) -> [Option<usize>; 4] {
        [self.memory, self.listen.connections, Some(self.listen.handshakes), usize::try_from(self.listen.backlog).ok()]
    }

    /// The `.proto` files that were read, including imported ones.
    #[must_use]
    pub fn proto_files(&self) -> &[PathBuf] {
        self.gateway.schema.files()
    }

    /// The compiled descriptors.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.gateway.schema
    }

    /// The limits of connections: by the configuration, the memory budget and the limit of open files.
    fn bounds(&self) -> Bounds {
        let by_files = memory::file_limit().map_or(usize::MAX, |files| files.saturating_sub(OWN_FILES.max(files / 8)));
        let connections = self.listen.connections.unwrap_or(usize::MAX).min(by_files.max(1));
        let memory = Budget::of_process(self.memory.unwrap_or_else(memory::limit));
        let handshake_counts = HandshakeCounts::default();
        Bounds { connections, handshakes: self.listen.handshakes, handshake_counts, memory }
    }

    /// Binds the port of the listener.
    ///
    /// # Errors
    /// The port is in use, or the address does not belong to this machine.
    pub async fn bind(&self) -> Result<Bound, Problem> {
        let Self { listen, gateway, .. } = &self;
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let asks = match listen.client_auth() {
            Some(ClientAuth::Optional) => ", client certificate asked for",
            Some(ClientAuth::Required) => ", client certificate required",
            None => "",
        };
        let bound = Listener::bind_with(&listen.address, listen.backlog, None, Plain::Http1).await;
        let bound = bound.and_then(|listener| listener.address().map(|address| (listener, address)));
        let (listener, address) = bound.map_err(|error| not_bound(&listen.address, &error))?;
        let routes = gateway.routes.all().len();
        let backends: Vec<String> = gateway.upstreams.iter().map(Upstream::place).collect();
        let (noun, backends) = (if routes == 1 { "route" } else { "routes" }, backends.join(", "));
        let summary = format!("listening on {scheme}://{address}{asks}\nserving {routes} {noun}, calling {backends}");
        let handover = Arc::new(Handover::new(self.recipe(), self.drain()));
        Ok(Bound { listener, handover, bounds: self.bounds(), summary, address })
    }
}

impl Bound {
    /// The handle with which a reload replaces what is served.
    #[must_use]
    pub fn handover(&self) -> Arc<Handover> {
        self.handover.clone()
    }

    /// The memory budget that connections and bodies share.
    #[must_use]
    pub fn memory(&self) -> Budget {
        self.bounds.memory.clone()
    }

    /// Counts handshakes in these metrics.
    #[must_use]
    pub fn counted_by(mut self, metrics: &Metrics) -> Self {
        self.bounds.handshake_counts = metrics.handshakes();
        self
    }

    /// Serves until `stop` is raised, then finishes the calls in flight.
    ///
    /// # Errors
    /// The operating system cannot start the threads.
    pub async fn serve(self, stop: &Stop) -> Result<(), Problem> {
        let served = self.listener.serve_on_all_cores(&self.handover, &self.bounds, stop).await;
        served.map_err(|error| Problem::new(format!("cannot start a thread: {error}")))
    }
}

/// The schema and routes only, for commands that do not serve.
///
/// # Errors
/// All problems with schema and routes.
pub async fn routes(config: &Config) -> Result<(Schema, Routes), Vec<Problem>> {
    let mut problems = Vec::new();
    let upstreams = if config.reflection.is_empty() { Vec::new() } else { upstreams(config, &mut problems) };
    let schema = schema(config, &upstreams).await.unwrap_or(Err(Vec::new()));
    let loaded = schema.and_then(|schema| with_routes(schema, config)).map_err(|wrong| {
        problems.extend(wrong);
        std::mem::take(&mut problems)
    })?;
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

/// The comments and options of the descriptors, for documents. The descriptors are read again, so that the serving
/// gateway need not keep them.
pub async fn remarks(config: &Config) -> Remarks {
    let upstreams = if config.reflection.is_empty() { Vec::new() } else { upstreams(config, &mut Vec::new()) };
    let sources = sources(config, &upstreams).await.map(|(sources, _)| sources).unwrap_or_default();
    Remarks::read(&sources, &config.imports)
}

/// Every upstream in the order of the configuration; `None` for one with a problem.
fn upstreams(config: &Config, problems: &mut Vec<Problem>) -> Vec<Option<Upstream>> {
    let several = config.upstreams.iter().map(|upstream| &upstream.config);
    config.upstream.iter().chain(several).map(|upstream| keep(Upstream::new(upstream), problems)).collect()
}

/// The descriptors of all sources; `None` if there is no source, or if an upstream with a problem should be asked.
async fn schema(config: &Config, upstreams: &[Option<Upstream>]) -> Option<Result<Schema, Vec<Problem>>> {
    let (sources, mut problems) = sources(config, upstreams).await?;
    if sources.is_empty() && problems.is_empty() {
        return None;
    }
    let schema = Schema::join_with(&sources, &config.imports);
    if problems.is_empty() {
        return Some(schema);
    }
    problems.extend(schema.err().into_iter().flatten());
    Some(Err(problems))
}

/// The sources of all descriptors, and the problems with those of servers. `None` if an upstream with a problem should
/// be asked.
async fn sources(config: &Config, upstreams: &[Option<Upstream>]) -> Option<(Vec<DescriptorSource>, Vec<Problem>)> {
    let mut sources: Vec<DescriptorSource> = config.schema.iter().cloned().map(DescriptorSource::Path).collect();
    let mut problems = Vec::new();
    for reflection in &config.reflection {
        let place = match &reflection.upstream {
            None => 0,
            Some(name) => config.upstreams.iter().position(|upstream| upstream.name == *name)?,
        };
        // Several servers may have a service, such as grpc.health.v1.Health, in different versions. So each is asked
        // only for its own.
        let selected = config.upstreams.get(place).map(|upstream| &upstream.rpcs);
        let wanted = |service: &str| selected.is_none_or(|rpcs| rpcs.iter().any(|selector| selector.reaches(service)));
        let upstream = upstreams.get(place)?.as_ref()?;
        let name = format!("reflection of {}", upstream.address);
        // Uses new connections, which are closed when all descriptors have been read.
        match reflection::descriptor_set(&upstream.for_worker(&Share::unbounded()), &name, wanted).await {
            Ok(set) => sources.push(DescriptorSource::Reflection { name, set }),
            Err(problem) => problems.push(problem),
        }
    }
    Some((sources, problems))
}

fn with_routes(schema: Schema, config: &Config) -> Result<(Schema, Routes), Vec<Problem>> {
    let routes = Routes::build(&schema, &config.rpcs, &config.routes)?;
    let problems = reserved_paths(config, &routes);
    if problems.is_empty() { Ok((schema, routes)) } else { Err(problems) }
}

fn server_tls(listen: &server::Config) -> Result<Option<ServerTls>, Vec<Problem>> {
    let Some(files) = &listen.tls else { return Ok(None) };
    let identity = Identity::load(&files.identity);
    let trust = files.client_ca.as_deref().map(Trust::load).transpose();
    match (identity, trust) {
        (Ok(identity), Ok(trust)) => {
            let clients = Clients { optional: files.client_optional, trust, pinned: files.clients.clone() };
            let clients = Some(clients).filter(|clients| clients.trust.is_some() || !clients.pinned.is_empty());
            let fingerprint = tls::fingerprint(&identity, clients.as_ref());
            let server = tls::Server::new(identity, clients.as_ref(), &[b"h2", b"http/1.1"]);
            server.map(|server| Some(ServerTls { server, fingerprint })).map_err(|problem| vec![problem])
        }
        (identity, trust) => {
            Err(identity.err().into_iter().flatten().chain(trust.err().into_iter().flatten()).collect())
        }
    }
}

fn not_bound(address: &str, error: &io::Error) -> Problem {
    let advice = if address == SYSTEMD { "" } else { "; choose another address with `--listen ADDR`" };
    Problem::at(address, format!("cannot listen on this address: {error}{advice}"))
}
