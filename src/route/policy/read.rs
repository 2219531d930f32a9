//! Reads the values of keys and checks their ranges: one function for each kind of value.
//!
//! Each function is called with the setting and with the value for all rpcs. It reports problems through the setting.

use std::str::FromStr;
use std::time::Duration;

use http::HeaderName;

use super::kinds::{LimitUse, UnknownKeys};
use super::origins::{NoOrigin, Origins};
use super::setting::{Keys as _, Setting};
use crate::format::{header_name, quantity};

/// `true` or `false`.
pub(super) fn truth<S: Setting, A>(setting: &S, _: &A) -> Option<bool> {
    setting.parsed("`true` or `false`", quantity::truth)
}

/// A size in bytes, from 1 byte to 1 GiB.
pub(super) fn size<S: Setting, A>(setting: &S, _: &A) -> Option<usize> {
    setting.parsed("a size", quantity::size)
}

/// A size in bytes, from 1 byte to `most`, which error texts write as `shown`.
pub(super) fn size_to<S: Setting, A>(most: usize, shown: &str) -> impl Fn(&S, &A) -> Option<usize> {
    move |setting, _| setting.parsed("a size", |text| quantity::size_to(text, most, shown))
}

/// A number from 1 to `most`.
pub(super) fn number<S: Setting, A>(most: usize) -> impl Fn(&S, &A) -> Option<usize> {
    move |setting, _| setting.parsed("a number", |text| quantity::number(text, most))
}

/// A value as `read` reads it, and at most that of the key `key` for all rpcs: that limit applies before the rpc is
/// known.
pub(super) fn within_all<S: Setting>(
    key: &str,
    read: impl Fn(&S, &usize) -> Option<usize>,
) -> impl Fn(&S, &usize) -> Option<usize> {
    move |setting, &all| {
        let limit = read(setting, &all)?;
        if limit > all {
            setting.refuse(format!("expected at most the {all} of `{key}`, found {limit}"));
        }
        Some(limit)
    }
}

/// The deadline of a call: up to a year, or none.
pub(super) fn deadline<S: Setting, A>(setting: &S, _: &A) -> Option<Duration> {
    setting.parsed("a duration", quantity::deadline)
}

/// The name of metadata with text values.
pub(super) fn text_header<S: Setting, A>(setting: &S, _: &A) -> Option<HeaderName> {
    setting.parsed("a header name", header_name::text_metadata_name)
}

/// One of several words, which `expected` lists.
pub(super) fn word<S: Setting, A, T: FromStr<Err = String>>(expected: &str) -> impl Fn(&S, &A) -> Option<T> {
    move |setting, _| setting.parsed(expected, str::parse)
}

/// `all` or `none`.
pub(super) fn all_or_none<S: Setting, A>(setting: &S, _: &A) -> Option<UnknownKeys> {
    setting.parsed("`all` or `none`", |text| match text {
        "none" => Ok(UnknownKeys::default()),
        "all" => Ok(UnknownKeys::All),
        _ => Err(format!("expected `all` or `none`, found `{text}`")),
    })
}

/// `all`, or a list of query keys.
pub(super) fn query_keys<S: Setting, A>(setting: &S, _: &A) -> Option<UnknownKeys> {
    Some(all_or_listed(setting, "query keys", |item| item.parsed("a query key", query_key)))
}

/// `all`, or a list of members of a JSON body.
pub(super) fn members<S: Setting, A>(setting: &S, _: &A) -> Option<UnknownKeys> {
    Some(all_or_listed(setting, "members", |item| item.parsed("a member", member_path)))
}

fn all_or_listed<S: Setting>(setting: &S, listed: &str, read: impl Fn(&S) -> Option<String>) -> UnknownKeys {
    if setting.is_text() {
        setting.parsed(&format!("`all` or a list of {listed}"), |text| match text {
            "all" => Ok(()),
            _ => Err(format!("expected `all` or a list of {listed}, found `{text}`")),
        });
        return UnknownKeys::All;
    }
    UnknownKeys::Listed(setting.items(read))
}

/// A query key that may be ignored if it is unknown.
fn query_key(text: &str) -> Result<String, String> {
    // Google's system parameters are read or rejected, never ignored.
    if text.starts_with('$') {
        return Err(format!("expected a query key without `$`, found `{text}`"));
    }
    Ok(text.to_owned())
}

/// A member of a JSON body; dots lead to nested members.
fn member_path(text: &str) -> Result<String, String> {
    if text.split('.').all(|name| !name.is_empty()) {
        return Ok(text.to_owned());
    }
    Err(format!("expected a member such as `fee` or `instructions.fee`, found `{text}`"))
}

/// The origins of the pages that may open a WebSocket.
pub(super) fn origins<S: Setting, A>(setting: &S, _: &A) -> Option<Origins> {
    let keys = setting.map(&["origins"])?;
    let origin = |item: &S| item.parsed("an origin", |text| text.parse().map_err(|error: NoOrigin| error.to_string()));
    Some(keys.read("origins", |list| list.items(origin)).into_iter().collect())
}

/// `all`, `off`, or the names of limits.
pub(super) fn limits<S: Setting, A>(setting: &S, _: &A) -> Option<LimitUse> {
    if setting.is_text() {
        return setting.parsed("`all`, `off` or a list of limits", |text| match text {
            "all" => Ok(LimitUse::All),
            "off" => Ok(LimitUse::Listed(Vec::new())),
            _ => Err(format!("expected `all`, `off` or a list of limits, found `{text}`")),
        });
    }
    Some(LimitUse::Listed(setting.items(|item| item.parsed("a limit", |text| Ok(text.to_owned())))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_member_is_a_dotted_path_of_names() {
        assert!(member_path("fee").is_ok() && member_path("instructions.fee-1").is_ok());
        for text in ["", ".fee", "fee.", "a..b"] {
            let message = format!("expected a member such as `fee` or `instructions.fee`, found `{text}`");
            assert_eq!(member_path(text), Err(message), "{text}");
        }
    }
}
