//! A backend that calls can be made to, built from its configuration.

use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::config::{Config, TlsFiles};
use super::counts::ConnectCounters;
use super::dial::address::{Address, Addresses};
use super::dial::directory::Directory;
use super::dial::proxy::config::Proxy;
use super::dial::target::Target;
use super::grpc::channel::{Channel, Shared};
use super::grpc::error::CallError;
use super::grpc::health::{self, Health};
use super::grpc::reply::Reply;
use super::grpc::request::CallHeads;
use super::grpc::stream::{Incoming, Outgoing};
use super::outbound::Outbound;
use super::trail::Trail;
use crate::format::problem::Problem;
use crate::limits::memory::Share;
use crate::tls::{self, Identity, Servers, Trust};

/// A backend that calls can be made to. It connects on the first call, and again when a connection is lost.
pub struct Upstream {
    channel: Channel,
    /// See [`Config::address`].
    pub address: Addresses,
    /// See [`Config::proxy`].
    pub proxy: Option<Arc<Proxy>>,
    /// See [`Config::health`].
    health: Option<Health>,
    /// See [`Config::deadline`].
    pub deadline: Duration,
    /// See [`Config::reply_limit`].
    pub reply_limit: usize,
}

impl Upstream {
    /// Builds a backend from its configuration.
    ///
    /// # Errors
    /// Everything that is wrong with the files that the configuration names.
    pub fn new(config: &Config) -> Result<Self, Vec<Problem>> {
        let tls = if config.address.tls() { Some(client_config(&config.tls, &[b"h2"])?) } else { None };
        Self::with_tls(config, tls)
    }

    /// Builds a backend with an existing TLS configuration.
    ///
    /// # Errors
    /// The server name is not valid, or the password of the proxy cannot be read.
    pub fn with_tls(config: &Config, tls: Option<Arc<ClientConfig>>) -> Result<Self, Vec<Problem>> {
        let name = config.tls.server_name.as_deref();
        let proxy = config.proxy.as_ref().map(Proxy::load).transpose().map_err(|problem| vec![problem])?.map(Arc::new);
        let mut targets = Vec::new();
        for address in config.address.iter() {
            let target = target(address, tls.as_ref(), name)?;
            targets.push(Target { proxy: proxy.clone(), ..target });
        }
        let authority = authority(config.address.first())?;
        let scheme = if tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        for (target, address) in targets.iter_mut().zip(config.address.iter()).skip(1) {
            target.other_authority = Some(self::authority(address)?);
        }
        let directory = Directory::new(targets, &config.dns, config.connections);
        let heads = CallHeads::new(scheme, authority, config.compression);
        Ok(Self {
            channel: Channel::new(directory, heads, Shared::new(config.limits), Share::unbounded()),
            address: config.address.clone(),
            proxy,
            health: config.health.clone(),
            deadline: config.deadline,
            reply_limit: config.reply_limit,
        })
    }

    /// The backend for one worker, with separate connections and the worker's share of the memory. The first such call
    /// starts the look-ups of host names and the health checks.
    #[must_use]
    pub fn for_worker(&self, memory: &Share) -> Self {
        if self.channel.directory().start()
            && let Some(health) = &self.health
        {
            health::start(&self.channel, health);
        }
        Self {
            channel: self.channel.for_worker(memory),
            address: self.address.clone(),
            proxy: self.proxy.clone(),
            health: self.health.clone(),
            deadline: self.deadline,
            reply_limit: self.reply_limit,
        }
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    pub(super) fn counters(&self) -> &ConnectCounters {
        self.channel.counters()
    }

    pub(super) fn directory(&self) -> &Directory {
        self.channel.directory()
    }

    /// Continues the counters of `old` if that has the same addresses, and its count of calls in flight if it also has
    /// the same limits.
    pub fn go_on_from(&mut self, old: &Self) {
        if self.address == old.address {
            self.channel.go_on_from(&old.channel);
        }
    }

    /// The addresses of the backend, and the proxy if it is reached through one.
    #[must_use]
    pub fn place(&self) -> String {
        let through = self.proxy.as_ref().map_or_else(String::new, |proxy| format!(" through the proxy {proxy}"));
        format!("{}{through}", self.address)
    }

    /// Makes a unary call. The backend is told the deadline, and the call fails when it passes.
    ///
    /// Dropping the future resets the stream, so that the backend learns that nobody waits for the reply. The reset is
    /// sent at once, or later if there are many of them.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn call<'a>(
        &'a self,
        outbound: Outbound<'a>,
        message: &'a [u8],
        trail: &'a mut Trail,
    ) -> impl Future<Output = Result<Reply, CallError>> {
        self.channel.call(outbound, message, trail)
    }

    /// Begins a call that may have several messages in each direction. The backend is told the deadline. The call is
    /// never sent again.
    ///
    /// # Errors
    /// See [`CallError`]. No message was sent.
    pub fn open(
        &self,
        outbound: Outbound<'_>,
        trail: &mut Trail,
    ) -> impl Future<Output = Result<(Outgoing, Incoming), CallError>> {
        self.channel.open(outbound, trail)
    }
}

fn authority(address: &Address) -> Result<Authority, Vec<Problem>> {
    Authority::try_from(address.authority()).map_err(|error| vec![Problem::at("upstream.address", error)])
}

fn target(address: &Address, tls: Option<&Arc<ClientConfig>>, name: Option<&str>) -> Result<Target, Vec<Problem>> {
    let Address { host, port, .. } = address;
    // A host name may end with a dot in DNS, but not in a certificate.
    let name = name.unwrap_or(host.strip_suffix('.').unwrap_or(host));
    let named = |tls: &Arc<ClientConfig>| match ServerName::try_from(name.to_owned()) {
        Ok(name) => Ok((tls.clone().into(), name)),
        Err(_) => {
            let message = format!("expected a DNS name or an IP address, found `{name}`");
            Err(vec![Problem::at("upstream.tls.server_name", message)])
        }
    };
    let tls = tls.map(named).transpose()?;
    Ok(Target { host: host.clone(), port: *port, tls, proxy: None, other_authority: None })
}

pub(super) fn client_config(files: &TlsFiles, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, Vec<Problem>> {
    let identity = files.identity.as_ref().map(Identity::load).transpose();
    let servers = match &files.ca {
        _ if !files.pins.is_empty() => Ok(Servers::Pinned(files.pins.clone())),
        Some(ca) => Trust::load(ca).map(Servers::Trusted),
        None => Trust::system().map(Servers::Trusted),
    };
    match (identity, servers) {
        (Ok(identity), Ok(servers)) => tls::client(identity, &servers, alpn).map_err(|problem| vec![problem]),
        (identity, servers) => {
            Err(identity.err().into_iter().flatten().chain(servers.err().into_iter().flatten()).collect())
        }
    }
}
