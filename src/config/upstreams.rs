//! Several upstreams, the rpcs that each serves, the rpcs that are exposed, and the servers that are asked for
//! descriptors.

use std::path::PathBuf;

use super::input::Input;
use super::overrides::Overrides;
use super::reader::{Noted, Read, Value, or_default};
use super::{connections, value};
use crate::format::quantity;
use crate::route::{Answering, Selector, Serving};
use crate::schema::Imports;
use crate::upstream::{self, Adaptive, Addresses, Limits, Login, ProxyConfig};

/// One of several upstreams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The key under `upstreams`.
    pub name: String,
    pub config: upstream::Config,
    /// The rpcs that it serves.
    pub rpcs: Vec<Selector>,
}

/// A server whose descriptors are read by reflection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reflection {
    /// A name under `upstreams`; `None` for the only upstream.
    pub upstream: Option<String>,
}

/// One item of `schema`.
#[derive(PartialEq)]
enum Item {
    Path(PathBuf),
    Reflection(Reflection),
}

/// The sources of descriptors, by kind.
#[derive(Default)]
pub(super) struct Schema {
    pub(super) paths: Vec<PathBuf>,
    pub(super) reflection: Vec<Reflection>,
    pub(super) imports: Imports,
}

impl<'a> Input<'a> {
    pub(super) fn schema(&self) -> Schema {
        let Overrides { proto, proto_paths, reflection, .. } = self.overrides;
        if !proto.is_empty() || *reflection {
            let reflection = reflection.then_some(Reflection { upstream: None }).into_iter().collect();
            let imports = Imports { paths: proto_paths.clone(), ..Imports::default() };
            return Schema { paths: proto.clone(), reflection, imports };
        }
        let Some(value) = self.value("schema") else {
            self.missing("schema", "--proto PATH");
            return Schema::default();
        };
        let mut schema = Schema::default();
        let (items, keys) = if !value.is_map() {
            (value.one_or_more("a path", |item| self.schema_item(item)), None)
        } else if let Ok(section) =
            value.section(&["paths", "reflection", "import_paths", "skip_missing_option_imports"])
        {
            let paths = section.value("paths");
            let mut items =
                paths.map_or_else(Vec::new, |paths| paths.one_or_more("a path", |item| self.schema_item(item)));
            match section.value("reflection") {
                Some(reflection) => items.extend(self.reflecting(reflection).ok().map(reflected)),
                None if paths.is_none() => drop(value.wrong("`paths` or `reflection` is missing")),
                None => {}
            }
            (items, Some(section))
        } else {
            (Vec::new(), None)
        };
        for item in items {
            match item {
                Item::Path(path) => schema.paths.push(path),
                Item::Reflection(reflection) => schema.reflection.push(reflection),
            }
        }
        let paths = keys.and_then(|keys| keys.value("import_paths"));
        let paths = paths.map_or_else(Vec::new, |paths| paths.one_or_more("a path", |path| path.path(self.folder)));
        let skips = keys.and_then(|keys| keys.value("skip_missing_option_imports"));
        let skips_missing_options = or_default(skips, Value::truth, false);
        let paths = if proto_paths.is_empty() { paths } else { proto_paths.clone() };
        Schema { imports: Imports { paths, skips_missing_options }, ..schema }
    }

    fn schema_item(&self, item: Value) -> Read<Item> {
        if !item.is_map() {
            return item.path(self.folder).map(Item::Path);
        }
        let section = item.section(&["reflection"])?;
        let value = section.value("reflection").ok_or_else(|| item.wrong("`reflection` is missing"))?;
        self.reflecting(value).map(reflected)
    }

    /// The upstream to ask for descriptors: `true` for the only one, or the name of one of several.
    fn reflecting(&self, value: Value) -> Read<Option<String>> {
        let text = value.text("`true` or the name of an upstream")?;
        if self.overrides.backend.is_some() {
            return Ok(None);
        }
        let Some(upstreams) = self.value("upstreams") else {
            return if text == "true" {
                Ok(None)
            } else {
                Err(value.wrong(format!("expected `true`, found `{text}`")))
            };
        };
        let names: Vec<&str> = upstreams.named()?.map(|(_, upstream)| upstream.name()).collect();
        if names.contains(&text) {
            return Ok(Some(text.to_owned()));
        }
        Err(value.wrong(format!("expected one of `upstreams` (`{}`), found `{text}`", names.join("`, `"))))
    }

