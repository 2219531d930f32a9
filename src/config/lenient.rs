//! What of a request may be wrong, or missing, and is passed over: for all rpcs or for one.

use super::reader::Value;
use super::{Source, or_default, value};
use crate::route::UnknownKeys;

impl Source<'_> {
    fn of_requests(&self, key: &str) -> Option<Value<'_>> {
        // What is unknown in the section is told where the rest of it is read.
        self.value("requests").and_then(|value| value.get(key))
    }

    pub(super) fn keeps_empty_mask(&self) -> bool {
        !or_default(self.of_requests("fill_update_mask"), Value::truth, true)
    }

    pub(super) fn unknown_keys(&self) -> UnknownKeys {
        self.of_requests("ignore_query").map_or_else(UnknownKeys::default, |value| unknown_keys(&value))
    }

    /// For all rpcs there is no list: a member has a meaning in one message only.
    pub(super) fn unknown_members(&self) -> UnknownKeys {
        let is_all = |value: &Value| value.parsed("`all` or `none`", value::is_all);
        match or_default(self.of_requests("ignore_members"), is_all, false) {
            true => UnknownKeys::All,
            false => UnknownKeys::default(),
        }
    }

    /// Whether an empty body stands for an empty object.
    pub(super) fn takes_empty_body(&self) -> bool {
        let is_object = |value: &Value| value.parsed("`refuse` or `object`", value::is_object);
        or_default(self.of_requests("empty_body"), is_object, false)
    }
}

/// `all`, or a list of query keys.
pub(super) fn unknown_keys(value: &Value) -> UnknownKeys {
    if value.is_text() {
        let _ = value.parsed("`all` or a list of query keys", |text| value::all(text, "query keys"));
        return UnknownKeys::All;
    }
    UnknownKeys::Listed(value.each(|item| item.parsed("a query key", value::query_key)))
}

/// `all`, or a list of members.
pub(super) fn unknown_members(value: &Value) -> UnknownKeys {
    if value.is_text() {
        let _ = value.parsed("`all` or a list of members", |text| value::all(text, "members"));
        return UnknownKeys::All;
    }
    UnknownKeys::Listed(value.each(|item| item.parsed("a member", value::member_path)))
}
