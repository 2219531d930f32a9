//! Finds out how a proxy or load balancer on the way changes requests and responses, one property per step.

use bytes::Bytes;
use serde_json::Value;

use super::answer::Answer;
use super::report::{Report, Stop, listed};
use super::request::{Content, ProbeRequest, Version};
use super::site::{ProbeOutcome, Reached, Site};
use crate::gateway::probe::{GRPC, TRAILER_NAME, TRAILERS};

/// The methods that rules can bind.
const NEEDED: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// Methods that the gateway answers in addition.
const OTHERS: [&str; 2] = ["HEAD", "OPTIONS"];
/// Path elements that intermediaries often rewrite, besides `%2F`.
const PATHS: [&str; 6] = ["/a//b", "/a/./b", "/a/../b", "/a%7Eb", "/a%3Ab", "/a;b=c"];
/// Content types that the gateway accepts besides JSON.
const CONTENT_TYPES: [&str; 5] = [
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "application/x-ndjson",
    "application/merge-patch+json",
    "application/octet-stream",
];
/// A header size that is fine, in bytes. The gateway's default limit for all headers together is a little larger.
const WELL: usize = 31 << 10;
/// The smallest acceptable limit: room for a token and little else.
const LEAST: usize = 4 << 10;
const MOST: usize = 64 << 10;
/// The precision, in bytes, with which a limit is determined.
const STEP: usize = 256;

/// The findings about one site.
struct Findings<'a, 'b> {
    report: &'a mut Report<'b>,
    site: &'a Site,
    version: Version,
    /// Failed steps without which REST does not work.
    broken: Vec<&'static str>,
}

/// Runs every step, over the HTTP versions that reach the gateway.
pub(super) async fn all(report: &mut Report<'_>, site: &Site, versions: &[Reached]) -> Result<(), Stop> {
    let version = versions.first().map_or(Version::Http1, |reached| reached.version);
    let mut findings = Findings { report, site, version, broken: Vec::new() };
    findings.methods().await;
    findings.slash().await;
    findings.paths().await;
    findings.headers().await;
    findings.header_size().await;
    findings.body().await;
    findings.content_types().await;
    findings.chunked().await;
    findings.compression().await;
    let arrives = |wanted: Version| versions.iter().find(|reached| reached.version == wanted);
    findings.trailers("trailers1", Version::Http1, arrives(Version::Http1).is_some()).await;
    findings.trailers("trailers2", Version::Http2, arrives(Version::Http2).is_some()).await;
    let grpc = findings.grpc(arrives(Version::Http2).map(|reached| reached.arrives_as.as_str())).await;
    findings.verdict(versions, grpc)
}

impl Findings<'_, '_> {
    fn ask(&self, method: &'static str, below: &str) -> ProbeRequest {
        self.site.ask(method, below)
    }

    async fn probe(&self, ask: &ProbeRequest) -> ProbeOutcome {
        self.site.probe(self.version, ask).await
    }

    fn broken(&mut self, name: &'static str, reason: String, advice: &str) {
        let _ = self.report.failed(name, reason, advice);
        self.broken.push(name);
    }

    fn passed_or_noted(&mut self, name: &'static str, passed: &str, found: &[String]) {
        match found.is_empty() {
            true => self.report.passed(name, passed),
            false => self.report.noted(name, listed(found)),
        }
    }

    async fn methods(&mut self) {
        let (mut lost, mut others) = (Vec::new(), Vec::new());
        for method in NEEDED {
            let outcome = self.probe(&self.ask(method, "")).await;
            match &outcome {
                ProbeOutcome::Arrived(told) if told["method"] == method => {}
                ProbeOutcome::Arrived(told) => lost.push(format!("{method} becomes {}", text(&told["method"]))),
                outcome => lost.push(format!("{method} {}", outcome.described())),
            }
        }
        for method in OTHERS {
            // Only the status is checked: a response to HEAD has no body.
            let answer = self.site.send(self.version, &self.ask(method, "")).await;
            match answer {
                Ok(called) if called.status == 200 => {}
                Ok(called) => others.push(format!("{method} is answered HTTP {}", called.status)),
                Err(reason) => others.push(format!("{method} is not answered ({reason})")),
            }
        }
        if lost.is_empty() {
            return self.passed_or_noted("methods", "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS", &others);
        }
        let advice = "allow these methods in the proxy or WAF in between, or use POST in the rules of these rpcs";
        self.broken("methods", listed(lost.iter().chain(&others)), advice);
    }

