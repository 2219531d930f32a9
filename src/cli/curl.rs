//! `towbar curl`: prints the curl command that sends a given message. Nothing is sent.

use std::io::Read as _;
use std::process::ExitCode;

use clap::Args;

use super::loaded::Loaded;
use super::outcome::{NOT_SENT, Outcome};
use super::settings::Settings;
use super::shell;
use crate::codec::{Body, Ignored, Request, RequestError};
use crate::format::json::{Series, SplitError, Splitter};
use crate::format::problem::Problem;
use crate::format::suggestion::{nearest_dotted, or_meant};
use crate::route::{RestRequest, Route, Routes};
use crate::server;

#[derive(Debug, Args)]
pub(super) struct CurlArguments {
    /// The rpc: package.Service.Method, or an unambiguous end of it, such as Method
    rpc: String,
    /// The request message in JSON, or `-` for standard input; for a client stream, several messages in a row
    #[arg(default_value = "{}")]
    json: String,
    /// The start of the URL, such as https://api.example.com; default: the `listen` address
    #[arg(long, help_heading = "Request", value_name = "URL")]
    base: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(arguments: &CurlArguments) -> Outcome {
    let Loaded { routes, listen, .. } = Loaded::new(&arguments.settings)?;
    let base = match &arguments.base {
        Some(base) => checked(base)?,
        None => base_of(listen.as_ref()),
    };
    let rpc = rpc_of(&routes, &arguments.rpc)?;
    let json = json(&arguments.json)?;
    match line(&routes, rpc, &json, &base) {
        Ok((line, refusals)) => {
            refusals.iter().for_each(|refusal| eprintln!("towbar: {refusal}"));
            println!("{line}");
            Ok(ExitCode::SUCCESS)
        }
        Err(refusals) => {
            refusals.iter().for_each(|refusal| eprintln!("towbar: {refusal}"));
            Ok(ExitCode::from(NOT_SENT))
        }
    }
}

/// The command for the first rule of the rpc that can carry the message, and why the rules before it cannot.
///
/// # Errors
/// The JSON is not a valid message of the rpc, or no rule can carry it: one reason per rule.
pub fn line(routes: &Routes, rpc: &str, json: &[u8], base: &str) -> Result<(String, Vec<String>), Vec<String>> {
    let mut refusals = Vec::new();
    for route in routes.all().iter().filter(|route| route.rpc.name == rpc) {
        let messages = messages(route, json).map_err(|problem| vec![problem])?;
        match request(routes, route, &messages) {
            Ok(request) => return Ok((written(route, &request, base), refusals)),
            Err(reason) => refusals.push(format!("{} {}: {reason}", route.method, route.path())),
        }
    }
    Err(refusals)
}

/// The messages in wire format: one, or for a client stream any number.
fn messages(route: &Route, json: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let one = wire(route, json);
    if one.is_ok() || !route.rpc.streaming.client {
        return one.map(|wire| vec![wire]);
    }
    let texts = texts(json).ok().filter(|texts| texts.len() > 1);
    let Some(texts) = texts else { return one.map(|wire| vec![wire]) };
    let numbered = texts.iter().zip(1..);
    numbered.map(|(text, number)| wire(route, text).map_err(|why| format!("in message {number}: {why}"))).collect()
}

/// Splits JSON texts that follow one another or are items of an array.
fn texts(json: &[u8]) -> Result<Vec<Vec<u8>>, SplitError> {
    let mut splitter = Splitter::new(Series::Json, usize::MAX);
    splitter.push(json);
    let mut texts = Vec::new();
    while let Some(text) = splitter.next_text()? {
        texts.push(text.to_vec());
    }
    texts.extend(splitter.end()?);
    Ok(texts)
}

/// The request for all messages: one body line per message. All messages must agree on everything else.
fn request(routes: &Routes, route: &Route, messages: &[Vec<u8>]) -> Result<RestRequest, String> {
    let mut lines = messages.iter().map(|wire| routes.reverse(route, wire));
    let mut all = lines.next().expect("there is a message").map_err(|reason| reason.to_string())?;
    for (line, number) in lines.zip(2..) {
        let line = line.map_err(|reason| format!("in message {number}: {reason}"))?;
        let (Some(body), Some(more)) = (&mut all.body, line.body) else {
            return Err("a request without a body can carry only one message".to_owned());
        };
        if route.is_raw_request {
            return Err("a raw body can carry only one message".to_owned());
        }
        if line.target != all.target {
            return Err(format!("in message {number}: its path and query differ from those of the first message"));
        }
        body.push(b'\n');
        body.extend(more);
    }
    Ok(all)
}

fn wire(route: &Route, json: &[u8]) -> Result<Vec<u8>, String> {
    let body = Body { text: json, field: None, ignored: &Ignored::default() };
    Request::new(&route.rpc.input).encode(Some(body)).map_err(|error| match error {
        RequestError::Body(error) => format!("the JSON is not a valid {}: {error}", route.rpc.input.name()),
        // Cannot happen: this request has no path variables and no query parameters.
        RequestError::Conflict { field, .. } | RequestError::Bound { field, .. } => {
            format!("at {field}: is given twice")
        }
    })
}

/// The curl command, quoted for a shell. curl reads `[]` and `{}` in a URL as patterns; the target has none, since they
/// are percent-encoded.
#[must_use]
pub fn written(route: &Route, request: &RestRequest, base: &str) -> String {
    let RestRequest { method, target, content_type, body } = request;
    let mut words = vec!["curl".to_owned()];
    if route.rpc.streaming.server {
        // Without `-N`, curl shows nothing until its buffer is full.
        words.push("-N".to_owned());
    }
    match (method.as_str(), body) {
        // The method that curl uses by default.
        ("GET", None) | ("POST", Some(_)) => {}
        ("HEAD", None) => words.push("--head".to_owned()),
        _ => words.extend(["-X".to_owned(), shell::word(method)]),
    }
    let mut before = String::new();
    if let Some(body) = body {
        let header = format!("Content-Type: {content_type}");
        words.extend(["-H".to_owned(), shell::quoted(header.trim_end())]);
        match std::str::from_utf8(body) {
            // `-d` sends JSON unchanged, but takes any other text that begins with `@` for a file name.
            Ok(text) if !text.contains('\0') => {
                let flag = if route.is_raw_request { "--data-raw" } else { "-d" };
                words.extend([flag.to_owned(), shell::quoted(text)]);
            }
            // A shell argument cannot contain these bytes.
            _ => {
                before = format!("printf {} | ", shell::quoted(&shell::octal(body)));
                words.extend(["--data-binary".to_owned(), "@-".to_owned()]);
            }
        }
    }
    words.push(shell::quoted(&format!("{base}{target}")));
    before + &words.join(" ")
}

/// The rpc with this full name, or the only one whose name ends with it.
fn rpc_of<'r>(routes: &'r Routes, name: &str) -> Result<&'r str, Vec<Problem>> {
    let name = name.trim_start_matches('/').replace('/', ".");
    let mut found: Vec<&str> = Vec::new();
    for route in routes.all() {
        if route.rpc.name == name {
            return Ok(&route.rpc.name);
        }
        let before = route.rpc.name.strip_suffix(&name);
        if before.is_some_and(|before| before.ends_with('.')) && !found.contains(&route.rpc.name.as_str()) {
            found.push(&route.rpc.name);
        }
    }
    match found.as_slice() {
        [only] => Ok(only),
        [] => {
            let known: Vec<&str> = routes.all().iter().map(|route| &*route.rpc.name).collect();
            let advice = match nearest_dotted(&name, &known) {
                None => "; `towbar routes` lists them".into(),
                near => or_meant(near),
            };
            Err(vec![Problem::new(format!("no route calls an rpc `{name}`{advice}"))])
        }
        several => Err(vec![Problem::new(format!("`{name}` is ambiguous; it could be {}", several.join(", ")))]),
    }
}

fn json(argument: &str) -> Result<Vec<u8>, Vec<Problem>> {
    if argument != "-" {
        return Ok(argument.as_bytes().to_vec());
    }
    let mut json = Vec::new();
    let read = std::io::stdin().read_to_end(&mut json);
    read.map(|_| json).map_err(|error| vec![Problem::at("standard input", error)])
}

fn checked(base: &str) -> Result<String, Vec<Problem>> {
    let rest = base.strip_prefix("http://").or_else(|| base.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains(['?', '#']) => Ok(base.trim_end_matches('/').to_owned()),
        _ => {
            Err(vec![Problem::at("--base", format!("expected http://HOST:PORT or https://HOST:PORT, found `{base}`"))])
        }
    }
}

/// The URL under which a caller on this machine reaches the gateway.
fn base_of(listen: Option<&server::Config>) -> String {
    let Some(listen) = listen else { return "http://localhost:8080".to_owned() };
    let scheme = if listen.tls.is_some() { "https" } else { "http" };
    let address = if listen.address == server::SYSTEMD { "localhost:8080" } else { &listen.address };
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "8080"));
    let host = if matches!(host, "0.0.0.0" | "[::]" | "") { "localhost" } else { host };
    format!("{scheme}://{host}:{port}")
}
