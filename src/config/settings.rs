//! All that is configured.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::compatibility::{Preset, PresetKey};
use super::upstreams::{Reflection, Upstream};
use crate::caller;
use crate::format::secret::Permissions;
use crate::gateway;
use crate::gateway::metadata;
use crate::observe::access;
use crate::route::{self, RpcOptions};
use crate::schema::Imports;
use crate::server;
use crate::tls::IdentityFiles;
use crate::upstream;

/// Everything that is configured. What could not be read is `None` or left out, and a problem says so.
pub struct Config {
    pub listen: Option<server::Config>,
    /// `.proto` files, folders of them, descriptor sets.
    pub schema: Vec<PathBuf>,
    /// How imports of `.proto` files are found besides.
    pub imports: Imports,
    /// Servers that are asked for descriptors, besides.
    pub reflection: Vec<Reflection>,
    /// Who answers all, unless there are several.
    pub upstream: Option<upstream::Config>,
    /// Who answers what, if there are several.
    pub upstreams: Vec<Upstream>,
    pub proxy: gateway::Config,
    pub metadata: metadata::Config,
    /// Who may call, if callers are asked.
    pub callers: Option<caller::Config>,
    /// What holds for all rpcs, but for those that say otherwise.
    pub routes: route::Defaults,
    /// Files of rules, which are read already.
    pub rule_files: Vec<PathBuf>,
    /// How changes of files are noticed.
    pub reload: Reload,
    /// `host:port` where those who run it look, if there is one.
    pub admin: Option<String>,
    /// The access log, if there is one.
    pub access_log: Option<access::Config>,
    /// How much memory the process may have, in bytes, if it is said.
    pub memory: Option<usize>,
    /// Who may read files with secrets.
    pub secret_files: Permissions,
    /// What was set because the file names another gateway to be compatible with, if it does.
    pub compatibility: Option<(Preset, Vec<PresetKey>)>,
    /// The file as it is read, as YAML: with what `compatibility` lays under it, and without secrets.
    pub shown: String,
    /// Whether the schema has these rpcs is found out later, and told with their `place`.
    pub rpcs: Vec<RpcOptions>,
}

/// How changes of the files are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reload {
    /// Whether they are looked at; SIGHUP counts anyway.
    pub watch: bool,
    /// Time between two looks.
    pub interval: Duration,
}

impl Config {
    /// Every file and folder that is named, but for the configuration itself.
    pub fn files(&self) -> Vec<PathBuf> {
        let identity = |identity: &IdentityFiles| [identity.cert.clone(), identity.key.clone()];
        let listen = self.listen.iter().filter_map(|listen| listen.tls.as_ref());
        let listen = listen.flat_map(|tls| identity(&tls.identity).into_iter().chain(tls.client_ca.clone()));
        let upstreams = self.upstream.iter().chain(self.upstreams.iter().map(|upstream| &upstream.config));
        let upstreams = upstreams.flat_map(|upstream| {
            let (tls, proxy) = (&upstream.tls, upstream.proxy.as_ref());
            let password = proxy.and_then(|proxy| proxy.password_file().map(Path::to_path_buf));
            tls.identity.iter().flat_map(identity).chain(tls.ca.clone()).chain(password)
        });
        let key_sets = self.callers.iter().flat_map(caller::Config::files);
        self.schema.iter().chain(&self.rule_files).chain(key_sets).cloned().chain(listen).chain(upstreams).collect()
    }
}
