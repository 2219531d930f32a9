//! `listen.hop`: the proxy in front that passes on the certificates of its clients in a header.

use http::HeaderName;

use super::input::Input;
use super::listen::clients;
use super::reader::{Read, Section, Value};
use super::trusted::network;
use super::value;
use crate::caller::hop::{Format, Rules};
use crate::format::header_name;
use crate::server::{HopFiles, TlsFiles};

const KEYS: &[&str] = &["certificate_header", "format", "from", "client_ca", "clients", "client_auth"];

impl Input<'_> {
    /// The proxy, and whose certificates it may pass on. `tls` is that of the listener.
    pub(super) fn hop(&self, value: Value, tls: Option<&TlsFiles>) -> Read<HopFiles> {
        let section = value.section(KEYS)?;
        let header = section.value("certificate_header").ok_or_else(|| {
            value.wrong("`certificate_header` is missing: the header that has the client certificate, for example `client-cert`")
        });
        let header = header.and_then(|value| value.parsed("a header name", certificate_header));
        let format = format(value, section, &header);
        let from =
            section.value("from").map(|value| value.all("an address", |item| item.parsed("an address", network)));
        let from = from.transpose();
        let client_ca = self.path(section, "client_ca");
        let pinned = section.value("clients").map_or(Ok(Vec::new()), clients);
        let is_optional = |value: Value| value.parsed("`required` or `optional`", value::is_optional);
        let optional = section.value("client_auth").map(is_optional).transpose();
        let from = from?;
        trusted_once(value, section, from.is_some(), tls)?;
        let (header, format, optional) = (header?, format?, optional?.unwrap_or(false));
        let rules = Rules { header, format, from: from.unwrap_or_default(), optional };
        Ok(HopFiles { rules, client_ca: client_ca?, clients: pinned? })
    }
}

/// The proxy is known by its certificate, or else by its addresses. No client comes to the listener by itself.
fn trusted_once(hop: Value, section: Section, has_from: bool, tls: Option<&TlsFiles>) -> Read<()> {
    let pins = tls.is_some_and(|tls| !tls.clients.is_empty());
    if tls.is_some_and(|tls| tls.client_ca.is_some()) {
        return Err(hop.wrong(
            "a listener takes client certificates from TLS or from a proxy, never from both: pin the certificate of the proxy \
             under `listen.tls.clients`, and move `listen.tls.client_ca` to `listen.hop.client_ca`",
        ));
    }
    match (section.value("from"), pins) {
        (Some(from), true) => Err(from.wrong("the proxy is known by `listen.tls.clients` already; remove one of the two")),
        (None, false) if !has_from => Err(hop.wrong(
            "which proxy is trusted is missing: pin its certificate under `listen.tls.clients`, or list its addresses under \
             `from`",
        )),
        _ => Ok(()),
    }
}

fn format(hop: Value, section: Section, header: &Read<HeaderName>) -> Read<Format> {
    if let Some(format) = section.value("format") {
        return format.parsed("a format", named_format);
    }
    let header = header.as_ref().map_err(|noted| *noted)?;
    Format::of_header(header.as_str())
        .ok_or_else(|| hop.wrong(format!("`format` is missing: how `{header}` has the certificate: {}", formats())))
}

fn named_format(text: &str) -> Result<Format, String> {
    let named = Format::ALL.into_iter().find(|format| format.name() == text);
    named.ok_or_else(|| format!("expected {}, found `{text}`", formats()))
}

fn formats() -> String {
    let [first, second, third, last] = Format::ALL.map(Format::name);
    format!("`{first}`, `{second}`, `{third}` or `{last}`")
}

