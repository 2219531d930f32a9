//! Whether requests have idempotency keys, where the keys stand, and how long they count.

use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, Method};

use super::layer::{Part, keys, whole};
use super::read::{number, word};
use super::setting::Setting;
use crate::format::{header_name, quantity};

/// The longest key that a configuration may accept.
const LONGEST_KEY: usize = 1024;
const USES: &str = "`off`, `optional` or `required`";

keys! {
    /// The keys of `idempotency`, for all rpcs or for one.
    pub struct Idempotency;
    /// What is said of them.
    pub struct OwnIdempotency;

    /// Whether requests have a key.
    keys: KeyUse = KeyUse::Off, { Group: word(USES) };
    /// The headers that may have it.
    headers: Vec<HeaderName> = vec![IDEMPOTENCY_KEY, X_IDEMPOTENCY_KEY], { Group: headers };
    /// How long a key counts after its call has ended.
    lifetime: Duration = Duration::from_secs(24 * 60 * 60), { Group: lifetime };
    /// The shortest key, in characters.
    min_length: usize = 1, { Group: number(LONGEST_KEY) };
    /// The longest key, in characters.
    max_length: usize = 255, { Group: number(LONGEST_KEY) };
}

/// The name in the draft of the IETF, and that of the UK's Open Banking.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const X_IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("x-idempotency-key");

/// Keys of the store, which stand beside those for all rpcs.
pub const STORE_KEYS: &[&str] = &["memory", "instances", "store", "encryption_keys", "replicas"];

/// Whether requests have an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyUse {
    /// Keys are not looked at.
    #[default]
    Off,
    /// A key counts where there is one.
    Optional,
    /// Every request that may change something needs one.
    Required,
}

whole!(KeyUse, Duration, Vec<HeaderName>);

impl Idempotency {
    /// Whether a request with this method must have a key. RFC 9110, section 9.2.1: GET and HEAD are not meant to
    /// change anything.
    #[must_use]
    pub fn demands_key(&self, method: &Method) -> bool {
        self.keys == KeyUse::Required && !matches!(*method, Method::GET | Method::HEAD)
    }
}

impl FromStr for KeyUse {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "optional" => Ok(Self::Optional),
            "required" => Ok(Self::Required),
            _ => Err(format!("expected {USES}, found `{text}`")),
        }
    }
}

/// What is said for all rpcs; the keys of the store stand there too.
pub(super) fn for_all<S: Setting>(setting: &S, all: &Idempotency) -> OwnIdempotency {
    group(setting, all, STORE_KEYS)
}

/// What is said of one rpc.
pub(super) fn for_one<S: Setting>(setting: &S, all: &Idempotency) -> OwnIdempotency {
    group(setting, all, &[])
}

/// The group as a whole: whether there are keys alone, or a map.
fn group<S: Setting>(setting: &S, all: &Idempotency, besides: &[&str]) -> OwnIdempotency {
    if setting.is_text() {
        return OwnIdempotency { keys: word(USES)(setting, &all.keys), ..OwnIdempotency::default() };
    }
    let known: Vec<&str> = Idempotency::keys_of(Part::Group).into_iter().chain(besides.iter().copied()).collect();
    let Some(keys) = setting.map(&known) else { return OwnIdempotency::default() };
    let own = OwnIdempotency::read(&keys, Part::Group, all);
    let (min, max) = (own.min_length.unwrap_or(all.min_length), own.max_length.unwrap_or(all.max_length));
    if min > max {
        setting.refuse(format!("expected `min_length` up to `max_length`, found {min} and {max}"));
    }
    own
}

fn headers<S: Setting, A>(setting: &S, _: &A) -> Option<Vec<HeaderName>> {
    let header = |item: &S| item.parsed("a header name", header_name::text_metadata_name);
    Some(setting.list("a header name", header)).filter(|headers| !headers.is_empty())
}

/// From a second to a year.
fn lifetime<S: Setting, A>(setting: &S, _: &A) -> Option<Duration> {
    setting.parsed("a duration", |text| match quantity::deadline(text)? {
        lifetime if lifetime >= Duration::from_secs(1) && lifetime < quantity::ENDLESS => Ok(lifetime),
        _ => Err(format!("expected a duration from `1s` to `365d`, found `{text}`")),
    })
}
