//! The address or addresses of an upstream, how its name is looked up, and how its connections are kept.

use std::net::SocketAddr;
use std::str::FromStr;

use super::reader::{Read, Section, Value, or_default};
use crate::upstream::{self, Addresses, Connections, Dns, Health};

/// The keys that this module reads in an upstream's section.
pub(super) const KEYS: &[&str] = &["dns", "connections", "health"];

/// One address, or a list of them.
pub(super) fn addresses(value: Value) -> Read<Addresses> {
    let list = value.all("an address", |item| item.parsed("an address", address))?;
    Addresses::new(list).map_err(|error| value.wrong(error.to_string()))
}

pub(super) fn address(text: &str) -> Result<upstream::Address, String> {
    upstream::Address::from_str(text).map_err(|error| format!("`{text}`: {error}"))
}

pub(super) fn dns(section: Section) -> Read<Dns> {
    let Some(dns) = section.value("dns") else { return Ok(Dns::default()) };
    let keys = dns.section(&["min_ttl", "max_ttl", "servers"])?;
    let default = Dns::default();
    let min_ttl = or_default(keys.value("min_ttl"), Value::duration, default.min_ttl);
    let max_ttl = or_default(keys.value("max_ttl"), Value::duration, default.max_ttl);
    let servers = keys.value("servers").map(|servers| servers.all("a server", |item| item.parsed("a server", server)));
    if min_ttl > max_ttl {
        return Err(dns.wrong(format!("`min_ttl` ({min_ttl:?}) must not be more than `max_ttl` ({max_ttl:?})")));
    }
    Ok(Dns { min_ttl, max_ttl, servers: servers.transpose()?.unwrap_or_default() })
}

fn server(text: &str) -> Result<SocketAddr, String> {
    let expected = || format!("expected an IP address and a port, such as `10.0.0.2:53`, found `{text}`");
    text.parse().ok().filter(|address: &SocketAddr| address.port() > 0).ok_or_else(expected)
}

pub(super) fn connections(section: Section) -> Connections {
    let known = &["connect_timeout", "idle", "age", "ping_interval", "ping_timeout"];
    let keys = section.value("connections").and_then(|value| value.section(known).ok());
    let default = Connections::default();
    let time = |key, default| or_default(keys.and_then(|keys| keys.value(key)), Value::duration, default);
    Connections {
        connect_timeout: time("connect_timeout", default.connect_timeout),
        idle: time("idle", default.idle),
        age: time("age", default.age),
        ping_interval: time("ping_interval", default.ping_interval),
        ping_timeout: time("ping_timeout", default.ping_timeout),
    }
}

/// Health checks are on if the key is present, even with nothing under it.
pub(super) fn health(section: Section) -> Read<Option<Health>> {
    let Some(value) = section.value("health") else { return Ok(None) };
    let keys = value.section(&["service", "interval", "timeout"])?;
    let default = Health::default();
    let service = keys.value("service").map(|service| service.parsed("a service name", |text| Ok(text.to_owned())));
    let interval = or_default(keys.value("interval"), Value::duration, default.interval);
    let timeout = or_default(keys.value("timeout"), Value::duration, default.timeout);
    Ok(Some(Health { service: service.transpose()?.unwrap_or_default(), interval, timeout }))
}