    /// The only upstream; `None` if there are several. If it is missing, that is a problem only if it is `needed`.
    pub(super) fn only_upstream(&self, needed: bool) -> Option<upstream::Config> {
        if let Some(flag) = &self.overrides.backend {
            let address = connections::address(flag).map_err(|message| self.problems.flag("--backend", message));
            return self.plain_upstream(address.ok()?).ok();
        }
        match (self.value("upstream"), self.value("upstreams")) {
            (Some(_), Some(several)) => {
                several.wrong("`upstream` is also set: remove one of the two");
                None
            }
            (None, Some(_)) => None,
            (Some(_) | None, None) if !needed => None,
            (Some(value), None) => self.upstream(value).ok(),
            (None, None) => {
                self.missing("upstream", "--backend URL");
                None
            }
        }
    }

    /// The upstreams that could be read, and whether those are all of them.
    pub(super) fn upstreams(&self) -> (Vec<Upstream>, bool) {
        let value = self.value("upstreams").filter(|_| self.overrides.backend.is_none());
        let Some(value) = value else { return (Vec::new(), true) };
        let Ok(named) = value.named() else { return (Vec::new(), false) };
        let mut list: Vec<Read<Upstream>> = named
            .map(|(spot, value)| {
                let name = value::upstream_name(value.name()).map_err(|message| self.problems.at(spot, message));
                let upstream = self.one_of_several(value);
                let (config, rpcs) = upstream?;
                Ok(Upstream { name: name?, config, rpcs })
            })
            .collect();
        if list.is_empty() {
            list.push(Err(value.wrong("expected at least one upstream by name, found none")));
        }
        let is_whole = list.iter().all(Result::is_ok);
        (list.into_iter().filter_map(Result::ok).collect(), is_whole)
    }

    fn one_of_several(&self, value: Value) -> Read<(upstream::Config, Vec<Selector>)> {
        if !value.is_map() {
            return Err(value.wrong("expected a map with `address` and `rpcs`"));
        }
        let config = self.upstream_section(value, &["rpcs"]);
        let rpcs = value.get("rpcs").ok_or_else(|| {
            value.wrong(
                "`rpcs` is missing: list what this upstream serves, such as `bank.v1.AccountService` or `bank.v1.*`",
            )
        });
        let rpcs = selectors(rpcs?);
        Ok((config?, rpcs))
    }

    /// An upstream with only an address.
    pub(super) fn plain_upstream(&self, address: upstream::Address) -> Read<upstream::Config> {
        let config = upstream::Config::of(address);
        let proxy = self.forward(None, Some(&config.address))?;
        Ok(upstream::Config { proxy, ..config })
    }

    /// The proxy of an upstream: its `proxy` key if present, else the environment.
    pub(super) fn forward(&self, value: Option<Value>, addresses: Option<&Addresses>) -> Read<Option<ProxyConfig>> {
        match (value, addresses) {
            (Some(value), _) if value.is_map() => self.forward_section(value).map(Some),
            (Some(value), _) => value.parsed("a proxy or `none`", value::proxy),
            (None, Some(addresses)) => self.forward_of_environment(addresses),
            (None, None) => Ok(None),
        }
    }

    /// The proxy that the environment names. It must apply to all addresses or to none.
    fn forward_of_environment(&self, addresses: &Addresses) -> Read<Option<ProxyConfig>> {
        let named = addresses.iter().map(|address| self.overrides.environment.proxy_for(address));
        let named: Result<Vec<_>, _> = named.collect();
        let named = named.map_err(|wrong| self.problems.variable(wrong.variable, wrong.error.to_string()))?;
        match named.iter().flatten().find_map(|proxy| proxy.variable) {
            Some(variable) if named.contains(&None) => Err(self.problems.variable(
                variable,
                format!(
                    "it applies to only some of {addresses}; set `proxy` next to `address` to a proxy or to `none`"
                ),
            )),
            _ => Ok(named.into_iter().next().flatten()),
        }
    }

