//! `towbar doctor`: a connection tried step by step.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::cli::doctor::{self, Backend, Public, Report, Step};
use crate::cli::source::ConfigFile;
use crate::cli::{REFUSED, serve, tell};
use crate::config::{self, Overrides};
use crate::format::problem::Problem;
use crate::format::secret::Permissions;
use crate::gateway::probe::Probe;
use crate::tls::{IdentityFiles, Pin};
use crate::upstream::{self, Address, Environment, ProxyConfig, ProxyError, TlsFiles};

/// Exit code when a step failed.
const FAILED: u8 = 1;

#[derive(Debug, Args)]
pub(in crate::cli) struct Asked {
    /// The backend as the gateway would call it, http://HOST:PORT or https://HOST:PORT
    #[arg(long, value_name = "URL", required_unless_present_any = ["config", "url"], conflicts_with = "config")]
    backend: Option<String>,
    /// A gateway as its callers see it, through what stands in between: https://HOST[:PORT][/PATH]
    #[arg(long, value_name = "URL", conflicts_with_all = ["backend", "config"])]
    url: Option<String>,
    /// The path of the gateway's probe, as its configuration has it (`probe`)
    #[arg(long, value_name = "PATH", requires = "url", default_value = "/towbar-probe")]
    probe: Probe,
    /// The upstreams of a configuration file (YAML), with its certificates
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cert", "key", "ca", "pin", "server_name"], value_parser = ConfigFile::parse)]
    config: Option<ConfigFile>,
    /// Our certificate, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The authorities that are trusted, PEM; by default those of the operating system
    #[arg(long, value_name = "FILE", conflicts_with = "pin")]
    ca: Option<PathBuf>,
    /// The server's certificate, cert-sha256:HEX or spki-sha256:HEX, in place of authorities
    #[arg(long, value_name = "PIN")]
    pin: Vec<Pin>,
    /// The name that the server's certificate must have, if it is not the host
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// An HTTP proxy to go through, http://[USER:PASSWORD@]HOST:PORT, or `none`; by default the environment's
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    proxy: Option<String>,
    /// Longest time for each step, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

/// Tells each step as it ends. The exit code is 0 only if none failed.
pub(in crate::cli) fn run(asked: Asked) -> ExitCode {
    let all = if asked.url.is_some() { public(asked).map(|one| vec![(None, one)]) } else { backends(asked) };
    match all.and_then(|all| serve::runtime().map(|runtime| runtime.block_on(tried(&all)))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(problems) => {
            tell(problems);
            ExitCode::from(REFUSED)
        }
    }
}

async fn tried(all: &[(Option<String>, Whom)]) -> bool {
    let mut is_well = true;
    for (name, whom) in all {
        if let Some(name) = name {
            println!("{name}");
        }
        let mut tell = |step: &Step| println!("{step}");
        let mut report = Report::new(&mut tell);
        match whom {
            Whom::Backend(backend) => doctor::backend(backend, &mut report).await,
            Whom::Public(public) => doctor::url(public, &mut report).await,
        }
        is_well &= report.is_well();
    }
    is_well
}

/// Whom to try.
enum Whom {
    Backend(Backend),
    Public(Public),
}

fn public(asked: Asked) -> Result<Whom, Vec<Problem>> {
    let patience = Duration::from_secs(asked.timeout);
    let probe = asked.probe.path().to_owned();
    let found = doctor::public_url(asked.url.as_deref().unwrap_or_default());
    let (address, base) = found.map_err(|error| vec![Problem::at("--url", error)])?;
    let proxy = proxy(asked.proxy.as_deref(), &address)?;
    let tls = files(asked, "--url", address.tls)?;
    Ok(Whom::Public(Public { address, base, probe, tls, proxy, patience }))
}

/// Whom to try, with names if there are several.
fn backends(asked: Asked) -> Result<Vec<(Option<String>, Whom)>, Vec<Problem>> {
    let patience = Duration::from_secs(asked.timeout);
    if let Some(file) = &asked.config {
        let overrides = Overrides { environment: environment(), given: file.given(), ..Overrides::default() };
        let (config, problems) = config::load(Some(file.path()), &overrides);
        if !problems.is_empty() {
            return Err(problems);
        }
        let only = config.upstream.map(|upstream| (None, upstream));
        let several = config.upstreams.into_iter().map(|upstream| (Some(upstream.name), upstream.config));
        return Ok(only.into_iter().chain(several).flat_map(|(name, config)| each(name, &config, patience)).collect());
    }
    let address = asked.backend.as_deref().unwrap_or_default().parse::<Address>();
    let address = address.map_err(|error| vec![Problem::at("--backend", error)])?;
    let proxy = proxy(asked.proxy.as_deref(), &address)?;
    let tls = files(asked, "--backend", address.tls)?;
    Ok(vec![(None, Whom::Backend(Backend { address, tls, proxy, patience }))])
}

/// Every address of an upstream, by its name if there are others.
fn each(name: Option<String>, config: &upstream::Config, patience: Duration) -> Vec<(Option<String>, Whom)> {
    let upstream::Config { address: addresses, tls, proxy, .. } = config;
    let is_only = addresses.iter().count() == 1;
    let named = |address: &Address| match &name {
        Some(name) => Some(format!("{name}: {address}")),
        None if is_only => None,
        None => Some(address.to_string()),
    };
    let backend = |address: &Address| {
        let backend = Backend { address: address.clone(), tls: tls.clone(), proxy: proxy.clone(), patience };
        (named(address), Whom::Backend(backend))
    };
    addresses.iter().map(backend).collect()
}

/// The proxy that the flag names, or else the environment.
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

/// What TLS is made with, for `flag`.
fn files(asked: Asked, flag: &str, is_tls: bool) -> Result<TlsFiles, Vec<Problem>> {
    if asked.pin.iter().any(Pin::is_published) {
        let message = "the private key of this one is published with the sample bank: whoever has it may be anybody";
        return Err(vec![Problem::at("--pin", message)]);
    }
    let identity =
        asked.cert.zip(asked.key).map(|(cert, key)| IdentityFiles { cert, key, permissions: Permissions::Strict });
    let tls = TlsFiles { identity, ca: asked.ca, pins: asked.pin, server_name: asked.server_name };
    if !is_tls && tls != TlsFiles::default() {
        let message = "`http://` has no TLS; write `https://` or leave the files out";
        return Err(vec![Problem::at(flag, message)]);
    }
    Ok(tls)
}
