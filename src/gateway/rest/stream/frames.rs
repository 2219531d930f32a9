//! The formats of a stream: lines of JSON, server-sent events, one array, or raw bytes.

use crate::gateway::error::Refusal;
use crate::route::policy::Form;

/// Messages that are available together are sent together, up to about this many bytes.
const TOGETHER: usize = 32 << 10;

/// The format of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line: `{"result": MESSAGE}`; the last line is `{"status": {"code": 0}}` or `{"error":
    /// STATUS}`.
    Ndjson,
    /// Server-sent events (HTML, section 9.2), numbered. The last one is named `end` or `error` and has the status.
    Sse,
    /// A JSON array, which is closed only if the call succeeds.
    Array,
    /// Like grpc-gateway: lines `{"result": MESSAGE}` as `application/json`, and `{"error": ...}` if the call fails.
    /// Nothing marks a successful end.
    GrpcGateway,
}

impl Format {
    /// The formats that a caller can ask for. The configuration may replace the array by [`Self::GrpcGateway`].
    pub const ALL: [Self; 3] = [Self::Ndjson, Self::Sse, Self::Array];

    /// The `Content-Type` of a response in this format.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Sse => "text/event-stream",
            Self::Array | Self::GrpcGateway => "application/json",
        }
    }

    /// The media types with which a caller asks for this format.
    pub(super) fn media_types(self) -> &'static [&'static str] {
        match self {
            Self::Ndjson => &["application/x-ndjson", "application/ndjson", "application/jsonl"],
            Self::Sse => &["text/event-stream"],
            Self::Array | Self::GrpcGateway => &["application/json"],
        }
    }
}

/// Writes a stream in one format.
#[derive(Debug)]
pub(super) enum Frames {
    Ndjson { closes: bool },
    Sse { messages: u64 },
    Array { begun: bool },
    GrpcGateway(Form),
    Raw,
}

impl Frames {
    /// Writes `format`, or raw bytes if it is `None`. `form` is the error form of the route.
    pub(super) fn new(format: Option<Format>, form: Form) -> Self {
        match format {
            Some(Format::Ndjson) => Self::Ndjson { closes: true },
            Some(Format::Sse) => Self::Sse { messages: 0 },
            Some(Format::Array) => Self::Array { begun: false },
            Some(Format::GrpcGateway) => Self::GrpcGateway(form),
            None => Self::Raw,
        }
    }

    /// Omits the closing line of NDJSON for a successful call.
    pub(super) fn without_closing_line(self) -> Self {
        match self {
            Self::Ndjson { .. } => Self::Ndjson { closes: false },
            other => other,
        }
    }

    /// Numbers events from `last + 1` on.
    pub(super) fn after(self, last: u64) -> Self {
        match self {
            Self::Sse { .. } => Self::Sse { messages: last },
            other => other,
        }
    }

    pub(super) fn put_message(&mut self, out: &mut Vec<u8>, message: &[u8]) {
        match self {
            Self::Ndjson { .. } | Self::GrpcGateway(_) => put(out, &[b"{\"result\":", message, b"}\n"]),
            Self::Sse { messages } => {
                *messages += 1;
                let id = messages.to_string();
                put(out, &[b"id: ", id.as_bytes(), b"\ndata: ", message, b"\n\n"]);
            }
            Self::Array { begun } => {
                let before: &[u8] = if *begun { b"," } else { b"[" };
                *begun = true;
                put(out, &[before, message]);
            }
            Self::Raw => put(out, &[message]),
        }
    }