    fn forward_section(&self, value: Value) -> Read<ProxyConfig> {
        let section = value.section(&["address", "username", "password", "password_file"])?;
        let config = match section.value("address") {
            Some(address) => address.parsed("a proxy", value::proxy_address),
            None => Err(value.wrong("`address` is missing")),
        };
        if let Some(password) = section.value("password") {
            if section.value("password_file").is_some() {
                return Err(password.wrong("`password_file` is also set: remove one of the two"));
            }
            let username = section
                .value("username")
                .ok_or_else(|| password.wrong("`username` is missing: set it to the user of this password"))?;
            let (username, password) = (username.parsed("a user", value::proxy_user), self.secret(password));
            let login = Login::Secret { username: username?, password: password? };
            return Ok(ProxyConfig { login, ..config? });
        }
        let login = match (section.value("username"), section.value("password_file")) {
            (Some(username), Some(file)) => {
                let username = username.parsed("a user", value::proxy_user);
                let password_file = file.path(self.folder);
                Login::File { username: username?, password_file: password_file? }
            }
            (Some(username), None) => {
                return Err(username.wrong("`password` or `password_file` is missing: set one of them"));
            }
            (None, Some(file)) => return Err(file.wrong("`username` is missing: set it to the user of this password")),
            (None, None) => Login::None,
        };
        Ok(ProxyConfig { login, ..config? })
    }

    /// Which rpcs are exposed, and which upstream serves each. If an upstream could not be read, this cannot be
    /// decided, and the list of upstreams stays empty.
    pub(super) fn serving(&self, upstreams: &[Upstream], is_whole: bool) -> Serving {
        let (exposed, excepted) = self.value("expose").map_or_else(Default::default, exposure);
        let answering = |upstream: &Upstream| Answering { name: upstream.name.clone(), rpcs: upstream.rpcs.clone() };
        let upstreams = upstreams.iter().filter(|_| is_whole).map(answering).collect();
        Serving { exposed, excepted, upstreams, by_path: false }
    }
}

fn reflected(upstream: Option<String>) -> Item {
    Item::Reflection(Reflection { upstream })
}

/// The limits of concurrent calls to an upstream.
pub(super) fn limits(value: &Value) -> Limits {
    const MOST: usize = 1_000_000;
    let Ok(section) = value.section(&["in_flight", "streams", "waiting", "wait", "adaptive"]) else {
        return Limits::default();
    };
    let number = |value: &Value| value.parsed("a number", |text| quantity::number(text, MOST));
    let or_none = |value: &Value| value.parsed("a number", |text| quantity::number_or_none(text, MOST));
    let base = Limits::default();
    let adaptive = section.value("adaptive").and_then(|value| adaptive(&value, number).ok());
    Limits {
        in_flight: or_default(section.value("in_flight"), number, base.in_flight),
        streams: or_default(section.value("streams"), number, base.streams),
        waiting: or_default(section.value("waiting"), or_none, base.waiting),
        wait: or_default(section.value("wait"), Value::duration, base.wait),
        adaptive,
    }
}

/// How the limit of unary calls adapts.
fn adaptive(value: &Value, number: impl Fn(&Value) -> Read<usize>) -> Read<Adaptive> {
    const MIN: usize = 10;
    let section = value.section(&["latency", "min"])?;
    let min = or_default(section.value("min"), number, MIN);
    match section.value("latency") {
        Some(latency) => latency.duration().map(|latency| Adaptive { latency, min }),
        None => Err(value.wrong("`latency` is missing: how long calls should take on average, for example `200ms`")),
    }
}

/// The exposed rpcs and the exceptions. A plain list of selectors has no exceptions.
fn exposure(value: Value) -> (Vec<Selector>, Vec<Selector>) {
    if !value.is_map() {
        return (selectors(value), Vec::new());
    }
    let Ok(section) = value.section(&["only", "except"]) else { return Default::default() };
    let read = |key| section.value(key).map_or_else(Vec::new, selectors);
    (read("only"), read("except"))
}

fn selectors(value: Value) -> Vec<Selector> {
    value.one_or_more("a selector", |item| {
        let text = item.parsed("a selector", value::selector)?;
        Ok::<_, Noted>(Selector { text, place: item.place() })
    })
}