    /// How a path below the probe's was changed on the way; `None` if it arrived unchanged.
    async fn rewritten(&self, below: &str) -> Option<String> {
        match self.probe(&self.ask("GET", below)).await {
            ProbeOutcome::Arrived(told) => {
                let path = text(&told["path"]);
                // A prefix that is stripped on the way does not count as a rewrite of the path behind it.
                let found = path.find(self.site.probe.rsplit('/').next().unwrap_or_default());
                let found = found.map_or("", |at| &path[at..]);
                let found = found.find('/').map_or("", |at| &found[at..]);
                (found != below).then(|| format!("{below} becomes {found}"))
            }
            outcome => Some(format!("{below} {}", outcome.described())),
        }
    }

    async fn slash(&mut self) {
        let Some(found) = self.rewritten("/a%2Fb").await else {
            return self.report.passed("slash", "%2F stays as it is");
        };
        let advice = "pass the path on as it came (nginx: `proxy_pass` without a path; Apache: `AllowEncodedSlashes NoDecode` \
                      and `nocanon`; Envoy: no `path_with_escaped_slashes_action`), or bind names with `/` in them by `**`";
        self.broken("slash", found, advice);
    }

    async fn paths(&mut self) {
        let mut found = Vec::new();
        for below in PATHS {
            found.extend(self.rewritten(below).await);
        }
        self.passed_or_noted("paths", "//, dot segments, %7E, %3A and ; stay as they are", &found);
    }

    async fn headers(&mut self) {
        let (bearer, proof) = (format!("Bearer {}", "t".repeat(40)), "p".repeat(40));
        let ask = self
            .ask("GET", "")
            .with("Authorization", bearer.clone())
            .with("DPoP", proof.clone())
            .with("DPoP", format!("{proof}2"))
            .with("x_towbar_probe", "1")
            .with("Client-Cert", ":AAAA:");
        let told = match self.probe(&ask).await {
            ProbeOutcome::Arrived(told) => told,
            outcome => {
                let reason = format!("a request with a token and proofs {}", outcome.described());
                return self.broken("headers", reason, "let the proxy in between forward Authorization and DPoP");
            }
        };
        if lengths(&told, "authorization") != [bearer.len() as u64] {
            let advice = "let the proxy in between forward it (Squid: `login=PASSTHRU` of its `cache_peer`)";
            return self.broken("headers", "Authorization does not arrive unchanged".to_owned(), advice);
        }
        let mut found = Vec::new();
        let one = proof.len() as u64;
        match lengths(&told, "dpop")[..] {
            [first, second] if first == one && second == one + 1 => {}
            [only] if only > one + 1 => found.push("two DPoP headers are joined into one".to_owned()),
            [_] => found.push("only one of two DPoP headers arrives".to_owned()),
            _ => found.push("DPoP does not arrive".to_owned()),
        }
        if lengths(&told, "x_towbar_probe").is_empty() {
            found.push("headers with `_` in their names are dropped".to_owned());
        }
        if !lengths(&told, "client-cert").is_empty() {
            found.push("a forged Client-Cert header passes; no server behind may trust it".to_owned());
        }
        self.passed_or_noted(
            "headers",
            "Authorization, two DPoP and names with `_` pass, a forged Client-Cert does not",
            &found,
        );
    }

