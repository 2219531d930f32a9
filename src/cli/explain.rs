//! `towbar explain`: shows how the gateway would handle a request. Nothing is sent.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::loaded::Loaded;
use super::outcome::NOT_SENT;
use super::settings::Settings;
use super::shell;
use crate::codec::{self, Print};
use crate::config::Config;
use crate::format::problem::Problem;
use crate::gateway::error::Refusal;
use crate::gateway::explain::{Explained, Limits, Outcome, Request, explain};
use crate::gateway::media::Types;
use crate::route::policy::Form;
use crate::route::{Difference, FieldSource, RequestPart, Route, SourceValue, Why};
use crate::schema::Schema;
use crate::upstream;

/// The most rules that are listed. Further ones are only counted.
const MOST_SHOWN: usize = 12;

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// Method and target in one argument, such as 'GET /accounts/balance?account.sepa.iban=...'
    request: String,
    /// The file with the request body, or `-` for standard input
    #[arg(long, help_heading = "Request", value_name = "FILE")]
    body: Option<PathBuf>,
    /// Send the body as application/x-www-form-urlencoded
    #[arg(long, help_heading = "Request", requires = "body", conflicts_with = "content_type")]
    form: bool,
    /// The Content-Type of the body [default: application/json]
    #[arg(long, help_heading = "Request", value_name = "TYPE", requires = "body")]
    content_type: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(arguments: &ExplainArguments) -> Result<ExitCode, Vec<Problem>> {
    let loaded = Loaded::new(&arguments.settings)?;
    let Some((method, target)) = arguments.request.split_once(' ') else {
        let message =
            format!("expected a method and a target, such as 'GET /accounts/balance', found '{}'", arguments.request);
        return Err(vec![Problem::new(message)]);
    };
    let body = arguments.body.as_deref().map(read).transpose().map_err(|problem| vec![problem])?;
    let proxy = &loaded.config.proxy;
    let body_limit = |route: &Route| route.rpc.policy.body_limit;
    let types = Types { json: &proxy.json_types, forms: proxy.forms, untyped: proxy.untyped_json };
    let limits = Limits { body: &body_limit, types, query: proxy.policy.query_limits() };
    let form = arguments.form.then_some("application/x-www-form-urlencoded");
    let content_type = form.or(arguments.content_type.as_deref());
    let request = Request { method, target, body: body.as_deref(), content_type };
    let Explained { route, others, outcome } = explain(&loaded.routes, limits, request);
    if let Some(route) = route {
        println!("rule  {}", shown(route));
    }
    print_others(&others, route.is_some());
    match (outcome, route) {
        (Outcome::Sent { message, sources, is_form }, Some(route)) => {
            print_sources(&sources, is_form);
            // The route's descriptor may have enum names that only its callers know; grpcurl needs those of the schema.
            let input = loaded.schema.message(route.rpc.input.name()).unwrap_or_else(|| route.rpc.input.clone());
            let json = |indent| {
                let print = Print { indent, limit: usize::MAX, ..Print::default() };
                let json = codec::reply(&input, &message, &print).map_err(|error| vec![Problem::new(error)]);
                json.map(|json| String::from_utf8_lossy(&json).into_owned())
            };
            println!("\n{} {}", route.rpc.input.name(), json(true)?);
            let flags = grpcurl_flags(&loaded.schema, &loaded.config, loaded.upstream.as_ref(), route);
            println!("\ngrpcurl {flags} -d {} {}", shell::quoted(&json(false)?), call(loaded.upstream.as_ref(), route));
            return Ok(ExitCode::SUCCESS);
        }
        (Outcome::Streamed { messages }, Some(route)) => {
            let input = loaded.schema.message(route.rpc.input.name()).unwrap_or_else(|| route.rpc.input.clone());
            let json = |message: &Vec<u8>, indent| {
                let print = Print { indent, limit: usize::MAX, ..Print::default() };
                let json = codec::reply(&input, message, &print).map_err(|error| vec![Problem::new(error)]);
                json.map(|json| String::from_utf8_lossy(&json).into_owned())
            };
            for message in &messages {
                println!("\n{} {}", route.rpc.input.name(), json(message, true)?);
            }
            let all = messages.iter().map(|message| json(message, false)).collect::<Result<Vec<_>, _>>()?.join(" ");
            let flags = grpcurl_flags(&loaded.schema, &loaded.config, loaded.upstream.as_ref(), route);
            println!("\ngrpcurl {flags} -d {} {}", shell::quoted(&all), call(loaded.upstream.as_ref(), route));
            return Ok(ExitCode::SUCCESS);
        }
        (Outcome::Options(allowed), _) => println!("\n204 No Content\nAllow: {}", allowed.join(", ")),
        (Outcome::Refused(refusal), route) => {
            let policy = route.map_or(&proxy.policy, |route| &route.rpc.policy);
            print_refusal(*refusal, policy.errors.form);
        }
        (Outcome::Sent { .. } | Outcome::Streamed { .. }, None) => {}
    }
    Ok(ExitCode::from(NOT_SENT))
}

