//! The configuration: a YAML file and the flags over it in, a typed [`Config`] and every [`Problem`] out.
//!
//! The keys, their meaning, defaults and ranges: `docs/configuration.md`. Reading never stops at a problem, and one
//! problem is enough to serve nothing, so whoever calls [`load`] checks what could be read, adds its own problems and
//! prints them all. No file named here is opened but the configuration itself and
//! the rules beside it. A part owns its `Config`; this module
//! fills it, and nothing below knows that there is a file.

mod admin;
mod caller;
mod compatibility;
mod connections;
mod drain;
mod limits;
mod listen;
mod policy;
mod reader;
mod service;
#[cfg(test)]
mod tests;
mod trusted;
mod upstreams;
mod value;
mod yaml;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use crate::caller::CallerNames;
use crate::format::problem::Problem;
use crate::format::secret::Permissions;
use crate::format::{header_name, quantity};
use crate::gateway;
use crate::gateway::metadata;
use crate::gateway::metadata::TraceContext;
use crate::gateway::probe::{Probe, ProbeError};
use crate::gateway::stream;
use crate::gateway::stream::Format;
use crate::route::policy::{Part, Policy};
use crate::route::{self, RpcOptions};
use crate::schema::Imports;
use crate::server;
use crate::tls::{IdentityFiles, Pin, PinError};
use crate::upstream;
pub use compatibility::{Preset, PresetKey};
use policy::known;
use reader::{Noted, Problems, Read, Section, Value};
pub use upstreams::{Reflection, Upstream};
use yaml::{Node, Spot};

/// Together with the reading, new certificates are served within a second.
const RELOAD_INTERVAL: Duration = Duration::from_millis(500);
const STATUS_HEADER: HeaderName = HeaderName::from_static("token-grpc-status");
const MESSAGE_HEADER: HeaderName = HeaderName::from_static("token-grpc-message");

const KEYS: &[&str] = &[
    "compatibility",
    "listen",
    "schema",
    "rules",
    "expose",
    "upstream",
    "upstreams",
    "requests",
    "streams",
    "json",
    "replies",
    "metadata",
    "errors",
    "status_headers",
    "rpcs",
    "reload",
    "admin",
    "probe",
    "memory",
    "secret_files",
];
const REQUEST_KEYS: &[&str] = &[
    "body_limit",
    "json_depth",
    "query_pairs",
    "query_length",
    "header_limit",
    "json_types",
    "json_without_type",
    "empty_body",
    "forms",
    "ignore_query",
    "ignore_members",
    "fill_update_mask",
    "timeout_header",
    "min_rate",
    "min_rate_over",
    "caller_gone",
    "gzip",
    "gzip_ratio",
];
const METADATA_KEYS: &[&str] =
    &["request", "reply", "http_status", "location", "caller", "trace_context", "grpc_metadata_prefix"];
const STREAM_KEYS: &[&str] = &["format", "closing_line", "deadline", "keep_alive", "long_poll"];

/// Everything that is configured. What could not be read is `None` or left out, and a problem says so.
pub struct Config {
    pub listen: Option<server::Config>,
    /// `.proto` files, folders of them, descriptor sets.
    pub schema: Vec<PathBuf>,
    /// How imports of `.proto` files are found besides.
    pub imports: Imports,
    /// Servers that are asked for descriptors, besides.
    pub reflection: Vec<Reflection>,
    /// Who answers all, unless there are several.
    pub upstream: Option<upstream::Config>,
    /// Who answers what, if there are several.
    pub upstreams: Vec<Upstream>,
    pub proxy: gateway::Config,
    pub metadata: metadata::Config,
    /// What holds for all rpcs, but for those that say otherwise.
    pub routes: route::Defaults,
    /// Files of rules, which are read already.
    pub rule_files: Vec<PathBuf>,
    /// How changes of files are noticed.
    pub reload: Reload,
    /// `host:port` where those who run it look, if there is one.
    pub admin: Option<String>,
    /// How much memory the process may have, in bytes, if it is said.
    pub memory: Option<usize>,
    /// Who may read files with secrets.
    pub secret_files: Permissions,
    /// What was set because the file names another gateway to be compatible with, if it does.
    pub compatibility: Option<(Preset, Vec<PresetKey>)>,
    /// Whether the schema has these rpcs is found out later, and told with their `place`.
    pub rpcs: Vec<RpcOptions>,
}

