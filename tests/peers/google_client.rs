//! A real Google REST client, that of Secret Manager for Python, through the gateway to a backend of gRPC: what the
//! backend hears, and what the client gets.
//!
//! The descriptors and the rules are those of the installed package. It is installed once, into a folder of its own
//! below `target/`; where that is not possible the test is skipped and says so.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Response};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};
use tonic::{Code, Status};
use towbar::schema::generated::google::rpc;

use crate::support::Backend;
use crate::support::process::{Ended, Gateway, Process};
use crate::support::python;

const PACKAGE: &str = "google-cloud-secret-manager==2.32.0";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/google_client.py");
const SERVICE: &str = "google.cloud.secretmanager.v1.SecretManagerService";

/// What each call of the script gives its caller, in the order of the script.
const CLIENT: &str = r#"create {"createTime": "2026-01-02T03:04:05.600Z", "labels": {"team": "cards"}, "name": "projects/1/secrets/pin", "replication": {"automatic": {}}, "ttl": "86400.500s", "versionAliases": {"current": "9007199254740993"}}
get {"name": "projects/1/secrets/pin", "versionAliases": {"current": "-1"}}
odd name {"name": "projects/1/secrets/pin", "versionAliases": {"current": "-1"}}
list ["projects/1/secrets/s1", "projects/1/secrets/s2", "projects/1/secrets/s3", "projects/1/secrets/s4", "projects/1/secrets/s5"]
update {"createTime": "2026-01-02T03:04:05.600Z", "etag": "\"1\"", "labels": {"team": "cards & loans"}, "name": "projects/1/secrets/pin"}
add {"name": "projects/1/secrets/pin/versions/1", "state": "ENABLED"}
access {"name": "projects/1/secrets/pin/versions/1", "payload": {"data": "APv/Pw==", "dataCrc32c": "4611686018427387905"}}
policy {"etag": "+/8=", "version": 3}
delete null
missing NotFound 404 NOT_FOUND
  GET /v1/projects/bank/secrets/none?%24alt=json%3Benum-encoding%3Dint: no secret `none`, é
  {"domain": "secretmanager.googleapis.com", "metadata": {"secret": "none"}, "reason": "SECRET_MISSING"}
  [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "domain": "secretmanager.googleapis.com", "metadata": {"secret": "none"}, "reason": "SECRET_MISSING"}]
refused BadRequest 400 None
  POST /v1/projects/bank/secrets?secretId=p+i+n&%24alt=json%3Benum-encoding%3Dint: no such id
  {"domain": null, "metadata": null, "reason": null}
  [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"description": "has spaces", "field": "secretId"}]}]
not text BadRequest 400 None
  GET /v1/projects/bank/secrets/a%00b?%24alt=json%3Benum-encoding%3Dint: path variable "name": a NUL character (%00) is not allowed
  {"domain": "towbar", "metadata": null, "reason": "INVALID_PATH_VARIABLE"}
  [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "domain": "towbar", "reason": "INVALID_PATH_VARIABLE"}, {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"description": "a NUL character (%00) is not allowed", "field": "name"}]}]
no rpc NotFound 404 NOT_FOUND
  GET /v1/projects/bank/locations: no route matches GET /v1/projects/bank/locations
  {"domain": "towbar", "metadata": null, "reason": "ROUTE_NOT_FOUND"}
  [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "domain": "towbar", "reason": "ROUTE_NOT_FOUND"}]"#;

/// What the backend hears: the rpc and its message as ProtoJSON.
const BACKEND: &str = r#"CreateSecret {"parent":"projects/bank","secretId":"pin","secret":{"replication":{"automatic":{}},"labels":{"team":"cards"},"ttl":"86400.500s","versionAliases":{"current":"9007199254740993"}}}
GetSecret {"name":"projects/bank/secrets/pin"}
GetSecret {"name":"projects/bank/secrets/a%2Fb +é:c"}
ListSecrets {"parent":"projects/bank","pageSize":2,"filter":"labels.team=cards & name:p+n"}
ListSecrets {"parent":"projects/bank","pageSize":2,"pageToken":"a+b/c=&d","filter":"labels.team=cards & name:p+n"}
ListSecrets {"parent":"projects/bank","pageSize":2,"pageToken":"last","filter":"labels.team=cards & name:p+n"}
UpdateSecret {"secret":{"name":"projects/bank/secrets/pin","labels":{"team":"cards & loans"},"etag":"\"1\""},"updateMask":"labels,versionAliases"}
AddSecretVersion {"parent":"projects/bank/secrets/pin","payload":{"data":"APv/Pw==","dataCrc32c":"4611686018427387905"}}
AccessSecretVersion {"name":"projects/bank/secrets/pin/versions/latest"}
GetIamPolicy {"resource":"projects/bank/secrets/pin","options":{"requestedPolicyVersion":3}}
DeleteSecret {"name":"projects/bank/secrets/pin","etag":"\"2\""}
GetSecret {"name":"projects/bank/secrets/none"}
CreateSecret {"parent":"projects/bank","secretId":"p i n","secret":{"replication":{"automatic":{}},"labels":{"team":"cards"},"ttl":"86400.500s","versionAliases":{"current":"9007199254740993"}}}"#;

