//! `callers`: which token issuers are trusted, what their tokens must contain, and which claims are sent to the
//! backend.

use std::path::PathBuf;
use std::time::Duration;

use super::input::Input;
use super::policy::known;
use super::reader::{Read, Value, or_default};
use crate::caller::dpop;
use crate::caller::token::{Algorithm, ClaimRules, FactName, IssuerConfig, TokenTypes};
use crate::caller::{Config, IssuerSource, KeySource};
use crate::format::quantity;
use crate::gateway::metadata;
use crate::route::RpcOptions;
use crate::route::policy::{Binding, Part, Policy, Require};
use crate::upstream::{Addresses, DocumentUrl, FetchConfig};

/// The longest leeway, in seconds. FAPI 2.0, section 5.3.2.1: accept a token whose issuer's clock is up to 10 seconds
/// ahead.
const LEEWAY: u64 = 10;
const REALM: &str = "api";

/// The shortest time between two fetches that unknown keys cause.
const MIN_INTERVAL: Duration = Duration::from_secs(30);
/// The value of `keys` that means: use the URL in the issuer's discovery document.
const DISCOVERY: &str = "discovery";

/// The longest `dpop.max_age`, in seconds.
const LONGEST_AGE: u64 = 300;
/// The largest `dpop.max_proofs`: up to 1 GiB of memory.
const MOST_PROOFS: usize = 20_000_000;

const ISSUER_KEYS: &[&str] = &["issuer", "audience", "keys", "algorithms", "types", "scope_claim"];

/// A server from which the keys of an issuer are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyServer {
    /// The index of the issuer in `caller::Config::issuers`.
    pub issuer: usize,
    pub place: KeyPlace,
    pub fetch: FetchConfig,
    /// The shortest time between two fetches that unknown keys cause.
    pub min_interval: Duration,
}

/// The document that leads to a JWK Set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// The set itself.
    Url(DocumentUrl),
    /// OpenID Connect Discovery 1.0, section 4.
    Discovery(DocumentUrl),
}

impl KeyPlace {
    /// The URL of that document.
    #[must_use]
    pub fn url(&self) -> &DocumentUrl {
        let (Self::Url(url) | Self::Discovery(url)) = self;
        url
    }
}

/// The `callers` section.
pub(super) struct CallersSection {
    pub(super) config: Config,
    pub(super) servers: Vec<KeyServer>,
}

/// An issuer as the file describes it.
struct ReadIssuer {
    config: IssuerConfig,
    keys: ReadKeys,
}

enum ReadKeys {
    File(PathBuf),
    Server(Box<ReadServer>),
}

/// A server of keys as the file describes it.
struct ReadServer {
    place: KeyPlace,
    fetch: FetchConfig,
    min_interval: Duration,
}

