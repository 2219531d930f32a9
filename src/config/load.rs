//! Reads the whole configuration.

use std::path::Path;

use super::compatibility::{self, Preset};
use super::file::{decoded, parse, read_file};
use super::input::Input;
use super::overrides::Overrides;
use super::reader::{Problems, Read, Section};
use super::settings::Config;
use super::yaml::Node;
use super::{shown, upstreams};
use crate::format::problem::Problem;
use crate::gateway::metadata::{self, TraceContext};
use crate::gateway::{self, Protocols};
use crate::route::{self, Serving};

pub(super) const KEYS: &[&str] = &[
    "compatibility",
    "listen",
    "schema",
    "rules",
    "expose",
    "upstream",
    "upstreams",
    "requests",
    "streams",
    "json",
    "replies",
    "metadata",
    "callers",
    "cors",
    "errors",
    "idempotency",
    "store",
    "validation",
    "limits",
    "status_headers",
    "rpcs",
    "reload",
    "admin",
    "log",
    "traces",
    "probe",
    "openapi",
    "memory",
    "secret_files",
];
/// Reads the file, if there is one. Flags win over the file.
pub fn load(file: Option<&Path>, overrides: &Overrides) -> (Config, Vec<Problem>) {
    let problems = Problems::new(file);
    match (&overrides.given, file) {
        (Some(given), _) => {
            let root = decoded(given, &problems).and_then(|text| parse(text, &problems));
            fill(root, None, problems, overrides)
        }
        (None, file) => {
            let root = file.map_or_else(|| Ok(Node::nothing()), |file| read_file(file, &problems));
            fill(root, file, problems, overrides)
        }
    }
}

/// Reads configuration from `text`; `file` is its path in problems, and the base of relative paths.
pub fn load_text(text: &str, file: &Path, overrides: &Overrides) -> (Config, Vec<Problem>) {
    let problems = Problems::new(Some(file));
    let root = parse(text, &problems);
    fill(root, Some(file), problems, overrides)
}

fn fill(root: Read<Node>, file: Option<&Path>, problems: Problems, overrides: &Overrides) -> (Config, Vec<Problem>) {
    let mut root = root;
    let compatibility = root.as_mut().ok().and_then(compatibility::lay_under);
    let shown = root.as_ref().map(|root| shown::shown(root, overrides)).unwrap_or_default();
    let root = root.as_ref().map_err(|noted| *noted);
    let input = Input {
        top: root.and_then(|node| Section::root(&problems, node, KEYS)),
        folder: file.and_then(Path::parent).unwrap_or(Path::new("")),
        problems: &problems,
        overrides,
    };
    let config = Config { compatibility, shown, ..input.config() };
    (config, problems.into_list())
}

impl Input<'_> {
    pub(super) fn config(&self) -> Config {
        if let Some(value) = self.value("compatibility") {
            let _ = value.parsed("the name of a gateway", Preset::named);
        }
        let status_headers = self.status_headers();
        let policy = self.policy();
        let upstreams::Schema { paths: schema, reflection, imports } = self.schema();
        let (rules, rule_files) = self.rules();
        let (upstreams, is_whole) = self.upstreams();
        let (listen, protocols) = self.listen().map_or((None, Protocols::default()), |(listen, it)| (Some(listen), it));
        let addresses = self.addresses();
        let (addresses, address_files) = addresses.map_or((None, Vec::new()), |it| (Some(it.rules), it.files));
        let serving = Serving { by_path: protocols.call_by_path(), ..self.serving(&upstreams, is_whole) };
        let (metadata, rpcs) = (self.metadata(status_headers.as_ref()), self.rpcs(&policy));
        let validation = self.validation(&policy, &rpcs);
        let callers = self.callers(&metadata, &rpcs);
        self.check_requirements(&policy, &rpcs, callers.as_ref().map(|callers| &callers.config));
        let (callers, key_servers) = callers.map_or_else(Default::default, |it| (Some(it.config), it.servers));
        let (cors, traces) = (self.cors(&metadata, protocols), self.traces());
        // The backend must learn the decision about every trace.
        let trace_context = if traces.is_some() { TraceContext::Create } else { metadata.trace_context };
        let metadata = metadata::Config { trace_context, ..metadata };
        Config {
            listen,
            schema,
            imports,
            upstream: self.only_upstream(!self.overrides.only_routes || !reflection.is_empty()),
            upstreams,
            reflection,
            metadata,
            callers,
            key_servers,
            proxy: gateway::Config { protocols, cors, addresses, ..self.proxy(status_headers, policy.clone()) },
            rpcs,
            routes: route::Defaults { policy, rules, serving, validation: validation.sources },
            rule_files: rule_files.into_iter().chain(validation.files).chain(address_files).collect(),
            reload: self.reload(),
            admin: self.admin(),
            openapi: self.openapi(),
            access_log: self.access_log(),
            traces,
            store: self.store(),
            shared_idempotency: self.shared_idempotency(),
            memory: self.memory(),
            secret_files: self.secret_files(),
            compatibility: None,
            shown: String::new(),
        }
    }
}
