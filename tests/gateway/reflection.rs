//! Descriptors from the server itself: gRPC server reflection, what a server may leave out, and what is said without it.

use std::sync::{Arc, Mutex};

use ::http::{HeaderMap, HeaderName, HeaderValue};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use prost::bytes::Bytes;
use towbar::cli::demo::bank::SampleBank;
use towbar::cli::demo::bank::certificates::Authority;
use towbar::cli::demo::generated::DESCRIPTORS;

use crate::support::folder;
use crate::support::folder::{Folder, get_with};
use crate::support::{Backend, http, server_tls};

/// The questions and answers of reflection.proto that the tests need, by their numbers.
#[derive(Clone, PartialEq, prost::Message)]
struct Question {
    #[prost(string, optional, tag = "3")]
    file: Option<String>,
    #[prost(string, optional, tag = "4")]
    symbol: Option<String>,
    #[prost(string, optional, tag = "7")]
    list: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Answer {
    #[prost(message, optional, tag = "4")]
    files: Option<Files>,
    #[prost(message, optional, tag = "6")]
    services: Option<Services>,
    #[prost(message, optional, tag = "7")]
    error: Option<Fault>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Files {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    files: Vec<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Services {
    #[prost(message, repeated, tag = "1")]
    services: Vec<Service>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Fault {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// What a file is called, and what it imports.
#[derive(Clone, PartialEq, prost::Message)]
struct Head {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, repeated, tag = "3")]
    imports: Vec<String>,
}

/// A server's descriptors as most servers give them: bytes as they were compiled, options included.
#[derive(Clone)]
struct Reflecting {
    versions: Vec<&'static str>,
    services: Vec<&'static str>,
    files: Vec<Bytes>,
    /// The status of every call, if it is not 0.
    status: u16,
    asked: Arc<Mutex<Vec<Question>>>,
}

impl Reflecting {
    /// With the files of an encoded set.
    fn of(set: &[u8], services: &[&'static str]) -> Self {
        let files = Files::decode(set).unwrap().files;
        let services = services.to_vec();
        Self { versions: vec!["v1", "v1alpha"], services, files, status: 0, asked: Arc::default() }
    }

    fn without(mut self, prefix: &str) -> Self {
        self.files.retain(|file| !Head::decode(file.clone()).unwrap().name.starts_with(prefix));
        self
    }

    /// Of these files the server has the name alone, as servers in Go send what their binary does not have.
    fn with_placeholders(mut self, prefix: &str) -> Self {
        for file in &mut self.files {
            let name = Head::decode(file.clone()).unwrap().name;
            if name.starts_with(prefix) {
                let bare = prost_types::FileDescriptorProto { name: Some(name), ..Default::default() };
                *file = bare.encode_to_vec().into();
            }
        }
        self
    }

    fn router(self) -> Router {
        Router::new().fallback(move |request: Request| self.clone().answer(request))
    }

    async fn answer(self, request: Request) -> Response {
        let path = request.uri().path().to_owned();
        let is_known = self.versions.iter().any(|version| path.contains(&format!(".{version}.ServerReflection/")));
        let status = if is_known { self.status } else { 12 };
        let frame = request.into_body().collect().await.unwrap().to_bytes();
        let question = Question::decode(&frame[5..]).unwrap();
        self.asked.lock().unwrap().push(question.clone());
        let message = if status == 0 { self.to(&question).encode_to_vec() } else { Vec::new() };
        let mut frame = vec![0];
        frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        frame.extend(message);
        let trailers = HeaderMap::from_iter([(
            HeaderName::from_static("grpc-status"),
            HeaderValue::from_str(&status.to_string()).unwrap(),
        )]);
        let body = Full::new(Bytes::from(frame)).with_trailers(async { Some(Ok(trailers)) });
        ([("content-type", "application/grpc")], Body::new(body)).into_response()
    }

    fn to(&self, question: &Question) -> Answer {
        let missing = || Answer { error: Some(Fault { code: 5, message: "not here".to_owned() }), ..Answer::default() };
        if question.list.is_some() {
            let services = self.services.iter().map(|name| Service { name: (*name).to_owned() }).collect();
            return Answer { services: Some(Services { services }), ..Answer::default() };
        }
        let found = self.files.iter().find(|file| match (&question.file, &question.symbol) {
            (Some(name), _) => Head::decode((*file).clone()).unwrap().name == *name,
            (None, Some(symbol)) => declares(file, symbol),
            (None, None) => false,
        });
        found.map_or_else(missing, |file| Answer {
            files: Some(Files { files: vec![file.clone()] }),
            ..Answer::default()
        })
    }
}

fn declares(file: &Bytes, symbol: &str) -> bool {
    let file = prost_types::FileDescriptorProto::decode(file.clone()).unwrap();
    file.service.iter().any(|service| format!("{}.{}", file.package(), service.name()) == symbol)
}

const ACCOUNTS: &str = "io.token.proto.bankapi.AccountService";
const HEALTH: &str = "io.token.proto.bankapi.HealthCheckService";
const STORAGE: &str = "io.token.proto.bankapi.StorageService";
const HEALTH_ROUTE: &str = "GET /health-check io.token.proto.bankapi.HealthCheckService.HealthCheck";

/// Method, path and rpc of the routes that this command prints.
fn routes(folder: &Folder, arguments: &[&str]) -> Vec<String> {
    let ended = folder.run(&[&["routes"], arguments].concat());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    let row = |line: &str| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    ended.stdout.lines().skip(1).map(row).collect()
}

#[test]
fn routes_are_read_by_reflection_v1_or_v1alpha_without_proto_files() {
    let folder = Folder::new();
    let whole = Reflecting::of(DESCRIPTORS, &[HEALTH, "grpc.reflection.v1.ServerReflection"]);
    let old = Reflecting { versions: vec!["v1alpha"], ..whole.clone() };
    // Generated code often has no descriptors of Google's files.
    let lean = whole.clone().without("google/");
    for (case, reflecting) in [("both", whole), ("v1alpha", old), ("without google/", lean)] {
        let asked = reflecting.asked.clone();
        let backend = Backend::start(reflecting.router(), None);
        let url = format!("http://{}", backend.address);
        assert_eq!(routes(&folder, &["--backend", &url, "--reflection"]), [HEALTH_ROUTE], "{case}");
        let asked = asked.lock().unwrap();
        assert!(asked.iter().any(|question| question.symbol.as_deref() == Some(HEALTH)), "{case}: {asked:?}");
        assert!(asked.iter().all(|question| question.symbol.as_deref() != Some(ACCOUNTS)), "{case}: {asked:?}");
    }
}

/// tonic's own servers, over mutual TLS.
#[test]
fn reflection_of_a_tonic_server_works_over_mutual_tls() {
    let build = || tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(DESCRIPTORS);
    let bank = || SampleBank::new().routes();
    let (v1, v1alpha) = (build().build_v1().unwrap(), build().build_v1alpha().unwrap());
    for (version, service) in [("v1", bank().add_service(v1)), ("v1alpha", bank().add_service(v1alpha))] {
        let authority = Authority::new("the bank").unwrap();
        let backend = Backend::start(service.into_axum_router(), Some(server_tls(&authority, &authority)));
        let folder = Folder::new();
        let config = format!(
            "listen: 127.0.0.1:0\nschema: {{reflection: true}}\nexpose: {HEALTH}\n\
             upstream: {{address: 'https://{}', tls: {{cert: c.pem, key: k.pem, ca: ca.pem}}}}\n",
            backend.address
        );
        folder.write("towbar.yaml", config).write("ca.pem", authority.pem());
        folder.write_identity("c.pem", "k.pem", &authority.issue("gateway.test").unwrap());
        let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
        let answer = http::get(gateway.address, "/health-check?bank_id=iron");
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":"SERVING"}"#), "{version}");
        assert_eq!(gateway.stop().code, Some(0), "{version}");

        let foreign = Authority::new("another").unwrap();
        folder.write_identity("c.pem", "k.pem", &foreign.issue("gateway.test").unwrap());
        let refused = folder.refusal(&["check", "--config", "towbar.yaml"]);
        let expected = format!(
            "reflection of https://{0}: no answer: the backend cannot be reached: {0}: it refused the gateway's \
             certificate: alert ",
            backend.address
        );
        assert!(refused.len() == 1 && refused[0].starts_with(&expected), "{version}: {refused:?}");
    }
}

/// Each server has what it answers, and what every server has may differ.
#[test]
fn with_several_upstreams_each_is_reflected_only_for_the_rpcs_it_serves() {
    let one = Reflecting::of(DESCRIPTORS, &[HEALTH, STORAGE]);
    // The other one's edition of the same file has another comment in its options, say.
    let mut other = Reflecting::of(DESCRIPTORS, &[HEALTH, STORAGE]);
    let is_health = |file: &Bytes| Head::decode(file.clone()).unwrap().name == "bankapi/healthcheck.proto";
    for file in other.files.iter_mut().filter(|file| is_health(file)) {
        let mut changed = prost_types::FileDescriptorProto::decode(file.clone()).unwrap();
        changed.options.get_or_insert_default().go_package = Some("elsewhere".to_owned());
        *file = changed.encode_to_vec().into();
    }
    let (one, other) = (Backend::start(one.router(), None), Backend::start(other.router(), None));
    let folder = Folder::new();
    let config = |rpcs: &str| {
        format!(
            "schema: [{{reflection: one}}, {{reflection: other}}]\nupstreams:\n  one: {{address: 'http://{}', rpcs: {HEALTH}}}\n  \
             other: {{address: 'http://{}', rpcs: {rpcs}}}\n",
            one.address, other.address
        )
    };
    folder.write("towbar.yaml", config(STORAGE));
    let found = routes(&folder, &["--config", "towbar.yaml"]);
    assert_eq!(found.len(), 4, "{found:?}");
    folder.write("towbar.yaml", config("cards.v1.*"));
    let expected = format!(
        "reflection of http://{}: none of its services is selected by the `rpcs` of this upstream: it has `{HEALTH}`, \
         `{STORAGE}`",
        other.address
    );
    assert_eq!(folder.refusal(&["routes", "--config", "towbar.yaml"]), [expected]);
}

#[test]
fn a_failed_reflection_is_reported_with_its_cause() {
    let folder = Folder::new();
    let whole = || Reflecting::of(DESCRIPTORS, &[HEALTH]);
    let lost = "io.token.proto.Lost";
    for (reflecting, expected) in [
        (
            Reflecting { versions: Vec::new(), ..whole() },
            "the server has no reflection, neither v1 nor v1alpha: switch it on there, or name .proto files or a \
             descriptor set in `schema`",
        ),
        (Reflecting { status: 16, ..whole() }, "the server does not let us ask for its descriptors: Unauthenticated: "),
        (Reflecting { status: 13, ..whole() }, "no answer: the backend answered Internal"),
        (Reflecting { services: Vec::new(), ..whole() }, "the server has no services but its own of gRPC"),
        (
            Reflecting { services: vec![lost], ..whole() },
            "the server has no descriptor of io.token.proto.Lost, which it lists: not here",
        ),
        (
            Reflecting { services: vec![STORAGE], ..whole().without("extensions/") },
            "bankapi/storage.proto imports extensions/field.proto, which the server does not have: not here",
        ),
        (
            Reflecting { services: vec![ACCOUNTS], ..whole() }.with_placeholders("money"),
            "transaction.proto imports money.proto, of which the server has no more than the name: link the code of that file into \
             the server, or name .proto files or a descriptor set in `schema` in place of reflection",
        ),
    ] {
        let backend = Backend::start(reflecting.router(), None);
        let url = format!("http://{}", backend.address);
        let refused = folder.refusal(&["check", "--backend", &url, "--reflection", "--listen", "127.0.0.1:0"]);
        assert_eq!(refused, [format!("reflection of {url}: {expected}")]);
    }
    let refused = folder.refusal(&["routes", "--backend", folder::NOBODY, "--reflection"]);
    let expected = "reflection of http://127.0.0.1:1: no answer: the backend cannot be reached: 127.0.0.1:1: ";
    assert!(refused.len() == 1 && refused[0].starts_with(expected), "{refused:?}");
}

#[test]
fn reflection_may_send_the_well_known_google_files_by_name_only() {
    let folder = Folder::new();
    let reflecting = Reflecting::of(DESCRIPTORS, &[HEALTH]).with_placeholders("google/");
    let backend = Backend::start(reflecting.router(), None);
    let url = format!("http://{}", backend.address);
    assert_eq!(routes(&folder, &["--backend", &url, "--reflection"]), [HEALTH_ROUTE]);
    let reflecting = Reflecting::of(DESCRIPTORS, &[ACCOUNTS]).with_placeholders("google/");
    let backend = Backend::start(reflecting.router(), None);
    let url = format!("http://{}", backend.address);
    assert!(!routes(&folder, &["--backend", &url, "--reflection"]).is_empty());
}

#[test]
fn reflection_and_proto_files_are_combined_unless_they_conflict() {
    let folder = Folder::new();
    folder.write("shop/orders.proto", get_with(r#"get: "/v1/{id}""#));
    let backend = Backend::start(Reflecting::of(DESCRIPTORS, &[HEALTH]).router(), None);
    let url = format!("http://{}", backend.address);
    let both = |path| routes(&folder, &["--backend", &url, "--reflection", "--proto", path]);
    assert_eq!(both("shop"), ["GET /v1/{id} shop.v1.Orders.Get", HEALTH_ROUTE]);
    // What both have is the same in both.
    folder.copy("proto", "bank");
    assert_eq!(both("bank").len(), 18);

    let refused = |path| folder.refusal(&["routes", "--backend", &url, "--reflection", "--proto", path]);
    let place = format!("reflection of {url}: ");
    let file = std::fs::read_to_string(folder.path("bank/bankapi/healthcheck.proto")).unwrap();
    folder.write("bank/bankapi/healthcheck.proto", file.replace("get: \"/health-check", "get: \"/health"));
    let differ = "bankapi/healthcheck.proto is also in bank with different content; keep one of the two";
    assert_eq!(refused("bank"), [format!("{place}{differ}")]);
    folder.write(
        "mine/health.proto",
        "syntax = \"proto3\";\npackage io.token.proto.bankapi;\nmessage HealthCheckRequest {}\n",
    );
    let twice = "bankapi/healthcheck.proto declares io.token.proto.bankapi.HealthCheckRequest, which health.proto in mine \
                 also declares; remove one of the two";
    assert_eq!(refused("mine"), [format!("{place}{twice}")]);
}