/// How changes of the files are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reload {
    /// Whether they are looked at; SIGHUP counts anyway.
    pub watch: bool,
    /// Time between two looks.
    pub interval: Duration,
}

impl Config {
    /// Every file and folder that is named, but for the configuration itself.
    pub fn files(&self) -> Vec<PathBuf> {
        let identity = |identity: &IdentityFiles| [identity.cert.clone(), identity.key.clone()];
        let listen = self.listen.iter().filter_map(|listen| listen.tls.as_ref());
        let listen = listen.flat_map(|tls| identity(&tls.identity).into_iter().chain(tls.client_ca.clone()));
        let upstreams = self.upstream.iter().chain(self.upstreams.iter().map(|upstream| &upstream.config));
        let upstreams = upstreams.flat_map(|upstream| {
            let (tls, proxy) = (&upstream.tls, upstream.proxy.as_ref());
            let password = proxy.and_then(|proxy| proxy.password_file().map(Path::to_path_buf));
            tls.identity.iter().flat_map(identity).chain(tls.ca.clone()).chain(password)
        });
        self.schema.iter().chain(&self.rule_files).cloned().chain(listen).chain(upstreams).collect()
    }
}

/// The flags, each of which stands for a whole section of the file, which is then not read at all; and the environment.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--proto`, for `schema`.
    pub proto: Vec<PathBuf>,
    /// `--proto-path`, for `schema.import_paths`.
    pub proto_paths: Vec<PathBuf>,
    /// `--reflection`, for `schema` too.
    pub reflection: bool,
    /// `--backend`, for `upstream`.
    pub backend: Option<String>,
    /// `--listen`, for `listen`.
    pub listen: Option<String>,
    /// What it says of proxies, for upstreams of which the file says nothing.
    pub environment: upstream::Environment,
    /// The file's text, where it is standard input or a pipe: it can be read only once, and paths in it count from the working folder.
    pub given: Option<Arc<Vec<u8>>>,
    /// Only what routes are made of is needed: an `upstream` that is not asked for its descriptors is not read.
    pub only_routes: bool,
}

/// Reads the file, if there is one, and lets the flags win.
pub fn load(file: Option<&Path>, overrides: &Overrides) -> (Config, Vec<Problem>) {
    let problems = Problems::new(file);
    match (&overrides.given, file) {
        (Some(given), _) => {
            let root = decoded(given, &problems).and_then(|text| parse(text, &problems));
            fill(root, None, problems, overrides)
        }
        (None, file) => {
            let root = file.map_or_else(|| Ok(Node::nothing()), |file| read_file(file, &problems));
            fill(root, file, problems, overrides)
        }
    }
}

/// Reads a text that is at hand; `file` is where it would be.
pub fn load_text(text: &str, file: &Path, overrides: &Overrides) -> (Config, Vec<Problem>) {
    let problems = Problems::new(Some(file));
    let root = parse(text, &problems);
    fill(root, Some(file), problems, overrides)
}

fn fill(root: Read<Node>, file: Option<&Path>, problems: Problems, overrides: &Overrides) -> (Config, Vec<Problem>) {
    let mut root = root;
    let compatibility = root.as_mut().ok().and_then(compatibility::lay_under);
    let root = root.as_ref().map_err(|noted| *noted);
    let source = Source {
        top: root.and_then(|node| Section::root(&problems, node, KEYS)),
        folder: file.and_then(Path::parent).unwrap_or(Path::new("")),
        problems: &problems,
        overrides,
    };
    let config = Config { compatibility, ..source.config() };
    (config, problems.into_list())
}

