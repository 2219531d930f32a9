//! `traces`: the collector of traces, and which requests are traced.

use super::connections;
use super::input::Input;
use super::log::share;
use super::reader::{Read, Value, or_default};
use crate::format::quantity;
use crate::observe::traces;
use crate::upstream::Config;

/// The most spans that may wait: up to about 100 MB.
const MOST_WAITING: usize = 65_536;
/// The largest batch: receivers of gRPC take 4 MiB by default.
const LARGEST_BATCH: usize = 2048;

/// The `traces` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traces {
    /// The collector that spans are sent to.
    pub collector: Config,
    pub config: traces::Config,
}

impl Input<'_> {
    /// The `traces` section; `None` if requests are not traced.
    pub(super) fn traces(&self) -> Option<Traces> {
        let value = self.value("traces")?;
        if !value.is_map() {
            let collector = self.collector(value).ok()?;
            return Some(Traces { collector, config: traces::Config::default() });
        }
        let keys = ["collector", "sample", "service", "attributes", "queue", "batch", "interval"];
        let section = value.section(&keys).ok()?;
        let default = traces::Config::default();
        let collector = match section.value("collector") {
            Some(value) => self.collector(value),
            None => Err(value.wrong("`collector` is missing: the address that spans are sent to")),
        };
        let number = |key, most, default| {
            let read = |value: &Value| value.parsed("a number", |text| quantity::number(text, most));
            or_default(section.value(key), read, default)
        };
        let sample = or_default(section.value("sample"), |value| value.parsed("a percentage", share), default.sample);
        let service =
            or_default(section.value("service"), |value| value.text("a name").map(str::to_owned), default.service);
        let attributes = section.value("attributes").map_or(Ok(Vec::new()), attributes);
        let queue = number("queue", MOST_WAITING, default.queue);
        let batch = number("batch", LARGEST_BATCH, default.batch.min(queue));
        let interval = or_default(section.value("interval"), Value::duration, default.interval);
        if let Some(value) = section.value("batch").filter(|_| batch > queue) {
            value.wrong(format!("expected at most the {queue} spans of `queue`, got {batch}"));
        }
        let config = traces::Config { sample, service, attributes: attributes.ok()?, queue, batch, interval };
        Some(Traces { collector: collector.ok()?, config })
    }

    /// The collector: its address, or a map that also has TLS and a proxy.
    fn collector(&self, value: Value) -> Read<Config> {
        if !value.is_map() {
            return self.plain_upstream(value.parsed("an address", connections::address)?);
        }
        let section = value.section(&["address", "tls", "proxy"])?;
        let address = match section.value("address") {
            Some(value) => connections::addresses(value),
            None => Err(value.wrong("`address` is missing")),
        };
        let tls = section.value("tls").map(|value| self.upstream_tls(value, &address)).transpose();
        let proxy = self.forward(section.value("proxy"), address.as_ref().ok());
        let (address, tls, proxy) = (address?, tls?.unwrap_or_default(), proxy?);
        let config = Config::of(address.first().clone());
        Ok(Config { address, tls, proxy, ..config })
    }
}

/// What is said about this service besides its name.
fn attributes(value: Value) -> Read<Vec<(String, String)>> {
    let (mut list, mut failed) = (Vec::new(), None);
    for (_, value) in value.named()? {
        let text = match value.name() {
            "service.name" => Err(value.wrong("set `traces.service` instead")),
            _ => value.text("a value"),
        };
        match text {
            Ok(text) => list.push((value.name().to_owned(), text.to_owned())),
            Err(noted) => failed = Some(noted),
        }
    }
    failed.map_or(Ok(list), Err)
}
