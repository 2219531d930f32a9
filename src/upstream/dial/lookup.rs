//! Looks up a host name: gives its addresses and their TTL, from `/etc/hosts` or else DNS (RFC 1034, 1035).
//!
//! Nothing is cached between two look-ups, neither answers nor files. `/etc/hosts` and `/etc/resolv.conf` are read each
//! time, so changes there take effect.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use tokio::time::timeout;

/// The longest time for a look-up.
const LIMIT: Duration = Duration::from_secs(5);
/// The longest time to wait for the answer of a server, before it or another one is asked again.
const SERVER_LIMIT: Duration = Duration::from_secs(2);
/// The longest time to wait for the addresses of one family once those of the other are known: some servers answer for
/// one family only.
const OTHER_FAMILY: Duration = Duration::from_millis(500);

/// The result of a look-up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ResolvedName {
    /// The addresses, at least one.
    pub(crate) addresses: Vec<IpAddr>,
    /// How long the addresses are valid.
    pub(crate) ttl: Duration,
}

/// Looks up a host name at these servers; if `servers` is empty, at those of the operating system.
///
/// # Errors
/// Why there is no address, in words.
pub(crate) async fn look_up(name: &str, servers: &[SocketAddr]) -> Result<ResolvedName, String> {
    let parsed = Name::from_utf8(name).map_err(|error| format!("no name of DNS: {error}"))?;
    let hosts = Hosts::from_system().unwrap_or_default();
    let listed = [RecordType::A, RecordType::AAAA].map(|kind| {
        let mut query = Query::new();
        query.set_name(parsed.clone()).set_query_type(kind);
        hosts.lookup_static_host(&query)
    });
    if let Some(found) = found(listed.into_iter().flatten()) {
        return Ok(found);
    }
    let resolver = resolver(servers).map_err(|error| format!("no resolver: {}", cause(&error)))?;
    match timeout(LIMIT, both_families(&resolver, &parsed)).await {
        Ok(found) => found,
        Err(_) => Err(format!("no answer within {LIMIT:?}")),
    }
}

fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let server = |server: &SocketAddr| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            NameServerConfig::new(server.ip(), true, connections.into())
        };
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(server).collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.timeout = options.timeout.min(SERVER_LIMIT);
    builder.build()
}

async fn both_families(resolver: &TokioResolver, name: &Name) -> Result<ResolvedName, String> {
    let mut v4 = Box::pin(resolver.lookup(name.clone(), RecordType::A));
    let mut v6 = Box::pin(resolver.lookup(name.clone(), RecordType::AAAA));
    let (first, second) = tokio::select! {
        first = &mut v4 => { let second = other(&first, v6).await; (first, second) }
        first = &mut v6 => { let second = other(&first, v4).await; (first, second) }
    };
    let both = [first.as_ref().ok(), second.as_ref().and_then(|second| second.as_ref().ok())];
    if let Some(found) = found(both.into_iter().flatten().cloned()) {
        return Ok(found);
    }
    let errors = [first.err(), second.and_then(Result::err)];
    // If one family has no addresses, the error of the other family says more.
    let mut errors: Vec<String> = errors.iter().flatten().map(cause).collect();
    errors.sort_by_key(|cause| cause == NO_ADDRESS);
    Err(errors.into_iter().next().unwrap_or_else(|| NO_ADDRESS.to_owned()))
}

/// Waits for the answer for the other family. Without addresses of the first family, it waits as long as that takes.
async fn other(
    first: &Result<Lookup, NetError>,
    second: impl Future<Output = Result<Lookup, NetError>>,
) -> Option<Result<Lookup, NetError>> {
    match first {
        Ok(_) => timeout(OTHER_FAMILY, second).await.ok(),
        Err(_) => Some(second.await),
    }
}

fn found(lookups: impl Iterator<Item = Lookup>) -> Option<ResolvedName> {
    let mut found = ResolvedName { addresses: Vec::new(), ttl: Duration::MAX };
    for lookup in lookups {
        for record in lookup.answers() {
            // An address is valid no longer than the names (CNAME) on the way to it.
            found.ttl = found.ttl.min(Duration::from_secs(record.ttl.into()));
            found.addresses.extend(record.data.ip_addr().filter(|address| !found.addresses.contains(address)));
        }
    }
    (!found.addresses.is_empty()).then_some(found)
}

const NO_ADDRESS: &str = "the name has no address";

fn cause(error: &NetError) -> String {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) if none.response_code == ResponseCode::NXDomain => {
            "there is no such name (NXDOMAIN)".to_owned()
        }
        NetError::Dns(DnsError::NoRecordsFound(none)) if none.response_code == ResponseCode::NoError => {
            NO_ADDRESS.to_owned()
        }
        NetError::Dns(DnsError::NoRecordsFound(none)) => format!("the server answers {}", none.response_code),
        NetError::Dns(DnsError::ResponseCode(code)) => format!("the server answers {code}"),
        NetError::Timeout => "the server does not answer".to_owned(),
        other => other.to_string(),
    }
}
