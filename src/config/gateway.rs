//! How requests are read and answered, and which headers cross as metadata.

use http::HeaderName;

use super::input::Input;
use super::policy::known;
use super::reader::{Read, Value, or_default};
use super::{caller, limits, value};
use crate::caller::CallerNames;
use crate::format::reserved::{ReservedPath, ReservedPathError};
use crate::format::{header_name, quantity};
use crate::gateway;
use crate::gateway::metadata;
use crate::gateway::metadata::TraceContext;
use crate::gateway::probe::Probe;
use crate::gateway::stream;
use crate::gateway::stream::Format;
use crate::route::policy::{Part, Policy};

const STATUS_HEADER: HeaderName = HeaderName::from_static("token-grpc-status");
const MESSAGE_HEADER: HeaderName = HeaderName::from_static("token-grpc-message");

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

impl Input<'_> {
    pub(super) fn status_headers(&self) -> Option<gateway::StatusHeaders> {
        let value = self.value("status_headers")?;
        let section = value.section(&["status", "message"]).ok()?;
        let name = |key, default| section.value(key).map_or(Ok(default), |name| name.reply_header_name());
        let (status, message) = (name("status", STATUS_HEADER), name("message", MESSAGE_HEADER));
        let (status, message) = (status.ok()?, message.ok()?);
        if status == message {
            value.wrong(format!("`status` and `message` are both `{status}`; use two different headers"));
            return None;
        }
        Some(gateway::StatusHeaders { status, message })
    }

    pub(super) fn metadata(&self, status_headers: Option<&gateway::StatusHeaders>) -> metadata::Config {
        let section = self.section("metadata", METADATA_KEYS);
        let value = |key| section.and_then(|section| section.value(key));
        let names = |key| {
            let name = |item: Value| own(item, item.metadata_name()?, status_headers);
            value(key).map_or(Vec::new(), |value| value.each(name))
        };
        let name = |key| {
            let text = |value: Value| value.parsed("a header name", header_name::text_metadata_name);
            value(key).and_then(|value| own(value, text(value).ok()?, status_headers).ok())
        };
        let (request, reply) = (names("request"), names("reply"));
        let (http_status, location) = (name("http_status"), name("location"));
        let caller = value("caller").map_or_else(CallerNames::default, |value| caller::names(&value, &request));
        let trace_context = or_default(value("trace_context"), trace_context, TraceContext::Pass);
        let prefixed = or_default(value("grpc_metadata_prefix"), Value::truth, false);
        metadata::Config { request, reply, http_status, location, caller, trace_context, prefixed }
    }

    pub(super) fn proxy(&self, status_headers: Option<gateway::StatusHeaders>, policy: Policy) -> gateway::Config {
        let section = self.section("requests", &known(REQUEST_KEYS, Part::Requests));
        let value = |key| section.and_then(|section| section.value(key));
        let times = |value: &Value| value.parsed("a number", |text| quantity::number(text, 2000));
        let ratio = or_default(value("gzip_ratio"), times, gateway::GZIP_RATIO);
        // The keys of `replies` all belong to policies; this call only refuses unknown ones.
        let _ = self.section("replies", &known(&[], Part::Replies));
        let json_type = |item: Value| item.parsed("a media type", value::media_type);
        gateway::Config {
            protocols: gateway::Protocols::default(),
            cors: None,
            addresses: None,
            policy,
            json_types: value("json_types").map_or(Vec::new(), |value| value.each(json_type)),
            untyped_json: or_default(value("json_without_type"), Value::truth, false),
            forms: or_default(value("forms"), Value::truth, true),
            streams: self.streams(),
            gzip: or_default(value("gzip"), Value::truth, false).then_some(ratio),
            least_rate: limits::rate(value("min_rate"), value("min_rate_over")),
            timeout_header: value("timeout_header").and_then(|value| text_header(&value)),
            request_id: self.request_id(),
            status_headers,
            idempotency_memory: self.idempotency_memory(),
            limits: self.limits(),
            probe: self.probe(),
        }
    }

    pub(super) fn streams(&self) -> stream::Config {
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

    pub(super) fn probe(&self) -> Option<Probe> {
        let path = |text: &str| text.parse().map_err(|error: ReservedPathError| error.to_string());
        self.value("probe")?.parsed("a path", path).ok()
    }

    /// The path of the OpenAPI document and its page on the listener; `None` if they are not served.
    pub(super) fn openapi(&self) -> Option<ReservedPath> {
        let value = self.value("openapi")?;
        let section = value.section(&["path"]).ok()?;
        let Some(path) = section.value("path") else {
            value.wrong("`path` is missing: set it to a path of the listener, for example `/docs`");
            return None;
        };
        let parse = |text: &str| ReservedPath::parse(text, "/docs").map_err(|error| error.to_string());
        path.parsed("a path", parse).ok()
    }
}

/// A request header whose value is text.
fn text_header(value: &Value) -> Option<HeaderName> {
    value.parsed("a header name", header_name::text_metadata_name).ok()
}

fn trace_context(value: &Value) -> Read<TraceContext> {
    value.parsed("`pass` or `create`", value::trace_context)
}

/// Refuses a metadata name that `status_headers` already uses.
fn own(item: Value, name: HeaderName, status_headers: Option<&gateway::StatusHeaders>) -> Read<HeaderName> {
    match status_headers {
        Some(headers) if headers.status == name || headers.message == name => {
            Err(item.wrong(format!("`{name}` is already used by `status_headers`; choose another header")))
        }
        _ => Ok(name),
    }
}
