//! `cors`: which web pages of other origins may call, and what they may send and read.

use http::Method;

use super::input::Input;
use super::reader::{Read, Value, or_default};
use super::value;
use crate::format::{header_name, quantity};
use crate::gateway::metadata;
use crate::gateway::{Cors, CorsOrigin, CorsOrigins, CorsRules, MAX_AGE, Protocols};

const KEYS: &[&str] = &["origins", "headers", "methods", "expose", "credentials", "max_age"];

impl Input<'_> {
    /// The rules, with which pages may also send and read the metadata that crosses.
    pub(super) fn cors(&self, metadata: &metadata::Config, protocols: Protocols) -> Option<Cors> {
        let value = self.value("cors")?;
        let section = value.section(KEYS).ok()?;
        let names = |key| section.value(key).map_or_else(Vec::new, |value| value.one_or_more("a header name", header));
        let method = |item: Value| item.parsed("a method", value::method);
        let methods: Vec<Method> =
            section.value("methods").map_or_else(Vec::new, |value| value.one_or_more("a method", method));
        let allows_credentials = or_default(section.value("credentials"), Value::truth, false);
        let seconds = |value: &Value| value.parsed("a duration", quantity::whole_seconds);
        let max_age = or_default(section.value("max_age"), seconds, MAX_AGE);
        let Some(origins) = section.value("origins") else {
            value.wrong("`origins` is missing: list the pages that may call, such as `https://app.bank.example`");
            return None;
        };
        let origins = read_origins(origins);
        if origins == CorsOrigins::Any && allows_credentials {
            value
                .wrong("`credentials: true` needs a list of `origins`; with `*`, every page could act for its visitor");
            return None;
        }
        let headers = metadata.request.iter().cloned().chain(names("headers")).collect();
        // Connect's answers have the trailers of a unary call as headers.
        let trailers = metadata.reply.iter().filter(|_| protocols.connect);
        let trailers = trailers.filter_map(|name| format!("trailer-{name}").parse().ok());
        let exposed = metadata.reply.iter().cloned().chain(trailers).chain(names("expose")).collect();
        Some(Cors::new(CorsRules { origins, allows_credentials, headers, methods, exposed, max_age }))
    }
}

fn read_origins(value: Value) -> CorsOrigins {
    if value.is_text() && value.text("an origin").is_ok_and(|text| text == "*") {
        return CorsOrigins::Any;
    }
    let origin = |item: Value| item.parsed("an origin", value::cors_origin);
    let (mut listed, mut below) = (Vec::new(), Vec::new());
    for origin in value.one_or_more("an origin", origin) {
        match origin {
            CorsOrigin::One(origin) => listed.push(origin),
            CorsOrigin::Below(subdomains) => below.push(subdomains),
        }
    }
    CorsOrigins::Listed(listed.into_iter().collect(), below)
}

fn header(item: Value) -> Read<http::HeaderName> {
    item.parsed("a header name", header_name::header_name)
}
