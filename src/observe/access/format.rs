//! Writes a line in each of the formats.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::config::Format;
use super::line::{Line, Outcome};

/// The names of a field: the plain name, and the JSON keys with that name and with the name of the Elastic Common
/// Schema. A JSON key includes the comma before it.
struct Name {
    own: &'static str,
    json: &'static str,
    ecs: &'static str,
}

/// Built at compile time, so that writing a name is a single copy.
macro_rules! name {
    ($own:literal, $ecs:literal) => {
        Name { own: $own, json: concat!(",\"", $own, "\":"), ecs: concat!(",\"", $ecs, "\":") }
    };
}

/// Bytes reserved for a line; few lines are longer.
const LINE: usize = 1024;

/// Appends the line and a line break.
pub(super) fn write(line: &Line<'_>, level: &'static str, format: Format, out: &mut Vec<u8>) {
    out.reserve(LINE);
    let mut fields = Fields { format, out, is_first: true };
    if format == Format::Json || format == Format::Ecs {
        fields.out.push(b'{');
    }
    fields.time(name!("time", "@timestamp"), line.began);
    fields.word(name!("level", "log.level"), level);
    who(line, &mut fields);
    what(line, &mut fields);
    outcome(line, &mut fields);
    times(line, &mut fields);
    if format == Format::Ecs {
        fields.word(name!("", "ecs.version"), "8.11.0");
    }
    if format == Format::Json || format == Format::Ecs {
        fields.out.push(b'}');
    }
    fields.out.push(b'\n');
}

fn who(line: &Line<'_>, fields: &mut Fields<'_>) {
    fields.text(name!("request_id", "http.request.id"), line.request_id);
    fields.text(name!("trace_id", "trace.id"), line.trace_id);
    fields.made(name!("peer", "client.ip"), line.peer, ip);
    fields.made(name!("certificate_sha256", "tls.client.hash.sha256"), line.certificate, hex);
    fields.text(name!("issuer", "towbar.issuer"), line.issuer);
    fields.text(name!("subject", "user.id"), line.subject);
    fields.text(name!("http", "http.version"), line.http);
    fields.text(name!("tls", "tls.version"), line.tls);
}

fn what(line: &Line<'_>, fields: &mut Fields<'_>) {
    fields.text(name!("protocol", "towbar.protocol"), line.protocol);
    fields.text(name!("method", "http.request.method"), line.method);
    fields.text(name!("route", "http.route"), line.route);
    fields.text(name!("rpc", "rpc.method"), line.rpc);
    fields.text(name!("upstream", "towbar.upstream"), line.upstream);
    fields.made(name!("address", "destination.address"), line.address, address);
    fields.number(name!("attempts", "towbar.attempts"), line.attempts.map(u64::from));
}

fn outcome(line: &Line<'_>, fields: &mut Fields<'_>) {
    fields.word(name!("outcome", "towbar.outcome"), line.outcome.name());
    fields.number(name!("status", "http.response.status_code"), line.status.map(u64::from));
    fields.number(name!("grpc_code", "rpc.grpc.status_code"), line.grpc_code.map(u64::from));
    fields.text(name!("fate", "towbar.fate"), line.fate);
    fields.text(name!("refused_by", "towbar.refused_by"), line.refused_by);
    fields.text(name!("reason", "event.reason"), line.reason);
    fields.word(name!("end", "towbar.end"), line.end);
    fields.number(name!("bytes_in", "http.request.body.bytes"), Some(line.bytes_in));
    fields.number(name!("bytes_out", "http.response.body.bytes"), Some(line.bytes_out));
    fields.number(name!("messages", "towbar.messages"), line.messages);
}

fn times(line: &Line<'_>, fields: &mut Fields<'_>) {
    fields.milliseconds(name!("read_ms", "towbar.read_ms"), line.read);
    fields.milliseconds(name!("called_ms", "towbar.called_ms"), line.called);
    fields.milliseconds(name!("first_byte_ms", "towbar.first_byte_ms"), line.first_byte);
    fields.milliseconds(name!("call_ended_ms", "towbar.call_ended_ms"), line.call_ended);
    if fields.format == Format::Ecs {
        // The Elastic Common Schema wants nanoseconds.
        fields.number(name!("", "event.duration"), u64::try_from(line.total.as_nanos()).ok());
    } else {
        fields.milliseconds(name!("total_ms", ""), Some(line.total));
    }
}

impl Outcome {
    /// The name used in lines and in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Writes the fields of one line.
struct Fields<'o> {
    format: Format,
    out: &'o mut Vec<u8>,
    is_first: bool,
}