fn read_file(file: &Path, problems: &Problems) -> Read<Node> {
    let bytes = fs::read(file).map_err(|error| problems.file(error.to_string()))?;
    parse(decoded(&bytes, problems)?, problems)
}

fn decoded<'b>(bytes: &'b [u8], problems: &Problems) -> Read<&'b str> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let message = "expected text in UTF-8, found UTF-16: `iconv -f UTF-16 -t UTF-8 FILE >NEW` converts it";
        return Err(problems.file(message.to_owned()));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let last = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let spot = Spot { line: before.matches('\n').count() as u64 + 1, column: last as u64 + 1 };
        problems.at(spot, "expected text in UTF-8, found a byte that is none: save the file as UTF-8".to_owned())
    })
}

fn parse(text: &str, problems: &Problems) -> Read<Node> {
    let (node, faults) = yaml::parse(text).map_err(|fault| problems.at(fault.spot, fault.message))?;
    for fault in faults {
        problems.at(fault.spot, fault.message);
    }
    Ok(node)
}

/// Where the configuration comes from.
struct Source<'a> {
    /// The file's own map. When it cannot be read, nothing is missing from it.
    top: Read<Section<'a>>,
    folder: &'a Path,
    problems: &'a Problems,
    overrides: &'a Overrides,
}

impl<'a> Source<'a> {
    fn config(&self) -> Config {
        if let Some(value) = self.value("compatibility") {
            let _ = value.parsed("the name of a gateway", Preset::named);
        }
        let status_headers = self.status_headers();
        let policy = self.policy();
        let upstreams::Schema { paths: schema, reflection, imports } = self.schema();
        let (rules, rule_files) = self.rules();
        let (upstreams, is_whole) = self.upstreams();
        let serving = self.serving(&upstreams, is_whole);
        Config {
            listen: self.listen().ok(),
            schema,
            imports,
            upstream: self.only_upstream(!self.overrides.only_routes || !reflection.is_empty()),
            upstreams,
            reflection,
            metadata: self.metadata(status_headers.as_ref()),
            proxy: self.proxy(status_headers, policy.clone()),
            rpcs: self.rpcs(&policy),
            routes: route::Defaults { policy, rules, serving },
            rule_files,
            reload: self.reload(),
            admin: self.admin(),
            memory: self.memory(),
            secret_files: self.secret_files(),
            compatibility: None,
        }
    }

