//! Fetches descriptors from a server: gRPC server reflection, `v1` or else `v1alpha`.
//!
//! Takes an [`Upstream`]. Gives the files of all its services as one encoded `FileDescriptorSet`, imports first, or an
//! error that says what to do instead. The protocol (grpc/reflection/v1/reflection.proto) allows streams, but one
//! question with one answer is enough here, so each question is a unary call. This module does not interpret the files.

use std::collections::{HashMap, HashSet};

use http::uri::PathAndQuery;
use prost::Message as _;
use prost::bytes::Bytes;
use tokio::time::Instant;
use tonic::Code;

use super::backend::Upstream;
use super::grpc::error::CallError;
use super::outbound::{Outbound, Terms};
use super::trail::Trail;
use crate::format::problem::Problem;
use crate::schema;

/// The most files that are accepted from one server.
const MOST_FILES: usize = 10_000;

const VERSIONS: [&str; 2] = ["v1", "v1alpha"];

/// Fetches the files of every service of `upstream` for whose full name `wanted` is true. Problems call the upstream
/// `name`. The deadline of one call applies to the whole exchange.
///
/// # Errors
/// The server cannot be asked, or its answer cannot be used.
pub async fn descriptor_set(
    upstream: &Upstream,
    name: &str,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<u8>, Problem> {
    let deadline = Instant::now() + upstream.deadline;
    let asked = async {
        let mut reflected = Reflected::connect(upstream, deadline).await?;
        reflected.services(wanted).await?;
        reflected.imports().await?;
        Ok(reflected.in_order())
    };
    asked.await.map_err(|error: ReflectionError| Problem::at(name, error))
}

#[derive(Debug, thiserror::Error)]
enum ReflectionError {
    #[error(
        "the server has no reflection, neither v1 nor v1alpha: switch it on there, or name .proto files or a \
         descriptor set in `schema`"
    )]
    Missing,
    #[error("the server does not let us ask for its descriptors: {message}")]
    Refused { message: String },
    #[error("no answer: {0}")]
    Call(CallError),
    #[error("the server has no descriptor of {symbol}, which it lists: {message}")]
    Symbol { symbol: String, message: String },
    #[error("{importer} imports {import}, which the server does not have: {message}")]
    Import { importer: String, import: String, message: String },
    #[error("expected an answer to {question}, found another")]
    Unexpected { question: &'static str },
    #[error("expected at most {MOST_FILES} files, found more")]
    TooMany,
    #[error("the server has no services but its own of gRPC")]
    NoServices,
    #[error("none of its services is selected by the `rpcs` of this upstream: it has `{}`", found.join("`, `"))]
    NoneSelected { found: Vec<String> },
}

/// A server, and the files that it has sent.
struct Reflected<'a> {
    upstream: &'a Upstream,
    path: PathAndQuery,
    deadline: Instant,
    services: Vec<String>,
    files: HashMap<String, File>,
    /// The names of the files, in order of arrival.
    names: Vec<String>,
}

struct File {
    encoded: Bytes,
    imports: Vec<String>,
}