impl Fields<'_> {
    fn key(&mut self, name: &Name) {
        let is_first = std::mem::replace(&mut self.is_first, false);
        match self.format {
            Format::Json | Format::Ecs => {
                let name = if self.format == Format::Ecs { name.ecs } else { name.json };
                self.out.extend_from_slice(&name.as_bytes()[usize::from(is_first)..]);
            }
            Format::Logfmt => {
                self.separate(is_first);
                self.out.extend_from_slice(name.own.as_bytes());
                self.out.push(b'=');
            }
            Format::Text => {
                self.separate(is_first);
                // The text format leaves out the names of fields that are obvious from their values.
                if !matches!(name.own, "time" | "level" | "method" | "route" | "status" | "outcome" | "peer") {
                    self.out.extend_from_slice(name.own.as_bytes());
                    self.out.push(b'=');
                }
            }
        }
    }

    fn separate(&mut self, is_first: bool) {
        if !is_first {
            self.out.push(b' ');
        }
    }

    fn is_quoted(&self) -> bool {
        matches!(self.format, Format::Json | Format::Ecs)
    }

    /// Writes one of our own words, which needs no escapes.
    fn word(&mut self, name: Name, word: &'static str) {
        self.key(&name);
        self.quoted(|out| out.extend_from_slice(word.as_bytes()));
    }

    fn quoted(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let is_quoted = self.is_quoted();
        if is_quoted {
            self.out.push(b'"');
        }
        write(self.out);
        if is_quoted {
            self.out.push(b'"');
        }
    }

    fn text(&mut self, name: Name, text: Option<&str>) {
        let Some(text) = text else { return };
        self.key(&name);
        let is_plain = |byte: u8| byte > b' ' && byte != b'"' && byte != b'\\' && byte != b'=' && byte < 0x7f;
        let is_plain = text.bytes().all(is_plain);
        let is_quoted = self.is_quoted() || text.is_empty() || !is_plain;
        if is_quoted {
            self.out.push(b'"');
        }
        if is_plain {
            self.out.extend_from_slice(text.as_bytes());
        } else {
            escape(text, self.out);
        }
        if is_quoted {
            self.out.push(b'"');
        }
    }

    /// Writes a value that `write` formats; the result must not need escapes.
    fn made<T>(&mut self, name: Name, value: Option<T>, write: fn(T, &mut Vec<u8>)) {
        let Some(value) = value else { return };
        self.key(&name);
        self.quoted(|out| write(value, out));
    }

    fn number(&mut self, name: Name, number: Option<u64>) {
        let Some(number) = number else { return };
        self.key(&name);
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// Writes milliseconds with microseconds as three decimals.
    fn milliseconds(&mut self, name: Name, time: Option<Duration>) {
        let Some(time) = time else { return };
        self.key(&name);
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.out.extend_from_slice(itoa::Buffer::new().format(micros / 1000).as_bytes());
        self.out.push(b'.');
        digits(micros % 1000, 3, self.out);
    }

    /// Writes a time as in RFC 3339, in UTC with milliseconds.
    fn time(&mut self, name: Name, time: SystemTime) {
        self.key(&name);
        self.quoted(|out| date(time, out));
    }
}

fn date(time: SystemTime, out: &mut Vec<u8>) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Counts in years that begin in March, in eras of 400 years, so that leap days come last.
    let day = days + 719_468;
    let (era, day_of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    for (number, width, end) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day_of_year - (153 * shifted + 2) / 5 + 1, 2, b'T'),
        (second / 3600, 2, b':'),
        (second / 60 % 60, 2, b':'),
        (second % 60, 2, b'.'),
        (u64::from(since.subsec_millis()), 3, b'Z'),
    ] {
        digits(number, width, out);
        out.push(end);
    }
}

/// Appends the last `width` decimal digits, at most four.
fn digits(number: u64, width: usize, out: &mut Vec<u8>) {
    let (mut text, mut rest) = ([b'0'; 4], u32::try_from(number).unwrap_or_default());
    for digit in text.iter_mut().rev() {
        *digit = DIGITS[(rest % 10) as usize];
        rest /= 10;
    }
    out.extend_from_slice(&text[4 - width..]);
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn hex(bytes: [u8; 32], out: &mut Vec<u8>) {
    out.extend(bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]));
}

fn ip(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            for (place, octet) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
            }
        }
        IpAddr::V6(address) => {
            // Writing into a `Vec` does not fail.
            let _ = write!(out, "{address}");
        }
    }
}

fn address(address: SocketAddr, out: &mut Vec<u8>) {
    if address.is_ipv6() {
        let _ = write!(out, "{address}");
        return;
    }
    ip(address.ip(), out);
    out.push(b':');
    out.extend_from_slice(itoa::Buffer::new().format(address.port()).as_bytes());
}