fn read(file: &Path) -> Result<Vec<u8>, Problem> {
    if file == Path::new("-") {
        let mut body = Vec::new();
        let read = std::io::stdin().read_to_end(&mut body);
        return read.map(|_| body).map_err(|error| Problem::at("standard input", error));
    }
    fs::read(file).map_err(|error| Problem::at(file.display(), error))
}

fn shown(route: &Route) -> String {
    format!("{} {} of {}", route.method, route.path(), route.rpc.name)
}

/// Prints the rules that match the path. If no rule matches, prints some of those that match the longest part of it.
fn print_others(others: &[(&Route, Why)], is_found: bool) {
    let fitting = |why: &Why| match why {
        Why::Path { fitting, expected } => {
            // The verb is the last part of a path that can differ, so such a rule matches more.
            Some(fitting + usize::from(matches!(expected, Difference::Verb(_))))
        }
        _ => None,
    };
    let has_path = others.iter().any(|(_, why)| fitting(why).is_none());
    let longest = others.iter().filter_map(|(_, why)| fitting(why)).max().filter(|most| *most > 0);
    let is_near = |why: &Why| match fitting(why) {
        None => true,
        fitting => !is_found && !has_path && fitting == longest,
    };
    let near: Vec<_> = others.iter().filter(|(_, why)| is_near(why)).take(MOST_SHOWN).collect();
    for (route, why) in &near {
        println!("not   {}: {why}", shown(route));
    }
    match (others.len() - near.len(), near.is_empty()) {
        (0, _) => {}
        (count, true) => println!("not   {count} rules: their paths are different"),
        (count, false) => println!("not   {count} more: their paths are different"),
    }
}

fn print_sources(sources: &[FieldSource], is_form: bool) {
    let source = |source: RequestPart| match source {
        RequestPart::Path => "path",
        RequestPart::Query => "query",
        RequestPart::Body if is_form => "form",
        RequestPart::Body => "body",
    };
    let said = |said: &SourceValue| match said {
        SourceValue::Value(json) => json.clone(),
        SourceValue::Hidden => "(not shown)".to_owned(),
        SourceValue::Default => "(the default value, the same as unset)".to_owned(),
        SourceValue::Empty => "(empty, ignored)".to_owned(),
        SourceValue::PassedOver => "(unknown field, ignored)".to_owned(),
    };
    if sources.is_empty() {
        return;
    }
    let width = sources.iter().map(|sourced| sourced.field.chars().count()).max().unwrap_or_default().max(5);
    println!("\n{:width$}  SOURCE  VALUE", "FIELD");
    for sourced in sources {
        println!("{:width$}  {:6}  {}", sourced.field, source(sourced.source), said(&sourced.value));
    }
}

fn print_refusal(refusal: Refusal, form: Form) {
    let response = refusal.into_text(form, None);
    println!("\n{}", response.status());
    if let Some(allow) = response.headers().get(http::header::ALLOW).and_then(|allow| allow.to_str().ok()) {
        println!("Allow: {allow}");
    }
    println!("{}", response.body());
}

/// The grpcurl flags that say where the rpc is declared and how to reach the backend.
fn grpcurl_flags(schema: &Schema, config: &Config, upstream: Option<&upstream::Config>, route: &Route) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut flag = |name: &str, value: &str| words.extend([name.to_owned(), shell::word(value)]);
    let file =
        schema.rpcs().iter().find(|rpc| rpc.name == route.rpc.name).map(|rpc| rpc.file.as_str()).unwrap_or_default();
    for path in &config.imports.paths {
        flag("-import-path", &path.display().to_string());
    }
    for path in &config.schema {
        let is_proto = path.extension().is_some_and(|extension| extension == "proto");
        // A `.proto` file is named relative to the folder that its imports count from.
        let root =
            if is_proto { root_of(path, file) } else { Some(path.clone()).filter(|path| path.join(file).is_file()) };
        match root {
            Some(root) => {
                flag("-import-path", &root.display().to_string());
                flag("-proto", file);
            }
            None if !is_proto && path.is_file() => flag("-protoset", &path.display().to_string()),
            None => {}
        }
    }
    match upstream {
        Some(upstream) if upstream.address.tls() => {
            let display = |path: &Path| path.display().to_string();
            if let Some(ca) = &upstream.tls.ca {
                flag("-cacert", &display(ca));
            }
            if let Some(identity) = &upstream.tls.identity {
                flag("-cert", &display(&identity.cert));
                flag("-key", &display(&identity.key));
            }
            if let Some(name) = &upstream.tls.server_name {
                flag("-servername", name);
            }
        }
        _ => words.push("-plaintext".to_owned()),
    }
    words.join(" ")
}

/// The folder relative to which `path` is called `file`.
fn root_of(path: &Path, file: &str) -> Option<PathBuf> {
    let levels = Path::new(file).components().count();
    let root = path.ancestors().nth(levels).filter(|_| path.ends_with(file))?;
    Some(if root.as_os_str().is_empty() { PathBuf::from(".") } else { root.to_owned() })
}

/// The address of the backend and the name of the rpc.
fn call(upstream: Option<&upstream::Config>, route: &Route) -> String {
    let address = upstream.map_or_else(|| "HOST:PORT".to_owned(), |upstream| upstream.address.first().authority());
    format!("{} {}", shell::word(&address), shell::word(route.rpc.path.path().trim_start_matches('/')))
}