/// The header is only the proxy's, so none that has another meaning.
fn certificate_header(text: &str) -> Result<HeaderName, String> {
    let name = header_name::text_metadata_name(text)?;
    if ["authorization", "cookie", "dpop", "forwarded", "x-forwarded-for"].contains(&name.as_str()) {
        return Err(format!("`{name}` has another meaning; expected the header that the proxy writes for this"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Overrides, load_text};

    const PIN: &str = "spki-sha256:G6I8TV5vcIGSo7TF1uf4CRorPE1eb3CBkqO0xdbn+Ak=";

    fn load(listen: &str) -> (Option<HopFiles>, Vec<String>) {
        let text = format!("schema: p\nupstream: http://bank\nlisten: {listen}\n");
        let (config, problems) = load_text(&text, Path::new("t.yaml"), &Overrides::default());
        (config.listen.and_then(|listen| listen.hop), problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_proxy_is_read_with_the_format_of_its_header() {
        for (hop, header, format, optional) in [
            ("certificate_header: Client-Cert", "client-cert", Format::Rfc9440, false),
            ("certificate_header: x-forwarded-client-cert", "x-forwarded-client-cert", Format::Xfcc, false),
            ("certificate_header: x-ssl-cert, format: pem, client_auth: optional", "x-ssl-cert", Format::Pem, true),
            ("certificate_header: client-cert, format: base64", "client-cert", Format::Base64, false),
        ] {
            let (read, problems) = load(&format!("{{hop: {{from: 10.0.0.0/8, {hop}}}}}"));
            let header = HeaderName::from_static(header);
            let rules = Rules { header, format, from: vec!["10.0.0.0/8".parse().unwrap()], optional };
            assert_eq!((read.map(|hop| hop.rules), problems), (Some(rules), Vec::new()), "{hop}");
        }
        let tls = format!("tls: {{cert: c, key: k, clients: {{proxy: '{PIN}'}}}}");
        let (read, problems) = load(&format!("{{{tls}, hop: {{certificate_header: client-cert, client_ca: ca.pem}}}}"));
        let read = read.unwrap();
        assert_eq!((read.rules.from, read.client_ca, problems), (Vec::new(), Some("ca.pem".into()), Vec::new()));
    }

    #[test]
    fn every_problem_of_the_proxy_is_reported() {
        let both =
            "{tls: {cert: c, key: k, client_ca: ca.pem}, hop: {certificate_header: client-cert, from: 10.0.0.1}}";
        let twice = format!(
            "{{tls: {{cert: c, key: k, clients: {{proxy: '{PIN}'}}}}, hop: {{certificate_header: client-cert, from: 10.0.0.1}}}}"
        );
        for (listen, problem) in [
            (
                both,
                "t.yaml:3:53: hop: a listener takes client certificates from TLS or from a proxy, never from both: pin the \
                 certificate of the proxy under `listen.tls.clients`, and move `listen.tls.client_ca` to `listen.hop.client_ca`",
            ),
            (&twice, "t.yaml:3:157: from: the proxy is known by `listen.tls.clients` already; remove one of the two"),
            (
                "{hop: {certificate_header: client-cert}}",
                "t.yaml:3:10: hop: which proxy is trusted is missing: pin its certificate under `listen.tls.clients`, or list \
                 its addresses under `from`",
            ),
            (
                "{hop: {from: 10.0.0.1}}",
                "t.yaml:3:10: hop: `certificate_header` is missing: the header that has the client certificate, for example \
                 `client-cert`",
            ),
            (
                "{hop: {from: 10.0.0.1, certificate_header: x-ssl-cert}}",
                "t.yaml:3:10: hop: `format` is missing: how `x-ssl-cert` has the certificate: `rfc9440`, `xfcc`, `pem` or \
                 `base64`",
            ),
            (
                "{hop: {from: 10.0.0.1, certificate_header: x-ssl-cert, format: der}}",
                "t.yaml:3:72: format: expected `rfc9440`, `xfcc`, `pem` or `base64`, found `der`",
            ),
            (
                "{hop: {from: 10.0.0.1, certificate_header: Authorization}}",
                "t.yaml:3:52: certificate_header: `authorization` has another meaning; expected the header that the proxy \
                 writes for this",
            ),
            (
                "{hop: {from: 0.0.0.0/0, certificate_header: client-cert}}",
                "t.yaml:3:22: from: `0.0.0.0/0` trusts every address, so any caller could claim another's; list only your \
                 proxies",
            ),
        ] {
            assert_eq!(load(listen), (None, vec![problem.to_owned()]), "{listen}");
        }
    }
}