    async fn header_size(&mut self) {
        let (mut passes, mut refused) = (0, MOST);
        let mut last = self.header_of(MOST).await;
        if last.is_none() {
            return self.report.passed("header-size", format!("a header of {MOST} bytes arrives"));
        }
        while refused - passes > STEP {
            let middle = usize::midpoint(passes, refused);
            match self.header_of(middle).await {
                None => passes = middle,
                told => (refused, last) = (middle, told),
            }
        }
        let outcome = last.unwrap_or_default();
        let found = format!("a header of {passes} bytes arrives, one of {refused} {outcome}");
        match passes {
            WELL.. => self.report.passed("header-size", found),
            LEAST.. => self.report.noted(
                "header-size",
                format!(
                    "{found}; raise the limit if tokens and signatures are longer (nginx: \
                         `large_client_header_buffers`, HAProxy: \
                     `tune.bufsize`, Apache: `LimitRequestFieldSize`)"
                ),
            ),
            _ => self.broken("header-size", found, "raise the limit of the proxy in between; tokens are longer"),
        }
    }

    /// Why a request with a header value of `length` bytes did not arrive; `None` if it did.
    async fn header_of(&self, length: usize) -> Option<String> {
        let ask = self.ask("GET", "").with("towbar-probe-fill", "f".repeat(length));
        match self.probe(&ask).await {
            ProbeOutcome::Arrived(told) if lengths(&told, "towbar-probe-fill") == [length as u64] => None,
            ProbeOutcome::Arrived(_) => Some("does not arrive whole".to_owned()),
            outcome => Some(outcome.described()),
        }
    }

    async fn body(&mut self) {
        let body: Vec<u8> = (0..1_u32 << 20).map(|at| b"0123456789abcdef"[(at % 16) as usize]).collect();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
        let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let ask = self.ask("POST", "").with("Content-Type", "application/json").content(Content::Whole(body.into()));
        let reason = match self.probe(&ask).await {
            ProbeOutcome::Arrived(told) if told["body"]["sha256"] == digest.as_str() => {
                return self.report.passed("body", "a body of 1 MiB arrives byte for byte");
            }
            ProbeOutcome::Arrived(_) => "a body of 1 MiB does not arrive unchanged".to_owned(),
            outcome => format!("a body of 1 MiB {}", outcome.described()),
        };
        self.broken("body", reason, "raise the limit of the proxy in between (nginx: `client_max_body_size`)");
    }

    async fn content_type(&self, content_type: &str) -> Option<String> {
        let body = Content::Whole(Bytes::from_static(b"{}"));
        let outcome = self.probe(&self.ask("POST", "").with("Content-Type", content_type).content(body)).await;
        match outcome {
            ProbeOutcome::Arrived(told) if lengths(&told, "content-type") == [content_type.len() as u64] => None,
            ProbeOutcome::Arrived(_) => Some(format!("{content_type} does not arrive")),
            outcome => Some(format!("{content_type} {}", outcome.described())),
        }
    }

    async fn content_types(&mut self) {
        if let Some(found) = self.content_type("application/json").await {
            return self.broken("content-types", found, "allow it in the proxy in between");
        }
        let mut found = Vec::new();
        for content_type in CONTENT_TYPES {
            found.extend(self.content_type(content_type).await);
        }
        self.passed_or_noted("content-types", "JSON, forms, lines and bytes pass", &found);
    }

    async fn chunked(&mut self) {
        if self.version != Version::Http1 {
            return self.report.skipped("chunked", "HTTP/2 has no chunked bodies");
        }
        let body = Content::Chunked(Bytes::from_static(b"{}"));
        match self.probe(&self.ask("POST", "").with("Content-Type", "application/json").content(body)).await {
            ProbeOutcome::Arrived(told) if told["body"]["length"] == 2 => {
                let how = if lengths(&told, "content-length").is_empty() { "in chunks" } else { "with its length" };
                self.report.passed("chunked", format!("a chunked body arrives {how}"));
            }
            ProbeOutcome::Arrived(_) => {
                self.report.noted("chunked", "a chunked body does not arrive; send a Content-Length")
            }
            outcome => {
                self.report.noted("chunked", format!("a chunked body {}; send a Content-Length", outcome.described()));
            }
        }
    }

