//! The forms of a stream: lines of JSON, server-sent events, one array, or bytes as they are.

use crate::gateway::error::Refusal;
use crate::route::policy::Form;

/// Messages that are there together go out together, up to about so many bytes.
const TOGETHER: usize = 32 << 10;

/// A form of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON object in each line: `{"result": MESSAGE}`, and at the end the closing line `{"status": {"code": 0}}`, or `{"error": STATUS}`.
    Ndjson,
    /// Server-sent events (HTML, section 9.2), numbered; the last one is called `end` or `error` and has the status.
    Sse,
    /// A JSON array, which is closed only if all went well.
    Array,
    /// As grpc-gateway does: lines `{"result": MESSAGE}` under `application/json`, and one `{"error": ...}` if the call fails. Nothing says
    /// that all went well.
    GrpcGateway,
}

impl Format {
    /// All that a caller can ask for. The configuration may have [`Self::GrpcGateway`] in the place of the array.
    pub const ALL: [Self; 3] = [Self::Ndjson, Self::Sse, Self::Array];

    /// The `Content-Type` of an answer.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Sse => "text/event-stream",
            Self::Array | Self::GrpcGateway => "application/json",
        }
    }

    /// The media types by which a caller asks for it.
    pub(super) fn media_types(self) -> &'static [&'static str] {
        match self {
            Self::Ndjson => &["application/x-ndjson", "application/ndjson", "application/jsonl"],
            Self::Sse => &["text/event-stream"],
            Self::Array | Self::GrpcGateway => &["application/json"],
        }
    }
}

/// Writes a stream in one of its forms.
#[derive(Debug)]
pub(super) enum Frames {
    Ndjson { closes: bool },
    Sse { messages: u64 },
    Array { begun: bool },
    GrpcGateway(Form),
    Raw,
}

impl Frames {
    /// Of this format; bytes as they are without one. `form` is that of the route's errors.
    pub(super) fn new(format: Option<Format>, form: Form) -> Self {
        match format {
            Some(Format::Ndjson) => Self::Ndjson { closes: true },
            Some(Format::Sse) => Self::Sse { messages: 0 },
            Some(Format::Array) => Self::Array { begun: false },
            Some(Format::GrpcGateway) => Self::GrpcGateway(form),
            None => Self::Raw,
        }
    }

    /// The same, with lines that have no closing line where all went well.
    pub(super) fn without_closing_line(self) -> Self {
        match self {
            Self::Ndjson { .. } => Self::Ndjson { closes: false },
            other => other,
        }
    }

    /// The same with events that are numbered from the one behind `last`.
    pub(super) fn after(self, last: u64) -> Self {
        match self {
            Self::Sse { .. } => Self::Sse { messages: last },
            other => other,
        }
    }

    /// Writes one message.
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

    /// Writes that all went well.
    pub(super) fn put_end(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Ndjson { closes: true } => put(out, &[b"{\"status\":{\"code\":0}}\n"]),
            Self::Sse { .. } => put(out, &[b"event: end\ndata: {\"code\":0}\n\n"]),
            Self::Array { begun: true } => put(out, &[b"]"]),
            Self::Array { begun: false } => put(out, &[b"[]"]),
            Self::Ndjson { closes: false } | Self::GrpcGateway(_) | Self::Raw => {}
        }
    }

    /// Writes how the call failed, mostly as a `google.rpc.Status` in JSON. False where the form cannot say it: then the answer must
    /// not end as if it were whole.
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

    /// So many bytes may go out together, about. grpc-gateway sends each message as a chunk of HTTP/1.1, and its callers take chunks
    /// for messages.
    pub(super) fn together(&self) -> usize {
        match self {
            Self::GrpcGateway(_) => 1,
            _ => TOGETHER,
        }
    }

    /// What shows those between that the stream lives, where the form has it.
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
    fn the_last_line_of_a_stream_has_the_form_of_grpc_gateways_version() {
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
    fn a_stream_tells_its_messages_and_how_it_ended() {
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
    fn an_empty_stream_is_a_whole_one() {
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
