//! The network path to a server: name resolution, and a direct connection or one through a proxy.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::report::{Report, Stop, listed};
use crate::upstream::{Proxy, ProxyConfig};

/// A server, and how to reach it.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    /// The proxy that connects to the server for us; `None` for a direct connection.
    pub(super) proxy: Option<ProxyConfig>,
    /// The timeout of each step.
    pub(super) patience: Duration,
}

/// A path that works; every later connection uses it.
pub(super) enum Way {
    Direct(SocketAddr),
    Through { proxy: Proxy, host: String, port: u16 },
}

impl Way {
    /// Opens a TCP connection, or says why that failed.
    pub(super) async fn open(&self, patience: Duration) -> Result<TcpStream, String> {
        match self {
            Self::Direct(address) => open(*address, patience).await,
            Self::Through { proxy, host, port } => {
                let until = tokio::time::Instant::now() + patience;
                proxy.open(host, *port, until).await.map_err(|error| error.to_string())
            }
        }
    }
}

/// Finds a path, and tries every address on the way. A proxy resolves names itself.
pub(super) async fn find(report: &mut Report<'_>, server: &Server) -> Result<Way, Stop> {
    let Some(config) = &server.proxy else {
        report.skipped("proxy", "no proxy is set");
        let addresses = resolve(report, server).await?;
        return connect(report, server, &addresses).await.map(Way::Direct);
    };
    let proxy = Proxy::load(config).map_err(|problem| report.failed("proxy", problem, "fix the file"))?;
    let (name, started) = (proxy.to_string(), Instant::now());
    let way = Way::Through { proxy, host: server.host.clone(), port: server.port };
    if let Err(reason) = way.open(server.patience).await {
        let advice = "or bypass the proxy for this host (`proxy: none`, or `no_proxy`)";
        return Err(report.failed("proxy", format!("{name}: {reason}"), advice));
    }
    report.passed("proxy", format!("{name} opens a tunnel in {} ms", started.elapsed().as_millis()));
    report.skipped("resolve", "the proxy resolves the name");
    report.skipped("connect", "the proxy connects");
    Ok(way)
}

async fn resolve(report: &mut Report<'_>, server: &Server) -> Result<Vec<SocketAddr>, Stop> {
    const ADVICE: &str = "correct the name, or ask the operators of this machine's DNS";
    let Server { host, port, patience, .. } = server;
    let addresses: Vec<SocketAddr> = match timeout(*patience, lookup_host((host.as_str(), *port))).await {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) => return Err(report.failed("resolve", format!("{host}: {error}"), ADVICE)),
        Err(_) => return Err(report.failed("resolve", format!("{host}: no answer in {patience:?}"), ADVICE)),
    };
    if addresses.is_empty() {
        return Err(report.failed("resolve", format!("{host} has no address"), ADVICE));
    }
    report.passed("resolve", format!("{host} is {}", listed(addresses.iter().map(SocketAddr::ip))));
    Ok(addresses)
}

/// Tries all addresses, and returns the first that accepts a connection.
async fn connect(report: &mut Report<'_>, server: &Server, addresses: &[SocketAddr]) -> Result<SocketAddr, Stop> {
    let (mut first, mut told, mut failed) = (None, Vec::new(), false);
    for address in addresses {
        let started = Instant::now();
        match open(*address, server.patience).await {
            Ok(_) => {
                first = first.or(Some(*address));
                told.push(format!("{address} in {} ms", started.elapsed().as_millis()));
            }
            Err(reason) => {
                failed = true;
                told.push(format!("{address}: {reason}"));
            }
        }
    }
    let told = told.join(", ");
    let Some(address) = first else {
        let advice = "start the server, correct the port, or ask the operators of the firewall in between";
        return Err(report.failed("connect", told, advice));
    };
    match failed {
        true => report.noted("connect", told),
        false => report.passed("connect", told),
    }
    Ok(address)
}

async fn open(address: SocketAddr, patience: Duration) -> Result<TcpStream, String> {
    match timeout(patience, TcpStream::connect(address)).await {
        Ok(Ok(tcp)) => {
            // A failure to set this socket option does not matter to the test.
            let _ = tcp.set_nodelay(true);
            Ok(tcp)
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer in {patience:?}")),
    }
}