    fn value(&self, key: &str) -> Option<Value<'a>> {
        self.top.ok()?.value(key)
    }

    /// The section of that key; one with no such key, or none that can be read, has no keys either.
    fn section(&self, key: &str, known: &[&str]) -> Option<Section<'a>> {
        self.value(key)?.section(known).ok()
    }

    fn upstream(&self, value: Value) -> Read<upstream::Config> {
        if value.is_map() {
            return self.upstream_section(value, &[]);
        }
        self.plain_upstream(value.parsed("an address", connections::address)?)
    }

    /// An upstream, with keys of `more` that are read elsewhere.
    fn upstream_section(&self, value: Value, more: &[&str]) -> Read<upstream::Config> {
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

    fn upstream_tls(&self, value: Value, address: &Read<upstream::Addresses>) -> Read<upstream::TlsFiles> {
        let section = value.section(&["cert", "key", "ca", "pins", "server_name"])?;
        let identity = self.identity(section);
        let ca = self.path(section, "ca");
        let pin = |value: Value| value.parsed("a pin", pin);
        let pins = section.value("pins").map_or_else(Vec::new, |pins| pins.one_or_more("pins", pin));
        if let (Some(pins), Some(_)) = (section.value("pins"), section.value("ca")) {
            return Err(pins.wrong("pins take the place of `ca`; leave one of them out"));
        }
        let server_name =
            section.value("server_name").map(|name| name.parsed("a host name", value::server_name)).transpose();
        if address.as_ref().is_ok_and(|address| !address.tls()) {
            let advice = "an `http://` upstream has none; write `https://` or leave `tls` out";
            return Err(value.wrong(advice));
        }
        Ok(upstream::TlsFiles { identity: identity?, ca: ca?, pins, server_name: server_name? })
    }

    /// The certificate and its key: both or neither.
    fn identity(&self, section: Section) -> Read<Option<IdentityFiles>> {
        match (section.value("cert"), section.value("key")) {
            (Some(cert), Some(key)) => {
                let (cert, key) = (cert.path(self.folder), key.path(self.folder));
                let permissions = self.secret_files();
                Ok(Some(IdentityFiles { cert: cert?, key: key?, permissions }))
            }
            (Some(cert), None) => Err(cert.wrong("its `key` is missing")),
            (None, Some(key)) => Err(key.wrong("its `cert` is missing")),
            (None, None) => Ok(None),
        }
    }

    /// Who may read files with secrets.
    fn secret_files(&self) -> Permissions {
        let read = |value: &Value| value.parsed("`strict` or `any`", value::permissions);
        or_default(self.value("secret_files"), read, Permissions::default())
    }

    fn path(&self, section: Section, key: &str) -> Read<Option<PathBuf>> {
        section.value(key).map(|value| value.path(self.folder)).transpose()
    }

    fn status_headers(&self) -> Option<gateway::StatusHeaders> {
        let value = self.value("status_headers")?;
        let section = value.section(&["status", "message"]).ok()?;
        let name = |key, default| section.value(key).map_or(Ok(default), |name| name.reply_header_name());
        let (status, message) = (name("status", STATUS_HEADER), name("message", MESSAGE_HEADER));
        let (status, message) = (status.ok()?, message.ok()?);
        if status == message {
            value.wrong(format!("`status` and `message` are both `{status}`"));
            return None;
        }
        Some(gateway::StatusHeaders { status, message })
    }

    fn metadata(&self, status_headers: Option<&gateway::StatusHeaders>) -> metadata::Config {
        let section = self.section("metadata", METADATA_KEYS);
        let value = |key| section.and_then(|section| section.value(key));
        let names = |key| {
            let name = |item: Value| own(item, item.metadata_name()?, status_headers);
            value(key).map_or(Vec::new(), |value| value.each(name))
        };
        let name = |key| {
            let text = |value: Value| value.parsed("the name of a header", header_name::text_metadata_name);
            value(key).and_then(|value| own(value, text(value).ok()?, status_headers).ok())
        };
        let (request, reply) = (names("request"), names("reply"));
        let (http_status, location) = (name("http_status"), name("location"));
        let caller = value("caller").map_or_else(CallerNames::default, |value| caller::names(&value, &request));
        let trace_context = or_default(value("trace_context"), trace_context, TraceContext::Pass);
        let prefixed = or_default(value("grpc_metadata_prefix"), Value::truth, false);
        metadata::Config { request, reply, http_status, location, caller, trace_context, prefixed }
    }

    fn proxy(&self, status_headers: Option<gateway::StatusHeaders>, policy: Policy) -> gateway::Config {
        let section = self.section("requests", &known(REQUEST_KEYS, Part::Requests));
        let value = |key| section.and_then(|section| section.value(key));
        let times = |value: &Value| value.parsed("a number", |text| quantity::number(text, 2000));
        let ratio = or_default(value("gzip_ratio"), times, gateway::GZIP_RATIO);
        // All keys of `replies` are of policies.
        let _ = self.section("replies", &known(&[], Part::Replies));
        let json_type = |item: Value| item.parsed("a media type", value::media_type);
        gateway::Config {
            policy,
            json_types: value("json_types").map_or(Vec::new(), |value| value.each(json_type)),
            untyped_json: or_default(value("json_without_type"), Value::truth, false),
            forms: or_default(value("forms"), Value::truth, true),
            streams: self.streams(),
            gzip: or_default(value("gzip"), Value::truth, false).then_some(ratio),
            least_rate: limits::rate(value("min_rate"), value("min_rate_over")),
            timeout_header: value("timeout_header").and_then(|value| text_header(&value)),
            status_headers,
            probe: self.probe(),
        }
    }

    fn streams(&self) -> stream::Config {
        let section = self.section("streams", &known(STREAM_KEYS, Part::Streams));
        let value = |key| section.and_then(|section| section.value(key));
        let format = |value: &Value| value.parsed("a form of streams", value::stream_format);
        stream::Config {
            format: or_default(value("format"), format, Format::Ndjson),
            deadline: or_default(value("deadline"), Value::deadline, stream::DEADLINE),
            keep_alive: or_default(value("keep_alive"), Value::duration, stream::KEEP_ALIVE),
            long_poll: value("long_poll").and_then(|value| value.parsed("a duration", quantity::whole_seconds).ok()),
        }
    }

    fn probe(&self) -> Option<Probe> {
        let path = |text: &str| text.parse().map_err(|error: ProbeError| error.to_string());
        self.value("probe")?.parsed("a path", path).ok()
    }

    fn reload(&self) -> Reload {
        let section = self.section("reload", &["watch", "interval"]);
        let value = |key| section.and_then(|section| section.value(key));
        Reload {
            watch: or_default(value("watch"), Value::truth, true),
            interval: or_default(value("interval"), Value::duration, RELOAD_INTERVAL),
        }
    }

    /// The rules besides annotations, and the files where they stand.
    fn rules(&self) -> (route::Rules, Vec<PathBuf>) {
        let section = self.section("rules", &["files", "annotations", "unannotated"]);
        let value = |key| section.and_then(|section| section.value(key));
        let files =
            value("files").map_or(Vec::new(), |files| files.one_or_more("a path", |file| file.path(self.folder)));
        let keeps = |value: &Value| value.parsed("`replace` or `keep`", value::keeps_annotations);
        let read = |file: &PathBuf| {
            let problems = Problems::new(Some(file));
            let rules = service::read(file, &problems);
            self.problems.add(problems);
            rules
        };
        let rules = route::Rules {
            selected: files.iter().flat_map(read).collect(),
            keeps_annotations: or_default(value("annotations"), keeps, false),
            maps_unannotated: or_default(value("unannotated"), Value::truth, false),
        };
        (rules, files)
    }

    fn missing(&self, key: &str, flag: &str) -> Noted {
        let message = format!("no {key}: set `{key}` in the configuration file, or give `{flag}`");
        self.top.err().unwrap_or_else(|| self.problems.file(message))
    }
}

