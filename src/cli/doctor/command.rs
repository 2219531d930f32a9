//! `towbar doctor`: tests a connection step by step.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::backend::{Backend, backend};
use super::keys::{IssuerKeys, keys};
use super::report::{Report, Step};
use super::store::store;
use super::url::{Public, public_url, url};
use crate::cli::config_file::ConfigFile;
use crate::cli::outcome::Outcome;
use crate::cli::runtime::runtime;
use crate::config::{self, Config, KeyServer, Overrides};
use crate::format::problem::Problem;
use crate::format::secret::Permissions;
use crate::gateway::probe::Probe;
use crate::tls::{IdentityFiles, Pin};
use crate::upstream::redis::Redis;
use crate::upstream::{self, Address, Environment, ProxyConfig, ProxyError, TlsFiles};

/// Exit code when a step failed.
const FAILED: u8 = 1;

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Test a backend: http://HOST:PORT or https://HOST:PORT
    #[arg(long, help_heading = "What to test", value_name = "URL", required_unless_present_any = ["config", "url"], conflicts_with = "config")]
    backend: Option<String>,
    /// Test a gateway from the outside, through the proxies in front of it: https://HOST[:PORT][/PATH]
    #[arg(long, help_heading = "What to test", value_name = "URL", conflicts_with_all = ["backend", "config"])]
    url: Option<String>,
    /// The path of the gateway's probe, `probe` in its configuration
    #[arg(long, help_heading = "What to test", value_name = "PATH", requires = "url", default_value = "/towbar-probe")]
    probe: Probe,
    /// Test every backend of a configuration file (YAML), with its certificates, and the key URLs of token issuers
    #[arg(long, help_heading = "What to test", value_name = "FILE", conflicts_with_all = ["cert", "key", "ca", "pin", "server_name"], value_parser = ConfigFile::parse)]
    config: Option<ConfigFile>,
    /// The client certificate to present (PEM)
    #[arg(long, help_heading = "TLS", value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The private key of the client certificate (PEM)
    #[arg(long, help_heading = "TLS", value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The certificate authorities to trust (PEM); default: those of the operating system
    #[arg(long, help_heading = "TLS", value_name = "FILE", conflicts_with = "pin")]
    ca: Option<PathBuf>,
    /// Trust only this server certificate: cert-sha256:HEX or spki-sha256:HEX (repeatable)
    #[arg(long, help_heading = "TLS", value_name = "PIN")]
    pin: Vec<Pin>,
    /// The name that the server certificate must have; default: the host of the URL
    #[arg(long, help_heading = "TLS", value_name = "NAME")]
    server_name: Option<String>,
    /// The HTTP proxy: http://[USER:PASSWORD@]HOST:PORT, or `none`; default: from the environment
    #[arg(long, help_heading = "Connection", value_name = "URL", conflicts_with = "config")]
    proxy: Option<String>,
    /// The timeout of each step, in seconds
    #[arg(long, help_heading = "Connection", value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