    async fn compression(&mut self) {
        let answer = self.site.send(self.version, &self.ask("GET", "").with("Accept-Encoding", "gzip")).await;
        let coding =
            answer.ok().and_then(|called| Some(called.headers.get("content-encoding")?.to_str().ok()?.to_owned()));
        match coding {
            None => self.report.passed("compression", "answers arrive as the gateway sends them"),
            Some(coding) => {
                self.report.noted("compression", format!("something in between compresses answers ({coding})"))
            }
        }
    }

    /// Whether the trailers of a response arrive. REST does not need them.
    async fn trailers(&mut self, name: &'static str, version: Version, is_spoken: bool) {
        if !is_spoken {
            return self.report.skipped(name, format!("{version} does not reach the gateway"));
        }
        let ask = self.site.ask("GET", TRAILERS).with("TE", "trailers");
        let called = match self.site.send(version, &ask).await {
            Ok(called) => called,
            Err(reason) => {
                return self.report.noted(name, format!("over {version} an answer with trailers is lost: {reason}"));
            }
        };
        if trailer(&called, TRAILER_NAME) == Some("kept") {
            return self.report.passed(name, format!("over {version} trailers arrive"));
        }
        let told = match self.site.outcome(&called) {
            ProbeOutcome::Arrived(told) => told,
            outcome => {
                let outcome = outcome.described();
                return self.report.noted(name, format!("over {version} a request for trailers {outcome}"));
            }
        };
        let why = match lengths(&told, "te").is_empty() {
            true => "`TE: trailers` is not forwarded, so no trailers come back",
            false => "they are dropped",
        };
        self.report.noted(name, format!("over {version} trailers do not arrive: {why}; REST does not need them"));
    }

    /// Whether native gRPC would work. If not, the report says why.
    async fn grpc(&mut self, arrives: Option<&str>) -> bool {
        let why = match arrives {
            None => "HTTP/2 does not reach the gateway".to_owned(),
            Some("HTTP/2") => match self.grpc_call().await {
                Ok(()) => {
                    self.report.passed("grpc", "native gRPC works, with its status in trailers");
                    return true;
                }
                Err(why) => why,
            },
            Some(other) => format!("something in between turns HTTP/2 into {other}"),
        };
        self.report.noted("grpc", format!("native gRPC does not work: {why}; REST does not need it"));
        false
    }

    async fn grpc_call(&self) -> Result<(), String> {
        let body = Content::Whole(Bytes::from_static(&[0, 0, 0, 0, 0]));
        let ask = self.site.ask("POST", GRPC).with("Content-Type", "application/grpc").with("TE", "trailers");
        let called = self.site.send(Version::Http2, &ask.content(body)).await?;
        if !called.is_grpc() {
            return Err(called.described());
        }
        if trailer(&called, "grpc-status") != Some("0") {
            return Err("its trailers are dropped".to_owned());
        }
        Ok(())
    }

    fn verdict(&mut self, versions: &[Reached], grpc: bool) -> Result<(), Stop> {
        let native = if grpc { "native gRPC works" } else { "native gRPC does not work" };
        let spoken: Vec<String> = versions.iter().map(|reached| reached.version.to_string()).collect();
        let spoken = spoken.join(" and ");
        if self.broken.is_empty() {
            self.report.passed("verdict", format!("REST works over {spoken}; {native}"));
            return Ok(());
        }
        let broken = listed(&self.broken);
        let reason = format!("REST works only partly over {spoken}: {broken}; {native}");
        Err(self.report.failed("verdict", reason, "fix what those steps report"))
    }
}

fn trailer<'a>(called: &'a Answer, name: &str) -> Option<&'a str> {
    called.trailers.as_ref()?.get(name)?.to_str().ok()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

/// The lengths of the values of one header, as they arrived.
fn lengths(told: &Value, name: &str) -> Vec<u64> {
    let all = told["headers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = all.iter().filter(|header| header["name"] == name);
    of.filter_map(|header| header["length"].as_u64()).collect()
}