/// Appends `text` with JSON escapes, which logfmt readers understand too.
fn escape(text: &str, out: &mut Vec<u8>) {
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\0'..='\x1f' | '\x7f' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn line() -> Line<'static> {
        Line {
            began: UNIX_EPOCH + Duration::from_millis(1_709_210_096_007),
            outcome: Outcome::Failed,
            request_id: Some("a\"b=c"),
            trace_id: None,
            peer: Some([192, 0, 2, 1].into()),
            certificate: Some([0xa5; 32]),
            issuer: Some("bank"),
            subject: Some("user 7\n"),
            http: Some("1.1"),
            tls: Some("1.3"),
            protocol: Some("rest"),
            method: Some("GET"),
            route: Some("/v1/{id}"),
            rpc: Some("shop.Orders.Get"),
            upstream: Some("default"),
            address: Some(([10, 0, 0, 1], 443).into()),
            attempts: Some(2),
            status: Some(503),
            grpc_code: Some(14),
            fate: Some("not_sent"),
            refused_by: Some("upstream"),
            reason: Some("NOT_SENT"),
            end: "whole",
            bytes_in: 0,
            bytes_out: 120,
            messages: None,
            read: None,
            called: Some(Duration::from_micros(1042)),
            first_byte: None,
            call_ended: Some(Duration::from_micros(20_001)),
            total: Duration::from_micros(20_100),
        }
    }

    #[test]
    fn a_log_line_has_the_same_facts_in_every_format() {
        for (format, expected) in [
            (
                Format::Json,
                r#"{"time":"2024-02-29T12:34:56.007Z","level":"error","request_id":"a\"b=c","peer":"192.0.2.1","certificate_sha256":"a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5","issuer":"bank","subject":"user 7\u000a","http":"1.1","tls":"1.3","protocol":"rest","method":"GET","route":"/v1/{id}","rpc":"shop.Orders.Get","upstream":"default","address":"10.0.0.1:443","attempts":2,"outcome":"failed","status":503,"grpc_code":14,"fate":"not_sent","refused_by":"upstream","reason":"NOT_SENT","end":"whole","bytes_in":0,"bytes_out":120,"called_ms":1.042,"call_ended_ms":20.001,"total_ms":20.100}"#,
            ),
            (
                Format::Ecs,
                r#"{"@timestamp":"2024-02-29T12:34:56.007Z","log.level":"error","http.request.id":"a\"b=c","client.ip":"192.0.2.1","tls.client.hash.sha256":"a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5","towbar.issuer":"bank","user.id":"user 7\u000a","http.version":"1.1","tls.version":"1.3","towbar.protocol":"rest","http.request.method":"GET","http.route":"/v1/{id}","rpc.method":"shop.Orders.Get","towbar.upstream":"default","destination.address":"10.0.0.1:443","towbar.attempts":2,"towbar.outcome":"failed","http.response.status_code":503,"rpc.grpc.status_code":14,"towbar.fate":"not_sent","towbar.refused_by":"upstream","event.reason":"NOT_SENT","towbar.end":"whole","http.request.body.bytes":0,"http.response.body.bytes":120,"towbar.called_ms":1.042,"towbar.call_ended_ms":20.001,"event.duration":20100000,"ecs.version":"8.11.0"}"#,
            ),
            (
                Format::Logfmt,
                r#"time=2024-02-29T12:34:56.007Z level=error request_id="a\"b=c" peer=192.0.2.1 certificate_sha256=a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5 issuer=bank subject="user 7\u000a" http=1.1 tls=1.3 protocol=rest method=GET route=/v1/{id} rpc=shop.Orders.Get upstream=default address=10.0.0.1:443 attempts=2 outcome=failed status=503 grpc_code=14 fate=not_sent refused_by=upstream reason=NOT_SENT end=whole bytes_in=0 bytes_out=120 called_ms=1.042 call_ended_ms=20.001 total_ms=20.100"#,
            ),
            (
                Format::Text,
                r#"2024-02-29T12:34:56.007Z error request_id="a\"b=c" 192.0.2.1 certificate_sha256=a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5 issuer=bank subject="user 7\u000a" http=1.1 tls=1.3 protocol=rest GET /v1/{id} rpc=shop.Orders.Get upstream=default address=10.0.0.1:443 attempts=2 failed 503 grpc_code=14 fate=not_sent refused_by=upstream reason=NOT_SENT end=whole bytes_in=0 bytes_out=120 called_ms=1.042 call_ended_ms=20.001 total_ms=20.100"#,
            ),
        ] {
            let mut out = Vec::new();
            write(&line(), "error", format, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{expected}\n"), "{format:?}");
        }
    }

    #[test]
    fn the_timestamp_of_a_log_line_is_the_correct_calendar_date() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            let mut out = Vec::new();
            date(UNIX_EPOCH + Duration::from_secs(seconds), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{seconds}");
        }
    }
}