impl<'a> Reflected<'a> {
    /// Asks which services the server has, with the newest version of reflection that it knows.
    async fn connect(upstream: &'a Upstream, deadline: Instant) -> Result<Self, ReflectionError> {
        for version in VERSIONS {
            let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
            let path = PathAndQuery::try_from(path).expect("the path of an rpc is a path");
            let (files, names) = (HashMap::new(), Vec::new());
            let mut reflected = Self { upstream, path, deadline, services: Vec::new(), files, names };
            match reflected.ask(Question::ListServices(String::new())).await {
                Ok(Answer::Services(list)) => {
                    let own = |name: &String| name.starts_with("grpc.reflection.");
                    reflected.services = list.service.into_iter().map(|service| service.name).collect();
                    reflected.services.retain(|name| !own(name));
                    return Ok(reflected);
                }
                Ok(_) => return Err(ReflectionError::Unexpected { question: "list_services" }),
                Err(error) if is_unimplemented(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(ReflectionError::Missing)
    }

    async fn services(&mut self, wanted: impl Fn(&str) -> bool) -> Result<(), ReflectionError> {
        if self.services.is_empty() {
            return Err(ReflectionError::NoServices);
        }
        let found = std::mem::take(&mut self.services);
        if !found.iter().any(|service| wanted(service)) {
            return Err(ReflectionError::NoneSelected { found });
        }
        for symbol in found.into_iter().filter(|service| wanted(service)) {
            match self.ask(Question::FileContainingSymbol(symbol.clone())).await? {
                Answer::Files(files) => self.add(files)?,
                Answer::Error(error) => return Err(ReflectionError::Symbol { symbol, message: error.message }),
                Answer::Services(_) => return Err(ReflectionError::Unexpected { question: "file_containing_symbol" }),
            }
        }
        Ok(())
    }

    /// Fetches imports until none is missing. Some servers send imports along, others do not.
    async fn imports(&mut self) -> Result<(), ReflectionError> {
        while let Some((importer, import)) = self.missing() {
            match self.ask(Question::FileByFilename(import.clone())).await? {
                Answer::Files(files) => self.add(files)?,
                Answer::Services(_) => return Err(ReflectionError::Unexpected { question: "file_by_filename" }),
                // Generated code often lacks the descriptors of google/protobuf and google/api. Towbar has them built
                // in.
                Answer::Error(error) => match schema::bundled(&import) {
                    Some(files) => self.add(Files { files: files.into_iter().map(Bytes::from).collect() })?,
                    None => return Err(ReflectionError::Import { importer, import, message: error.message }),
                },
            }
            if !self.files.contains_key(&import) {
                let message = format!("asked for it, it sent another file ({} known)", self.files.len());
                return Err(ReflectionError::Import { importer, import, message });
            }
        }
        Ok(())
    }

    /// A file, and one of its imports that is missing.
    fn missing(&self) -> Option<(String, String)> {
        self.names.iter().find_map(|name| {
            let import = self.files[name].imports.iter().find(|import| !self.files.contains_key(*import))?;
            Some((name.clone(), import.clone()))
        })
    }

    fn add(&mut self, files: Files) -> Result<(), ReflectionError> {
        for encoded in files.files {
            let head = Head::decode(encoded.clone());
            let head = head.map_err(|_| ReflectionError::Unexpected { question: "a file's name" })?;
            if self.files.contains_key(&head.name) {
                continue;
            }
            // The server knows the file by name only: generated code often lacks the descriptors of google/protobuf and
            // google/api.
            if head.is_placeholder()
                && let Some(files) = schema::bundled(&head.name)
            {
                self.add(Files { files: files.into_iter().map(Bytes::from).collect() })?;
                continue;
            }
            let Head { name, imports, .. } = head;
            if self.names.len() == MOST_FILES {
                return Err(ReflectionError::TooMany);
            }
            self.names.push(name.clone());
            self.files.insert(name, File { encoded, imports });
        }
        Ok(())
    }

    async fn ask(&self, question: Question) -> Result<Answer, ReflectionError> {
        let request = Request { question: Some(question) }.encode_to_vec();
        let reply_limit = self.upstream.reply_limit;
        let terms = Terms { deadline: self.deadline, reply_limit, may_repeat: true, account: None };
        let called = self.upstream.call(Outbound::own(&self.path, terms), &request, &mut Trail::default()).await;
        let reply = called.map_err(|error| match error {
            CallError::Status { status, .. }
                if matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated) =>
            {
                ReflectionError::Refused { message: format!("{:?}: {}", status.code(), status.message()) }
            }
            error => ReflectionError::Call(error),
        })?;
        let answer = Response::decode(reply.message).ok().and_then(|response| response.answer);
        answer.ok_or(ReflectionError::Unexpected { question: "a question" })
    }

    /// All files as a descriptor set, each one after its imports.
    fn in_order(&self) -> Vec<u8> {
        let mut order = Vec::new();
        let mut seen = HashSet::new();
        // A file comes off this stack twice: first to push its imports, then, when all of them are out, to be written.
        let mut stack: Vec<(&str, bool)> = self.names.iter().rev().map(|name| (name.as_str(), false)).collect();
        while let Some((name, is_ready)) = stack.pop() {
            if is_ready {
                order.push(self.files[name].encoded.clone());
            } else if seen.insert(name) {
                stack.push((name, true));
                stack.extend(self.files[name].imports.iter().map(|import| (import.as_str(), false)));
            }
        }
        Files { files: order }.encode_as_set()
    }
}

fn is_unimplemented(error: &ReflectionError) -> bool {
    let ReflectionError::Call(error) = error else { return false };
    match error {
        CallError::Status { status, .. } => status.code() == Code::Unimplemented,
        // A server without gRPC at this path may answer 404.
        CallError::NoStatus { http, .. } => *http == http::StatusCode::NOT_FOUND,
        _ => false,
    }
}

/// `ServerReflectionRequest`. The field numbers of reflection.proto are the same in both versions.
#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(oneof = "Question", tags = "3, 4, 7")]
    question: Option<Question>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Question {
    #[prost(string, tag = "3")]
    FileByFilename(String),
    #[prost(string, tag = "4")]
    FileContainingSymbol(String),
    #[prost(string, tag = "7")]
    ListServices(String),
}

/// `ServerReflectionResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct Response {
    #[prost(oneof = "Answer", tags = "4, 6, 7")]
    answer: Option<Answer>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Answer {
    #[prost(message, tag = "4")]
    Files(Files),
    #[prost(message, tag = "6")]
    Services(Services),
    #[prost(message, tag = "7")]
    Error(Error),
}

/// `FileDescriptorResponse`, which has the same wire format as `FileDescriptorSet`.
#[derive(Clone, PartialEq, prost::Message)]
struct Files {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    files: Vec<Bytes>,
}

impl Files {
    fn encode_as_set(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct Services {
    #[prost(message, repeated, tag = "1")]
    service: Vec<Service>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Error {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// The name and the imports of a `FileDescriptorProto`, and its declarations as raw bytes.
#[derive(Clone, PartialEq, prost::Message)]
struct Head {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, repeated, tag = "3")]
    imports: Vec<String>,
    #[prost(bytes = "bytes", repeated, tag = "4")]
    messages: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "5")]
    enums: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "6")]
    services: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "7")]
    extensions: Vec<Bytes>,
}