/// A pin of a key that is not everybody's.
fn pin(text: &str) -> Result<Pin, String> {
    let pin: Pin = text.parse().map_err(|error: PinError| error.to_string())?;
    if pin.is_published() {
        return Err(
            "the private key of this one is published with the sample bank: whoever has it may be anybody".to_owned()
        );
    }
    Ok(pin)
}

/// A header of the caller's that is text.
fn text_header(value: &Value) -> Option<HeaderName> {
    value.parsed("the name of a header", header_name::text_metadata_name).ok()
}

fn trace_context(value: &Value) -> Read<TraceContext> {
    value.parsed("`pass` or `create`", value::trace_context)
}

/// The name of metadata, which the headers of Towbar's own do not have.
fn own(item: Value, name: HeaderName, status_headers: Option<&gateway::StatusHeaders>) -> Read<HeaderName> {
    match status_headers {
        Some(headers) if headers.status == name || headers.message == name => {
            Err(item.wrong(format!("`{name}` is one of the `status_headers`")))
        }
        _ => Ok(name),
    }
}

fn or_default<'a, T>(value: Option<Value<'a>>, read: impl Fn(&Value<'a>) -> Read<T>, default: T) -> T {
    value.and_then(|value| read(&value).ok()).unwrap_or(default)
}
