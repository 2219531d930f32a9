//! What callers read of limits: in every form of errors and every protocol, and on answers to requests within them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use prost::Message as _;
use towbar::schema::generated::google::rpc;

use crate::support::connect::{self, JSON};
use crate::support::raw::{Does, RawBank};
use crate::support::talk::{backend, note};
use crate::support::{Backend, Gateway, grpc, http, socket};

const MESSAGE: &str = "the rate limit all is exceeded; the call was not sent; send the request again after 60 s";

fn echo() -> Backend {
    backend(|_, mut requests, replies| async move {
        requests.all().await;
        replies.send(&note("ok", 1)).await;
        replies.end("0", "").await;
    })
}

#[test]
fn every_form_of_errors_says_that_a_limit_is_exceeded() {
    let details = r#"[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMITED","domain":"towbar"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"60s"}]"#;
    for (form, body) in [
        ("status", format!(r#"{{"code":8,"message":"{MESSAGE}","details":{details}}}"#)),
        (
            "google",
            format!(
                r#"{{"error":{{"code":429,"message":"{MESSAGE}","status":"RESOURCE_EXHAUSTED","details":{details}}}}}"#
            ),
        ),
        (
            "problem",
            format!(
                r#"{{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"{MESSAGE}","code":"RESOURCE_EXHAUSTED","details":{details}}}"#
            ),
        ),
        (
            "open_banking_uk",
            format!(
                r#"{{"Code":"429 TooManyRequests","Message":"{MESSAGE}","Errors":[{{"ErrorCode":"UK.OBIE.UnexpectedError","Message":"{MESSAGE}"}}]}}"#
            ),
        ),
        (
            "berlin_group",
            format!(r#"{{"tppMessages":[{{"category":"ERROR","code":"ACCESS_EXCEEDED","text":"{MESSAGE}"}}]}}"#),
        ),
        ("grpc_gateway_v1", format!(r#"{{"error":"{MESSAGE}","message":"{MESSAGE}","code":8,"details":{details}}}"#)),
        ("grpc_gateway_v2", format!(r#"{{"code":8,"message":"{MESSAGE}","details":{details}}}"#)),
    ] {
        let bank = RawBank::start(|_, _| Does::Answers);
        let config =
            format!("schema: proto\nupstream: {}\nerrors: {form}\nlimits: {{all: {{rate: 1/m}}}}\n", bank.url());
        let gateway = Gateway::start(&config, None);
        let ask = || http::get(gateway.address, "/transfers?transfer_id=r");
        assert_eq!(ask().status, 200, "{form}");
        let answer = ask();
        assert_eq!((answer.status, answer.body), (429, body), "{form}");
    }
}

#[test]
fn grpc_and_grpc_web_and_connect_get_resource_exhausted_with_the_time_to_retry() {
    let backend = echo();
    let gateway = connect::gateway(&backend, "rest, grpc, grpc_web, connect", "limits: {all: {rate: 1/m}}\n");
    let ask = "/talk.Talk/Ask";
    assert_eq!(connect::post(&gateway, ask, &[JSON], b"{}").status, 200);
    let delay = |details: &[pbjson_types::Any]| {
        let retry = details.iter().find(|detail| detail.type_url.ends_with("google.rpc.RetryInfo")).unwrap();
        rpc::RetryInfo::decode(&*retry.value).unwrap().retry_delay.unwrap().seconds
    };
    // gRPC, and a stream of it.
    for path in [ask, "/talk.Talk/Watch"] {
        let answer = grpc::call(gateway.address, path, &[], &grpc::frame(b""));
        let (code, message) = answer.told();
        assert_eq!((code, message.as_str(), answer.reason().as_deref()), (8, MESSAGE, Some("RATE_LIMITED")));
        assert_eq!(delay(&answer.details().unwrap().details), 60);
        let headers = ["retry-after", "ratelimit"].map(|name| answer.headers.get(name).unwrap().to_str().unwrap());
        assert_eq!(headers, ["60", "\"all\";r=0;t=60"]);
    }
    // gRPC-Web.
    let headers = [("content-type", "application/grpc-web+proto")];
    let answer = http::send(gateway.address, "POST", ask, &headers, Some(&grpc::frame(b"")));
    assert_eq!((answer.header("grpc-status"), answer.header("retry-after")), (Some("8"), Some("60")));
    let details = STANDARD_NO_PAD.decode(answer.header("grpc-status-details-bin").unwrap()).unwrap();
    assert_eq!(delay(&rpc::Status::decode(&*details).unwrap().details), 60);
    // Connect: 429 is its status of this code.
    let answer = connect::post(&gateway, ask, &[JSON], b"{}");
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("60")));
    let error = answer.json();
    assert_eq!(connect::told(&error), connect::is("resource_exhausted", MESSAGE, "RATE_LIMITED"));
    let details = error["details"].as_array().unwrap();
    let retry = details.iter().find(|detail| detail["type"] == "google.rpc.RetryInfo").unwrap();
    let retry = STANDARD_NO_PAD.decode(retry["value"].as_str().unwrap()).unwrap();
    assert_eq!(rpc::RetryInfo::decode(&*retry).unwrap().retry_delay.unwrap().seconds, 60);
}

#[test]
fn answers_say_what_is_left_of_limits_with_headers_always() {
    let backend = echo();
    let limits = "limits: {hour: {rate: 1/h, burst: 3, headers: always}, day: {rate: 1/d, burst: 9, headers: always}, \
                  quiet: {rate: 1/h, burst: 9}}\n\
                  rpcs: {talk.Talk.Watch: {limits: [day], websocket: {}}}\n";
    let gateway = connect::gateway(&backend, "rest, grpc, connect", limits);
    let all = |left: [u32; 2]| {
        let [hour, day] = left;
        (
            Some(format!("\"hour\";r={hour};t=3600, \"day\";r={day};t=86400")),
            Some("\"hour\";q=3;w=10800, \"day\";q=9;w=777600".to_owned()),
        )
    };
    let names = ["ratelimit", "ratelimit-policy"];
    let rest = http::send_json(gateway.address, "POST", "/ask", "{}");
    let [left, policy] = names.map(|name| rest.header(name).map(str::to_owned));
    assert_eq!((rest.status, (left, policy)), (200, all([2, 8])));
    let answer = grpc::call(gateway.address, "/talk.Talk/Ask", &[], &grpc::frame(b""));
    let [left, policy] = names.map(|name| answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned()));
    assert_eq!((answer.told().0, (left, policy)), (0, all([1, 7])));
    // A request that is wrong counts too.
    let wrong = connect::post(&gateway, "/talk.Talk/Ask", &[JSON], b"no");
    let [left, policy] = names.map(|name| wrong.header(name).map(str::to_owned));
    assert_eq!((wrong.status, (left, policy)), (400, all([0, 6])));
    // What rejects a request is all that its answer names.
    let rejected = http::send_json(gateway.address, "POST", "/ask", "{}");
    let names = names.map(|name| rejected.header(name).unwrap());
    assert_eq!((rejected.status, names), (429, ["\"hour\";r=0;t=3600", "\"hour\";q=3;w=10800"]));
    let socket = socket::open(gateway.address, "/notes/t", &[]).unwrap();
    assert_eq!(socket.answer.header("ratelimit"), Some("\"day\";r=5;t=86400"));
}
