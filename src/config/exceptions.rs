//! What `rpcs` says of how single rpcs are served, rather than of how their messages look.

use http::HeaderName;

use super::errors::{self, Errors};
use super::reader::Value;
use super::{Source, limits, value};
use crate::gateway::websocket::{NoOrigin, Origins};
use crate::gateway::{ByRpc, CallerGone, Exceptions};

impl Source<'_> {
    /// Names and keys that are wrong are told where the routes' own options are read.
    /// `headers` is the limit of those for all rpcs.
    pub(super) fn exceptions(&self, headers: usize) -> ByRpc {
        let sections = self.value("rpcs").filter(Value::is_map).and_then(|value| value.named().ok());
        let exceptions = sections.into_iter().flatten().filter(|(_, value)| value.is_map());
        exceptions.map(|(_, value)| (value.name().to_owned(), exceptions_of(&value, headers))).collect()
    }
}

fn exceptions_of(rpc: &Value, headers: usize) -> Exceptions {
    let errors = rpc.get("errors").map_or_else(Errors::default, |value| errors::errors(&value));
    let Errors { form, statuses, hides_internal_messages, shows_unknown_details } = errors;
    Exceptions {
        errors: form,
        statuses,
        hides_internal_messages,
        shows_unknown_details,
        deadline: rpc.get("deadline").and_then(|value| value.deadline().ok()),
        compression: rpc.get("compression").and_then(|value| value.truth().ok()),
        caller_gone: rpc.get("caller_gone").and_then(|value| caller_gone(&value)),
        closing_line: rpc.get("closing_line").and_then(|value| value.truth().ok()),
        last_event_id: rpc.get("last_event_id").and_then(|value| text_header(&value)),
        websocket: rpc.get("websocket").and_then(|value| origins(&value)),
        header_limit: limits::headers_of_rpc(rpc, headers),
        body_limit: rpc.get("body_limit").and_then(|value| value.size().ok()),
        reply_limit: rpc.get("reply_limit").and_then(|value| value.size().ok()),
    }
}

/// What becomes of a call whose caller goes away.
pub(super) fn caller_gone(value: &Value) -> Option<CallerGone> {
    value.parsed("`cancel` or `finish`", value::caller_gone).ok()
}

/// The pages that may open a WebSocket.
fn origins(value: &Value) -> Option<Origins> {
    let origin =
        |item: Value| item.parsed("an origin", |text| text.parse().map_err(|error: NoOrigin| error.to_string()));
    let section = value.section(&["origins"]).ok()?;
    Some(section.value("origins").map_or_else(Vec::new, |value| value.each(origin)).into_iter().collect())
}

/// A header of the caller's that is text.
pub(super) fn text_header(value: &Value) -> Option<HeaderName> {
    value.parsed("the name of a header", value::text_metadata_name).ok()
}
