//! The forms of a stream: lines of JSON, server-sent events, one array, or bytes as they are.

/// A form of a stream that a caller can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON object in each line: `{"result": MESSAGE}`, and at the end the closing line `{"status": {"code": 0}}`, or `{"error": STATUS}`.
    Ndjson,
    /// Server-sent events (HTML, section 9.2), numbered; the last one is called `end` or `error` and has the status.
    Sse,
    /// A JSON array, which is closed only if all went well.
    Array,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ndjson, Self::Sse, Self::Array];

    /// The `Content-Type` of an answer.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Sse => "text/event-stream",
            Self::Array => "application/json",
        }
    }

    /// The media types by which a caller asks for it.
    pub(super) fn media_types(self) -> &'static [&'static str] {
        match self {
            Self::Ndjson => &["application/x-ndjson", "application/ndjson", "application/jsonl"],
            Self::Sse => &["text/event-stream"],
            Self::Array => &["application/json"],
        }
    }
}

/// Writes a stream in one of its forms.
#[derive(Debug)]
pub(super) enum Frames {
    Ndjson { closes: bool },
    Sse { messages: u64 },
    Array { begun: bool },
    Raw,
}

impl Frames {
    /// Of this format; bytes as they are without one.
    pub(super) fn new(format: Option<Format>) -> Self {
        match format {
            Some(Format::Ndjson) => Self::Ndjson { closes: true },
            Some(Format::Sse) => Self::Sse { messages: 0 },
            Some(Format::Array) => Self::Array { begun: false },
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
            Self::Ndjson { .. } => put(out, &[b"{\"result\":", message, b"}\n"]),
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
            Self::Ndjson { closes: false } | Self::Raw => {}
        }
    }

    /// Writes how the call failed, a `google.rpc.Status` in JSON. False where the form cannot say it: then the answer must not
    /// end as if it were whole.
    pub(super) fn put_error(&mut self, out: &mut Vec<u8>, status: &str) -> bool {
        match self {
            Self::Ndjson { .. } => put(out, &[b"{\"error\":", status.as_bytes(), b"}\n"]),
            Self::Sse { .. } => put(out, &[b"event: error\ndata: ", status.as_bytes(), b"\n\n"]),
            Self::Array { .. } | Self::Raw => return false,
        }
        true
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

    #[test]
    fn a_stream_tells_its_messages_and_how_it_ended() {
        for (format, messages, good, bad) in [
            (
                Format::Ndjson,
                "{\"result\":1}\n{\"result\":2}\n",
                "{\"status\":{\"code\":0}}\n",
                Some("{\"error\":E}\n"),
            ),
            (
                Format::Sse,
                "id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n",
                "event: end\ndata: {\"code\":0}\n\n",
                Some("event: error\ndata: E\n\n"),
            ),
            (Format::Array, "[1,2", "]", None),
        ] {
            let mut frames = Frames::new(Some(format));
            let mut out = Vec::new();
            frames.put_message(&mut out, b"1");
            frames.put_message(&mut out, b"2");
            assert_eq!(String::from_utf8(std::mem::take(&mut out)).unwrap(), messages);
            frames.put_end(&mut out);
            assert_eq!(String::from_utf8(std::mem::take(&mut out)).unwrap(), good);
            let told = frames.put_error(&mut out, "E");
            assert_eq!(told.then(|| String::from_utf8(out).unwrap()).as_deref(), bad);
        }
    }

    #[test]
    fn an_empty_stream_is_a_whole_one() {
        for (format, body) in [
            (Format::Ndjson, "{\"status\":{\"code\":0}}\n"),
            (Format::Sse, "event: end\ndata: {\"code\":0}\n\n"),
            (Format::Array, "[]"),
        ] {
            let mut out = Vec::new();
            Frames::new(Some(format)).put_end(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), body);
        }
    }
}