impl Input<'_> {
    /// The `callers` section, or `None` if callers need no token. `metadata` lists the other names in use, for
    /// conflicts.
    pub(super) fn callers(&self, metadata: &metadata::Config, rpcs: &[RpcOptions]) -> Option<CallersSection> {
        let value = self.value("callers")?;
        let section = value.section(&known(&["issuers", "dpop", "leeway", "realm", "metadata"], Part::Callers)).ok()?;
        let issuers = match section.value("issuers") {
            Some(issuers) => self.issuers(issuers),
            None => Err(value.wrong("`issuers` is missing: whose access tokens are taken")),
        };
        let leeway = or_default(section.value("leeway"), |value| value.parsed("a duration", leeway), LEEWAY);
        let realm = or_default(section.value("realm"), |value| value.parsed("a realm", realm), REALM.to_owned());
        let dpop = section.value("dpop").map(|value| dpop(value, leeway)).transpose();
        let facts = section.value("metadata").map_or(Ok(Vec::new()), |value| facts(value, metadata, rpcs));
        let (mut sources, mut servers) = (Vec::new(), Vec::new());
        for (issuer, ReadIssuer { config, keys }) in issuers.ok()?.into_iter().enumerate() {
            let keys = match keys {
                ReadKeys::File(file) => KeySource::File(file),
                ReadKeys::Server(server) => {
                    let ReadServer { place, fetch, min_interval } = *server;
                    let source = place.url().to_string();
                    servers.push(KeyServer { issuer, place, fetch, min_interval });
                    KeySource::Remote(source)
                }
            };
            sources.push(IssuerSource { config, keys });
        }
        let config =
            Config { issuers: sources, rules: ClaimRules { leeway, facts: facts.ok()? }, dpop: dpop.ok()?, realm };
        Some(CallersSection { config, servers })
    }

    fn issuers(&self, value: Value) -> Read<Vec<ReadIssuer>> {
        let (mut issuers, mut is_none) = (Vec::<ReadIssuer>::new(), true);
        for (_, named) in value.named()? {
            is_none = false;
            let Ok(issuer) = self.issuer(named) else { continue };
            match issuers.iter().find(|other| other.config.issuer == issuer.config.issuer) {
                Some(other) => {
                    named.wrong(format!("`{}` has the same `issuer`", other.config.name));
                }
                None => issuers.push(issuer),
            }
        }
        if is_none { Err(value.wrong("expected issuers by their names, got none")) } else { Ok(issuers) }
    }

    fn issuer(&self, value: Value) -> Read<ReadIssuer> {
        let section = value.section(ISSUER_KEYS)?;
        let needed =
            |key, what: &str| section.value(key).ok_or_else(|| value.wrong(format!("`{key}` is missing: {what}")));
        let issuer = needed("issuer", "the `iss` of its tokens").and_then(|issuer| issuer.text("an issuer"));
        let audiences = needed("audience", "the `aud` that stands for this API in its tokens");
        let audiences =
            audiences.and_then(|value| value.all("an audience", |item| Ok(item.text("an audience")?.to_owned())));
        let keys = needed("keys", "a file with its JWK Set, the `https` URL of it, or `discovery`");
        let keys = keys.and_then(|keys| self.keys(keys, &issuer));
        let algorithms = section.value("algorithms").map(algorithms).transpose();
        let types = section.value("types").map(types).transpose();
        let scope_claim = section.value("scope_claim").map(|value| value.text("a claim")).transpose();
        Ok(ReadIssuer {
            config: IssuerConfig {
                name: value.name().to_owned(),
                issuer: issuer?.to_owned(),
                audiences: audiences?,
                algorithms: algorithms?.unwrap_or_else(|| Algorithm::DEFAULT.to_vec()),
                types: types?.unwrap_or_default(),
                scope_claim: scope_claim?.unwrap_or("scope").to_owned(),
            },
            keys: keys?,
        })
    }

    /// Where the keys are: a path, a URL, `discovery`, or a map that also configures the connection to the server.
    fn keys(&self, value: Value, issuer: &Read<&str>) -> Read<ReadKeys> {
        if value.is_map() {
            let section = value.section(&["url", "tls", "proxy", "min_interval"])?;
            let url =
                section.value("url").ok_or_else(|| value.wrong("`url` is missing: an `https` URL or `discovery`"));
            let place = url.and_then(|url| key_place(&url, issuer));
            let addresses = place.map(|place| (Addresses::from(place.url().address().clone()), place));
            return addresses.and_then(|(addresses, place)| {
                let tls = section.value("tls").map(|tls| self.upstream_tls(tls, &Ok(addresses.clone()))).transpose();
                let proxy = self.forward(section.value("proxy"), Some(&addresses));
                let interval = |value: &Value| value.parsed("a duration", min_interval);
                let min_interval = or_default(section.value("min_interval"), interval, MIN_INTERVAL);
                let fetch = FetchConfig { tls: tls?.unwrap_or_default(), proxy: proxy? };
                Ok(ReadKeys::Server(Box::new(ReadServer { place, fetch, min_interval })))
            });
        }
        let text = value.text("a path, an `https` URL or `discovery`")?;
        if text != DISCOVERY && !text.contains("://") {
            return value.path(self.folder).map(ReadKeys::File);
        }
        let place = key_place(&value, issuer)?;
        let proxy = self.forward(None, Some(&Addresses::from(place.url().address().clone())))?;
        let fetch = FetchConfig { proxy, ..FetchConfig::default() };
        Ok(ReadKeys::Server(Box::new(ReadServer { place, fetch, min_interval: MIN_INTERVAL })))
    }

    /// Refuses a `require` that no token can meet: it names an unknown issuer, or no issuer is configured at all.
    pub(super) fn check_requirements(&self, all: &Policy, rpcs: &[RpcOptions], callers: Option<&Config>) {
        let unknown = |require: &Require| {
            if require.is_bound_to(Binding::Key) && callers.is_some_and(|callers| callers.dpop.is_none()) {
                return Some("`bound_to: dpop` needs `callers.dpop`".to_owned());
            }
            let names = callers.map_or(Vec::new(), |callers| {
                callers.issuers.iter().map(|issuer| issuer.config.name.as_str()).collect()
            });
            let unknown = require.issuers().iter().find(|name| !names.contains(&name.as_str()))?;
            Some(format!("expected names under `callers.issuers` (`{}`), got `{unknown}`", names.join("`, `")))
        };
        let require = self.value("callers").and_then(|value| value.get("require"));
        if let (Some(value), Some(problem), true) = (require, unknown(&all.require), callers.is_some()) {
            value.wrong(problem);
        }
        for rpc in rpcs {
            let Some(require) = rpc.policy.require.as_ref() else { continue };
            let value = self.value("rpcs").and_then(|value| value.get(&rpc.rpc)?.get("require"));
            let Some(value) = value else { continue };
            match (require, self.value("callers")) {
                (Require::Token(_), None) => {
                    value.wrong("nobody's tokens are taken: name an issuer under `callers.issuers`");
                }
                (require, Some(_)) if callers.is_some() => {
                    unknown(require).into_iter().for_each(|problem| {
                        value.wrong(problem);
                    });
                }
                _ => {}
            }
        }
    }
}