    /// Writes the end of a successful call.
    pub(super) fn put_end(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Ndjson { closes: true } => put(out, &[b"{\"status\":{\"code\":0}}\n"]),
            Self::Sse { .. } => put(out, &[b"event: end\ndata: {\"code\":0}\n\n"]),
            Self::Array { begun: true } => put(out, &[b"]"]),
            Self::Array { begun: false } => put(out, &[b"[]"]),
            Self::Ndjson { closes: false } | Self::GrpcGateway(_) | Self::Raw => {}
        }
    }

    /// Writes the error of a failed call, usually as a `google.rpc.Status` in JSON. Returns false if the format cannot
    /// express it; then the response must be cut short, so that it does not look complete.
    pub(super) fn put_error(&mut self, out: &mut Vec<u8>, refusal: &Refusal) -> bool {
        match self {
            Self::Ndjson { .. } => put(out, &[b"{\"error\":", refusal.to_status_json().as_bytes(), b"}\n"]),
            Self::Sse { .. } => put(out, &[b"event: error\ndata: ", refusal.to_status_json().as_bytes(), b"\n\n"]),
            Self::GrpcGateway(form) => {
                put(out, &[b"{\"error\":", refusal.to_grpc_gateway_json(*form).as_bytes(), b"}\n"]);
            }
            Self::Array { .. } | Self::Raw => return false,
        }
        true
    }

    /// About how many bytes may be sent together. grpc-gateway sends each message as one chunk of HTTP/1.1, and its
    /// callers rely on that.
    pub(super) fn together(&self) -> usize {
        match self {
            Self::GrpcGateway(_) => 1,
            _ => TOGETHER,
        }
    }

    /// What to send to show proxies that the stream is alive; `None` if the format has nothing for that.
    pub(super) fn keep_alive(&self) -> Option<&'static [u8]> {
        matches!(self, Self::Sse { .. }).then_some(b": keep-alive\n\n")
    }
}

fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use tonic::Code;

    #[test]
    fn the_error_line_of_a_stream_has_the_form_of_the_chosen_grpc_gateway_version() {
        let refusal = || Refusal::status_of(StatusCode::PRECONDITION_FAILED, Code::FailedPrecondition, "E");
        for (form, last) in [
            (Form::Status, r#"{"error":{"code":9,"message":"E"}}"#),
            (Form::Problem, r#"{"error":{"code":9,"message":"E"}}"#),
            (Form::GrpcGatewayV2, r#"{"error":{"code":9,"message":"E","details":[]}}"#),
            (
                Form::GrpcGatewayV1,
                r#"{"error":{"grpc_code":9,"http_code":412,"message":"E","http_status":"Precondition Failed"}}"#,
            ),
        ] {
            let (mut out, mut frames) = (Vec::new(), Frames::new(Some(Format::GrpcGateway), form));
            assert!(frames.put_error(&mut out, &refusal()));
            assert_eq!(String::from_utf8(out).unwrap(), format!("{last}\n"));
            let only = refusal().as_only_line().into_text(form, None);
            assert_eq!(only.body(), &format!("{last}\n"), "{form:?}");
            assert_eq!(only.headers()["content-type"], "application/json", "{form:?}");
        }
    }

    #[test]
    fn a_stream_carries_its_messages_and_reports_how_it_ended() {
        for (format, messages, good, bad) in [
            (
                Format::Ndjson,
                "{\"result\":1}\n{\"result\":2}\n",
                "{\"status\":{\"code\":0}}\n",
                Some("{\"error\":{\"code\":9,\"message\":\"E\"}}\n"),
            ),
            (
                Format::Sse,
                "id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n",
                "event: end\ndata: {\"code\":0}\n\n",
                Some("event: error\ndata: {\"code\":9,\"message\":\"E\"}\n\n"),
            ),
            (Format::Array, "[1,2", "]", None),
            (
                Format::GrpcGateway,
                "{\"result\":1}\n{\"result\":2}\n",
                "",
                Some("{\"error\":{\"code\":9,\"message\":\"E\"}}\n"),
            ),
        ] {
            let refusal = Refusal::status_of(StatusCode::BAD_REQUEST, Code::FailedPrecondition, "E");
            let mut frames = Frames::new(Some(format), Form::Status);
            let mut out = Vec::new();
            frames.put_message(&mut out, b"1");
            frames.put_message(&mut out, b"2");
            assert_eq!(String::from_utf8(std::mem::take(&mut out)).unwrap(), messages);
            frames.put_end(&mut out);
            assert_eq!(String::from_utf8(std::mem::take(&mut out)).unwrap(), good);
            let told = frames.put_error(&mut out, &refusal);
            assert_eq!(told.then(|| String::from_utf8(out).unwrap()).as_deref(), bad);
        }
    }

    #[test]
    fn an_empty_stream_is_a_complete_body_in_every_format() {
        for (format, body) in [
            (Format::Ndjson, "{\"status\":{\"code\":0}}\n"),
            (Format::Sse, "event: end\ndata: {\"code\":0}\n\n"),
            (Format::Array, "[]"),
            (Format::GrpcGateway, ""),
        ] {
            let mut out = Vec::new();
            Frames::new(Some(format), Form::Status).put_end(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), body);
        }
    }
}
