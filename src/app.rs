//! All parts joined: a configuration in, a gateway that serves out, or every problem at once.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;

use crate::config::Config;
use crate::listener::{self, Listener, Plain};
use crate::metadata::Metadata;
use crate::problem::Problem;
use crate::proxy::{self, Gateway};
use crate::route::Routes;
use crate::schema::Schema;
use crate::tls::{self, Identity, Trust};
use crate::upstream::Upstream;

/// A gateway whose configuration, descriptors, rules and certificates are all right.
pub struct App {
    listen: listener::Config,
    tls: Option<Arc<ServerConfig>>,
    gateway: Gateway,
}

/// A gateway that holds its port.
pub struct Bound {
    listener: Listener,
    gateway: Gateway,
    /// What is served where: one line for the listener, one for the routes.
    pub summary: String,
    /// The port's address.
    pub address: SocketAddr,
}

impl App {
    /// Checks all that `config` names and joins it. `problems` are those found while it was read.
    ///
    /// # Errors
    /// Everything wrong, in one list.
    pub fn new(config: Config, mut problems: Vec<Problem>) -> Result<Self, Vec<Problem>> {
        let schema = if config.schema.is_empty() { None } else { Some(Schema::load(&config.schema)) };
        let upstream = config.upstream.as_ref().and_then(|upstream| keep(Upstream::new(upstream), &mut problems));
        Self::with_parts(config, schema, upstream, problems)
    }

    /// The same with descriptors and a backend that are at hand. Where one is missing, `problems` has the reason.
    ///
    /// # Errors
    /// Everything wrong, in one list.
    pub fn with_parts(
        config: Config,
        schema: Option<Result<Schema, Vec<Problem>>>,
        upstream: Option<Upstream>,
        mut problems: Vec<Problem>,
    ) -> Result<Self, Vec<Problem>> {
        let routed = schema.and_then(|schema| keep(schema.and_then(|s| with_routes(s, &config)), &mut problems));
        let tls = config.listen.as_ref().and_then(|listen| keep(server_tls(listen), &mut problems));
        let (Some(listen), Some(tls), Some((schema, routes)), Some(upstream)) = (config.listen, tls, routed, upstream)
        else {
            return Err(problems);
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let metadata = Metadata::new(config.metadata);
        let gateway = Gateway::new(schema, routes, upstream, metadata, config.proxy);
        Ok(Self { listen, tls, gateway })
    }

    /// Takes the port.
    ///
    /// # Errors
    /// The port is taken, or the address is not one of this machine's.
    pub async fn bind(self) -> Result<Bound, Problem> {
        let Self { listen, tls, gateway } = self;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let asks = listen.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        let bound = Listener::bind(&listen.address, tls, Plain::Http1).await;
        let bound = bound.and_then(|listener| listener.address().map(|address| (listener, address)));
        let (listener, address) = bound.map_err(|error| not_bound(&listen.address, &error))?;
        let asks = if asks { ", client certificate required" } else { "" };
        let (routes, backend) = (gateway.routes.all().len(), &gateway.upstream.address);
        let noun = if routes == 1 { "route" } else { "routes" };
        let summary = format!("listening on {scheme}://{address}{asks}\nserving {routes} {noun}, calling {backend}");
        Ok(Bound { listener, gateway, summary, address })
    }
}

impl Bound {
    /// Serves until `stop`, then finishes the calls in flight.
    ///
    /// # Errors
    /// The operating system cannot start the threads.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<(), Problem> {
        let Self { listener, gateway, .. } = self;
        let listener = listener.answering(proxy::malformed(&gateway.config));
        let served = listener.serve_on_all_cores(|| proxy::service(gateway.for_worker()), stop).await;
        served.map_err(|error| Problem::new(format!("cannot start a thread: {error}")))
    }
}

/// The schema and routes alone, for commands that serve nothing.
///
/// # Errors
/// Everything wrong with them.
pub fn routes(config: &Config) -> Result<Routes, Vec<Problem>> {
    Schema::load(&config.schema).and_then(|schema| with_routes(schema, config)).map(|(_, routes)| routes)
}

fn with_routes(schema: Schema, config: &Config) -> Result<(Schema, Routes), Vec<Problem>> {
    let routes = Routes::build(&schema, &config.rpcs, &config.routes)?;
    Ok((schema, routes))
}

fn server_tls(listen: &listener::Config) -> Result<Option<Arc<ServerConfig>>, Vec<Problem>> {
    let Some(files) = &listen.tls else { return Ok(None) };
    let identity = Identity::load(&files.identity);
    let clients = files.client_ca.as_deref().map(Trust::load).transpose();
    match (identity, clients) {
        (Ok(identity), Ok(clients)) => {
            let config = tls::server(identity, clients.as_ref(), &[b"h2", b"http/1.1"]);
            config.map(Some).map_err(|problem| vec![problem])
        }
        (identity, clients) => {
            Err(identity.err().into_iter().flatten().chain(clients.err().into_iter().flatten()).collect())
        }
    }
}

fn not_bound(address: &str, error: &io::Error) -> Problem {
    Problem::at(address, format!("cannot listen there: {error}; choose another address with `--listen ADDR`"))
}

/// The value, or its problems with the others.
fn keep<T>(result: Result<T, Vec<Problem>>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|wrong| problems.extend(wrong)).ok()
}