impl Head {
    /// Whether the file has a name and no declarations.
    fn is_placeholder(&self) -> bool {
        let declared = [&self.messages, &self.enums, &self.services, &self.extensions];
        self.imports.is_empty() && declared.iter().all(|declared| declared.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflected_files_are_ordered_after_their_imports_even_if_imports_are_circular() {
        let config = crate::upstream::Config::of("http://127.0.0.1:1".parse().unwrap());
        let upstream = Upstream::new(&config).unwrap_or_else(|_| unreachable!("an address is enough"));
        for (files, expected) in [
            (&[("a", &["b", "c"][..]), ("b", &["c"]), ("c", &[])][..], "c b a"),
            (&[("c", &[]), ("a", &["b"]), ("b", &["c"])], "c b a"),
            (&[("a", &["b"]), ("b", &["a"])], "b a"),
        ] {
            let file = |(name, imports): &(&str, &[&str])| {
                let imports = imports.iter().map(|import| (*import).to_owned()).collect();
                Bytes::from(Head { name: (*name).to_owned(), imports, ..Head::default() }.encode_to_vec())
            };
            let (path, deadline) = (PathAndQuery::from_static("/"), Instant::now());
            let (services, names) = (Vec::new(), Vec::new());
            let mut reflected =
                Reflected { upstream: &upstream, path, deadline, services, files: HashMap::new(), names };
            reflected.add(Files { files: files.iter().map(file).collect() }).unwrap();
            let set = Files::decode(reflected.in_order().as_slice()).unwrap();
            let names: Vec<String> = set.files.into_iter().map(|file| Head::decode(file).unwrap().name).collect();
            assert_eq!(names.join(" "), expected);
        }
    }
}
