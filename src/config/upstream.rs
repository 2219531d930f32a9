//! One upstream: its address, its TLS and proxy, and the limits of its calls.

use super::input::Input;
use super::reader::{Read, Value, or_default};
use super::{connections, upstreams, value};
use crate::upstream;

impl Input<'_> {
    pub(super) fn upstream(&self, value: Value) -> Read<upstream::Config> {
        if value.is_map() {
            return self.upstream_section(value, &[]);
        }
        self.plain_upstream(value.parsed("an address", connections::address)?)
    }

    /// An upstream's section; `more` lists keys that other functions read.
    pub(super) fn upstream_section(&self, value: Value, more: &[&str]) -> Read<upstream::Config> {
        let keys = ["address", "tls", "proxy", "deadline", "reply_limit", "compression", "limit"];
        let section = value.section(&[&keys, connections::KEYS, more].concat())?;
        let address = match section.value("address") {
            Some(value) => connections::addresses(value),
            None => Err(value.wrong("`address` is missing")),
        };
        let tls = section.value("tls").map(|value| self.upstream_tls(value, &address)).transpose();
        let proxy = self.forward(section.value("proxy"), address.as_ref().ok());
        let deadline = or_default(section.value("deadline"), Value::duration, upstream::DEADLINE);
        let reply_limit = or_default(section.value("reply_limit"), Value::size, upstream::REPLY_LIMIT);
        let limits = section.value("limit").map_or_else(upstream::Limits::default, |value| upstreams::limits(&value));
        let compression = or_default(section.value("compression"), Value::truth, false);
        let (dns, connections) = (connections::dns(section), connections::connections(section));
        let health = connections::health(section);
        let (address, dns, health) = (address?, dns?, health?);
        let (tls, proxy) = (tls?.unwrap_or_default(), proxy?);
        Ok(upstream::Config {
            address,
            dns,
            connections,
            health,
            tls,
            proxy,
            deadline,
            reply_limit,
            limits,
            compression,
        })
    }

    pub(super) fn upstream_tls(&self, value: Value, address: &Read<upstream::Addresses>) -> Read<upstream::TlsFiles> {
        let files = self.tls_files(value);
        if address.as_ref().is_ok_and(|address| !address.tls()) {
            let advice = "an `http://` upstream has none; write `https://` or leave `tls` out";
            return Err(value.wrong(advice));
        }
        files
    }

    /// The files and names of a `tls` section.
    pub(super) fn tls_files(&self, value: Value) -> Read<upstream::TlsFiles> {
        let section = value.section(&["cert", "key", "ca", "pins", "server_name"])?;
        let identity = self.identity(section);
        let ca = self.path(section, "ca");
        let pin = |value: Value| value.parsed("a pin", value::pin);
        let pins = section.value("pins").map_or_else(Vec::new, |pins| pins.one_or_more("pins", pin));
        if let (Some(pins), Some(_)) = (section.value("pins"), section.value("ca")) {
            return Err(pins.wrong("pins take the place of `ca`; leave one of them out"));
        }
        let server_name =
            section.value("server_name").map(|name| name.parsed("a host name", value::server_name)).transpose();
        Ok(upstream::TlsFiles { identity: identity?, ca: ca?, pins, server_name: server_name? })
    }
}