fn key_place(value: &Value, issuer: &Read<&str>) -> Read<KeyPlace> {
    let text = value.text("an `https` URL or `discovery`")?;
    if text != DISCOVERY {
        return value.parsed("a URL", |text| DocumentUrl::parse(text).map(KeyPlace::Url));
    }
    let issuer = (*issuer)?;
    // OpenID Connect Discovery 1.0, section 4.1: remove a slash at the end first.
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let place = DocumentUrl::parse(&url).map(KeyPlace::Discovery);
    place.map_err(|_| value.wrong(format!("`discovery` needs an `issuer` that is an `https` URL, got `{issuer}`")))
}

fn min_interval(text: &str) -> Result<Duration, String> {
    let time = quantity::duration(text)?;
    if time >= Duration::from_secs(1) { Ok(time) } else { Err(format!("expected 1s or more, got `{text}`")) }
}

fn dpop(value: Value, leeway: u64) -> Read<dpop::Config> {
    let section = value.section(&["url", "algorithms", "max_age", "max_proofs", "nonce"])?;
    let url =
        section.value("url").ok_or_else(|| value.wrong("`url` is missing: the URL that callers use for this API"));
    let urls = url.and_then(|value| value.all("a URL", |item| item.parsed("a URL", dpop::PublicUrl::parse)));
    let algorithms = section.value("algorithms").map(algorithms).transpose();
    let max_age = or_default(section.value("max_age"), |value| value.parsed("a duration", max_age), dpop::MAX_AGE);
    let number = |value: &Value| value.parsed("a number", |text| quantity::number(text, MOST_PROOFS));
    let max_proofs = or_default(section.value("max_proofs"), number, dpop::MAX_PROOFS);
    let nonce = or_default(section.value("nonce"), Value::truth, false);
    let algorithms = algorithms?.unwrap_or_else(|| Algorithm::DEFAULT.to_vec());
    Ok(dpop::Config { urls: urls?, algorithms, max_age, leeway, max_proofs, nonce })
}

fn max_age(text: &str) -> Result<u64, String> {
    let time = quantity::whole_seconds(text)?.as_secs();
    if (1..=LONGEST_AGE).contains(&time) {
        Ok(time)
    } else {
        Err(format!("expected 1s to {LONGEST_AGE}s, got `{text}`"))
    }
}

fn algorithms(value: Value) -> Read<Vec<Algorithm>> {
    value.all("an algorithm", |item| item.parsed("an algorithm", str::parse::<Algorithm>))
}

fn types(value: Value) -> Read<TokenTypes> {
    let listed = value.all("a type", |item| Ok(item.text("a type")?.to_owned()))?;
    let none = TokenTypes { listed: Vec::new(), none: false };
    Ok(listed.iter().fold(none, |types, text| types.with(text)))
}

fn leeway(text: &str) -> Result<u64, String> {
    let time = if text == "0" || text == "0s" { Duration::ZERO } else { quantity::duration(text)? };
    let is_fit = time.subsec_nanos() == 0 && time.as_secs() <= LEEWAY;
    if is_fit { Ok(time.as_secs()) } else { Err(format!("expected whole seconds from 0s to {LEEWAY}s, got `{text}`")) }
}

/// RFC 9110, section 5.6.4: accepts only characters that a quoted-string holds without escapes.
fn realm(text: &str) -> Result<String, String> {
    let is_plain = text.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\');
    if is_plain {
        Ok(text.to_owned())
    } else {
        Err(format!("expected printable ASCII without quotes and backslashes, got `{text}`"))
    }
}

/// The claims that are sent to the backend, each with its metadata name. No name may have another use as well.
fn facts(value: Value, metadata: &metadata::Config, rpcs: &[RpcOptions]) -> Read<Vec<FactName>> {
    let mut facts: Vec<FactName> = Vec::new();
    for (_, claim) in value.named()? {
        let Ok(name) = claim.metadata_name() else { continue };
        let events = || rpcs.iter().filter_map(|rpc| rpc.policy.last_event_id.as_ref());
        if metadata.request.contains(&name) || metadata::REQUEST.contains(&name) {
            claim.wrong(format!(
                "`{name}` comes from callers: what they say of themselves would be taken for what is verified"
            ));
        } else if metadata.caller.all().chain(events()).any(|other| *other == name)
            || facts.iter().any(|fact| fact.name == name)
        {
            claim.wrong(format!("`{name}` is the name of something else already"));
        } else {
            facts.push(FactName { claim: claim.name().to_owned(), name });
        }
    }
    Ok(facts)
}