#[test]
fn a_google_client_exchanges_requests_replies_and_errors_with_the_backend() {
    let Some(python) = python::environment(PACKAGE, &[&[PACKAGE]]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("api.binpb");
    let ended = script(&python, &["schema", set.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    let heard = Arc::new(Mutex::new(Vec::new()));
    let backend = Backend::start(service(&fs::read(&set).unwrap(), Arc::clone(&heard)), None);
    let config = folder.path().join("towbar.yaml");
    let text = format!(
        "listen: 127.0.0.1:0\nschema: api.binpb\nexpose: {SERVICE}\nupstream: http://{}\nerrors: google\n",
        backend.address
    );
    fs::write(&config, text).unwrap();
    let gateway = Gateway::start(&["serve", "--config", config.to_str().unwrap()]);
    let called = script(&python, &["call", &format!("http://{}", gateway.address)]);
    assert_eq!(called.code, Some(0), "{}", called.stderr);
    let ended = gateway.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    assert_eq!(called.stdout.trim_end().lines().collect::<Vec<_>>(), CLIENT.lines().collect::<Vec<_>>());
    assert_eq!(*heard.lock().unwrap(), BACKEND.lines().collect::<Vec<_>>());
}

/// A backend that notes every message and answers it.
fn service(descriptor_set: &[u8], heard: Arc<Mutex<Vec<String>>>) -> Router {
    let pool = DescriptorPool::decode(descriptor_set).unwrap();
    let service = pool.get_service_by_name(SERVICE).unwrap();
    Router::new().fallback(move |request: Request| {
        let name = request.uri().path().strip_prefix(&format!("/{SERVICE}/")).unwrap().to_owned();
        let method = service.methods().find(|method| method.name() == name).unwrap();
        let heard = Arc::clone(&heard);
        async move {
            let frame = request.into_body().collect().await.unwrap().to_bytes();
            let message = DynamicMessage::decode(method.input(), &frame[5..]).unwrap();
            let request = serde_json::to_value(&message).unwrap();
            heard.lock().unwrap().push(format!("{name} {request}"));
            answer(&name, &request).map_or_else(|status| status.into_http(), |reply| framed(&method, reply))
        }
    })
}

fn framed(method: &MethodDescriptor, reply: Value) -> Response<Body> {
    let message = DynamicMessage::deserialize(method.output(), reply).unwrap().encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
    let body = Full::from([&[0], &length[..], &message].concat()).with_trailers(async { Some(Ok(trailers)) });
    Response::builder().header("content-type", "application/grpc").body(Body::new(body)).unwrap()
}

/// The reply to a request, both as ProtoJSON.
fn answer(name: &str, request: &Value) -> Result<Value, Status> {
    let named = |number: i32| json!({ "name": format!("projects/1/secrets/s{number}") });
    Ok(match (name, request["pageToken"].as_str()) {
        ("CreateSecret", _) if request["secretId"] != "pin" => {
            let violation = rpc::bad_request::FieldViolation {
                field: "secret_id".to_owned(),
                description: "has spaces".to_owned(),
                ..Default::default()
            };
            let detail = rpc::BadRequest { field_violations: vec![violation] };
            return Err(refusal(Code::InvalidArgument, "no such id", "google.rpc.BadRequest", &detail));
        }
        ("CreateSecret" | "UpdateSecret", _) => {
            let mut secret = request["secret"].clone();
            secret["name"] = json!("projects/1/secrets/pin");
            secret["createTime"] = json!("2026-01-02T03:04:05.600Z");
            secret
        }
        ("GetSecret", _) if request["name"] == "projects/bank/secrets/none" => {
            let detail = rpc::ErrorInfo {
                reason: "SECRET_MISSING".to_owned(),
                domain: "secretmanager.googleapis.com".to_owned(),
                metadata: [("secret".to_owned(), "none".to_owned())].into(),
            };
            return Err(refusal(Code::NotFound, "no secret `none`, \u{e9}", "google.rpc.ErrorInfo", &detail));
        }
        ("GetSecret", _) => json!({ "name": "projects/1/secrets/pin", "versionAliases": { "current": "-1" } }),
        ("ListSecrets", None) => {
            json!({ "secrets": [named(1), named(2)], "nextPageToken": "a+b/c=&d", "totalSize": 5 })
        }
        ("ListSecrets", Some("a+b/c=&d")) => json!({ "secrets": [named(3), named(4)], "nextPageToken": "last" }),
        ("ListSecrets", Some("last")) => json!({ "secrets": [named(5)] }),
        ("AddSecretVersion", _) => json!({ "name": "projects/1/secrets/pin/versions/1", "state": "ENABLED" }),
        ("AccessSecretVersion", _) => json!({
            "name": "projects/1/secrets/pin/versions/1",
            "payload": { "data": "APv/Pw==", "dataCrc32c": "4611686018427387905" },
        }),
        ("GetIamPolicy", _) => json!({ "version": 3, "etag": "+/8=" }),
        ("DeleteSecret", _) => json!({}),
        other => panic!("{other:?}"),
    })
}

fn refusal(code: Code, message: &str, name: &str, detail: &impl prost::Message) -> Status {
    let type_url = format!("type.googleapis.com/{name}");
    let detail = pbjson_types::Any { type_url, value: detail.encode_to_vec().into() };
    let status = rpc::Status { code: code as i32, message: message.to_owned(), details: vec![detail] };
    Status::with_details(code, message, status.encode_to_vec().into())
}

fn script(python: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new(python);
    for (name, _) in std::env::vars_os() {
        // Neither a proxy of this machine nor settings of Google's own.
        let upper = name.to_string_lossy().to_ascii_uppercase();
        if upper.ends_with("_PROXY") || upper.starts_with("GOOGLE_") {
            command.env_remove(name);
        }
    }
    Process::start(command.env("PYTHONUTF8", "1").arg(SCRIPT).args(arguments)).wait_for(Duration::from_secs(60))
}