/// Prints each step as it ends. The exit code is 0 only if no step failed.
pub(crate) fn run(arguments: DoctorArguments) -> Outcome {
    let targets = if arguments.url.is_some() { vec![public(arguments)?] } else { backends(arguments)? };
    let is_well = runtime()?.block_on(tried(&targets));
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

async fn tried(targets: &[Target]) -> bool {
    let mut is_well = true;
    for Target { name, end } in targets {
        if let Some(name) = name {
            println!("{name}");
        }
        let mut tell = |step: &Step| println!("{step}");
        let mut report = Report::new(&mut tell);
        match end {
            End::Backend(to) => backend(to, &mut report).await,
            End::Public(to) => url(to, &mut report).await,
            End::Keys(of) => keys(of, &mut report).await,
            End::Store(to) => store(to, &mut report).await,
        }
        is_well &= report.is_well();
    }
    is_well
}

/// One backend, gateway or issuer to test.
struct Target {
    /// Printed before its steps, if there are several targets.
    name: Option<String>,
    end: End,
}

enum End {
    Backend(Backend),
    Public(Public),
    Keys(IssuerKeys),
    Store(Redis),
}

impl Target {
    fn only(end: End) -> Self {
        Self { name: None, end }
    }
}

fn public(arguments: DoctorArguments) -> Result<Target, Vec<Problem>> {
    let patience = Duration::from_secs(arguments.timeout);
    let probe = arguments.probe.path.as_str().to_owned();
    let found = public_url(arguments.url.as_deref().unwrap_or_default());
    let (address, base) = found.map_err(|error| vec![Problem::at("--url", error)])?;
    let proxy = proxy(arguments.proxy.as_deref(), &address)?;
    let tls = files(arguments, "--url", address.tls)?;
    Ok(Target::only(End::Public(Public { address, base, probe, tls, proxy, patience })))
}

fn backends(arguments: DoctorArguments) -> Result<Vec<Target>, Vec<Problem>> {
    let patience = Duration::from_secs(arguments.timeout);
    if let Some(file) = &arguments.config {
        let overrides = Overrides { environment: environment(), given: file.given(), ..Overrides::default() };
        let (config, problems) = config::load(Some(file.path()), &overrides);
        if !problems.is_empty() {
            return Err(problems);
        }
        let issuers = issuers(&config, patience);
        let only = config.upstream.map(|upstream| (None, upstream));
        let several = config.upstreams.into_iter().map(|upstream| (Some(upstream.name), upstream.config));
        let upstreams = only.into_iter().chain(several).flat_map(|(name, config)| each(name, &config, patience));
        let mut targets: Vec<Target> = upstreams.chain(issuers).collect();
        if let Some(store) = &config.store {
            let redis = store.redis().map_err(|problem| vec![problem])?;
            targets.push(Target { name: Some("store".to_owned()), end: End::Store(Redis::new(&redis)?) });
        }
        return Ok(targets);
    }
    let address = arguments.backend.as_deref().unwrap_or_default().parse::<Address>();
    let address = address.map_err(|error| vec![Problem::at("--backend", error)])?;
    let proxy = proxy(arguments.proxy.as_deref(), &address)?;
    let tls = files(arguments, "--backend", address.tls)?;
    Ok(vec![Target::only(End::Backend(Backend { address, tls, proxy, patience }))])
}

/// One target per address of an upstream. The name is printed if there are other upstreams.
fn each(name: Option<String>, config: &upstream::Config, patience: Duration) -> Vec<Target> {
    let upstream::Config { address: addresses, tls, proxy, .. } = config;
    let is_only = addresses.iter().count() == 1;
    let named = |address: &Address| match &name {
        Some(name) => Some(format!("{name}: {address}")),
        None if is_only => None,
        None => Some(address.to_string()),
    };
    let target = |address: &Address| {
        let backend = Backend { address: address.clone(), tls: tls.clone(), proxy: proxy.clone(), patience };
        Target { name: named(address), end: End::Backend(backend) }
    };
    addresses.iter().map(target).collect()
}

/// One target per issuer whose keys are at a URL.
fn issuers(config: &Config, patience: Duration) -> Vec<Target> {
    let all = config.callers.as_ref().map(|callers| &*callers.issuers).unwrap_or_default();
    let target = |server: &KeyServer| {
        let issuer = &all.get(server.issuer)?.config;
        let (name, server) = (issuer.name.clone(), server.clone());
        let named = Some(format!("issuer {name}"));
        Some(Target {
            name: named,
            end: End::Keys(IssuerKeys { name, issuer: issuer.issuer.clone(), server, patience }),
        })
    };
    config.key_servers.iter().filter_map(target).collect()
}

/// The proxy that the flag names, else the one from the environment.
fn proxy(flag: Option<&str>, address: &Address) -> Result<Option<ProxyConfig>, Vec<Problem>> {
    match flag {
        Some("none") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|error: ProxyError| vec![Problem::at("--proxy", error)]),
        None => {
            let named = environment().proxy_for(address);
            named.map_err(|wrong| vec![Problem::at(wrong.variable, wrong.error)])
        }
    }
}

fn environment() -> Environment {
    Environment::of(|variable| std::env::var_os(variable))
}

/// The TLS settings from the flags. They are a problem if the URL of `flag` has no TLS.
fn files(arguments: DoctorArguments, flag: &str, is_tls: bool) -> Result<TlsFiles, Vec<Problem>> {
    if arguments.pin.iter().any(Pin::is_published) {
        let message =
            "this pin belongs to the sample bank's certificate, whose private key is public; anyone could use it";
        return Err(vec![Problem::at("--pin", message)]);
    }
    let identity = arguments.cert.zip(arguments.key).map(|(cert, key)| IdentityFiles {
        cert,
        key,
        permissions: Permissions::Strict,
    });
    let tls = TlsFiles { identity, ca: arguments.ca, pins: arguments.pin, server_name: arguments.server_name };
    if !is_tls && tls != TlsFiles::default() {
        let message = "`http://` has no TLS; use `https://`, or remove the certificate files";
        return Err(vec![Problem::at(flag, message)]);
    }
    Ok(tls)
}
