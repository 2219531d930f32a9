//! Checks across parts: certificates, passwords that other users can read, paths that two parts claim, and keys without
//! effect.

use std::path::PathBuf;
use std::time::SystemTime;

use crate::config::{Config, Store};
use crate::format::problem::Problem;
use crate::format::reserved::ReservedPath;
use crate::format::template::Template;
use crate::route::Routes;
use crate::tls::certs::{self, Finding, Inspection, Level, Usage};
use crate::tls::{Identity, IdentityFiles, Trust};
use crate::upstream::ProxyConfig;

/// The certificate files of both ends, each to be checked separately. Files that cannot be read are reported elsewhere.
pub(super) fn certificates(config: &Config) -> Vec<Inspection> {
    let identity = |usage, files: &IdentityFiles| {
        Identity::load(files).ok().map(|_| (usage, vec![files.cert.clone(), files.key.clone()]))
    };
    let permissions = config.secret_files;
    let bundle = |file: &PathBuf| Trust::load(file).ok().map(|_| (Usage::Trust, vec![file.clone()]));
    let mut asked = Vec::new();
    if let Some(tls) = config.listen.as_ref().and_then(|listen| listen.tls.as_ref()) {
        asked.extend(identity(Usage::Server, &tls.identity));
        asked.extend(tls.client_ca.as_ref().and_then(bundle));
    }
    let hop = config.listen.as_ref().and_then(|listen| listen.hop.as_ref());
    asked.extend(hop.and_then(|hop| hop.client_ca.as_ref()).and_then(bundle));
    let upstreams = config.upstreams();
    let servers = config.key_servers.iter().map(|server| &server.fetch.tls);
    let store = config.store.iter().map(Store::tls);
    for tls in upstreams.map(|upstream| &upstream.tls).chain(servers).chain(store) {
        asked.extend(tls.identity.as_ref().and_then(|files| identity(Usage::Client, files)));
        asked.extend(tls.ca.as_ref().and_then(bundle));
    }
    let asked_of = |(usage, files)| Inspection { files, usage: Some(usage), permissions, ..Inspection::default() };
    asked.into_iter().map(asked_of).collect()
}

/// The password files of proxies that other users can read, each once.
pub(super) fn passwords(config: &Config) -> Vec<Problem> {
    let proxies = config.upstreams().filter_map(|upstream| upstream.proxy.as_ref());
    let proxies = proxies.chain(config.key_servers.iter().filter_map(|server| server.fetch.proxy.as_ref()));
    let exposed = |proxy: &ProxyConfig| Some(Problem::at(proxy.password_file()?.display(), proxy.exposed()?));
    let mut all: Vec<Problem> = proxies.filter_map(exposed).collect();
    all.dedup();
    all
}

/// A warning if trusted proxies are configured but have no effect.
pub(super) fn unheard_proxies(config: &Config) -> Option<String> {
    let trusts = config.listen.as_ref().is_some_and(|listen| listen.proxies.is_some());
    let text = "listen.trusted_proxies: has no effect, because no backend receives the caller's address; set \
                `metadata.caller.address`";
    (trusts && config.metadata.caller.address.is_none()).then(|| text.to_owned())
}

/// Checks certificates by the rules of `towbar certs check`. Returns errors and warnings.
pub(super) fn check_certificates(certificates: &[Inspection], now: SystemTime) -> (Vec<Problem>, Vec<String>) {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    for asked in certificates {
        for Finding { level, place, message } in certs::check(asked, now).findings {
            let problem = Problem::at(place, message);
            match level {
                Level::Error => problems.push(problem),
                Level::Warning if !warnings.contains(&problem.to_string()) => warnings.push(problem.to_string()),
                Level::Warning | Level::Note => {}
            }
        }
    }
    (problems, warnings)
}

/// The paths of `probe` and `openapi` that are also paths of a route, or of each other.
pub(super) fn reserved_paths(config: &Config, routes: &Routes) -> Vec<Problem> {
    let probe = config.proxy.probe.as_ref().map(|probe| ("probe", &probe.path));
    let openapi = config.openapi.as_ref().map(|path| ("openapi.path", path));
    let templates = routes.all().iter().map(|route| (&route.rpc.name, &route.template));
    let clash = |(key, path): (&str, &ReservedPath)| {
        // This cannot fail: the template was parsed when the route was built.
        let mut clashes = templates.clone();
        let (rpc, template) =
            clashes.find(|(_, template)| Template::parse(template).is_ok_and(|it| path.clashes(&it)))?;
        let message = format!("`{}` is also a path of {rpc} (`{template}`); choose another path", path.as_str());
        Some(Problem::at(key, message))
    };
    let mut problems: Vec<Problem> = probe.into_iter().chain(openapi).filter_map(clash).collect();
    if let (Some((_, probe)), Some((key, openapi))) = (probe, openapi)
        && (probe.below(openapi.as_str()).is_some() || openapi.below(probe.as_str()).is_some())
    {
        let message = format!("`{}` and `probe` overlap; choose another path", openapi.as_str());
        problems.push(Problem::at(key, message));
    }
    problems
}
