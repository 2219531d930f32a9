//! `google.api.field_behavior`: what only the backend sets is not taken from callers, and what only callers set is not
//! shown to them, in every protocol.

use std::sync::{Arc, Mutex};

use towbar::config::Overrides;
use towbar::schema::Schema;

use crate::support::connect;
use crate::support::grpc;
use crate::support::http;
use crate::support::socket;
use crate::support::talk::{self, PROTO};
use crate::support::{Backend, Gateway};

/// `talk.Note` with a text that replies do not show, and a number that callers do not set.
fn schema() -> Schema {
    let own = "import \"google/protobuf/descriptor.proto\";\n\
        enum Behavior { NONE = 0; OUTPUT_ONLY = 3; INPUT_ONLY = 4; }\n\
        extend google.protobuf.FieldOptions { repeated Behavior field_behavior = 1052; }\n\
        message Note { string topic = 1; string text = 2 [(field_behavior) = INPUT_ONLY]; \
        int32 number = 3 [(field_behavior) = OUTPUT_ONLY]; }";
    let note = "message Note { string topic = 1; string text = 2; int32 number = 3; }";
    assert!(PROTO.contains(note));
    talk::schema_of(&PROTO.replace(note, own))
}

/// Topic, text and number.
const ALL: &[u8] = b"\x0a\x01t\x12\x01x\x18\x07";
/// What is left of it for the backend.
const REQUEST: &[u8] = b"\x0a\x01t\x12\x01x";
/// What is left of it for callers.
const REPLY: &[u8] = b"\x0a\x01t\x18\x07";

/// A backend that answers each message with all fields, and the messages that it got.
fn backend() -> (Backend, Arc<Mutex<Vec<Vec<u8>>>>) {
    let received = Arc::<Mutex<Vec<Vec<u8>>>>::default();
    let seen = Arc::clone(&received);
    let backend = talk::backend(move |rpc, mut requests, replies| {
        let seen = Arc::clone(&seen);
        async move {
            while let Some(message) = requests.next().await {
                seen.lock().unwrap().push(message);
                if rpc != "Collect" {
                    replies.send(ALL).await;
                }
            }
            if rpc == "Collect" {
                replies.send(ALL).await;
            }
            replies.end("0", "").await;
        }
    });
    (backend, received)
}

fn gateway(backend: &Backend, validation: &str) -> Gateway {
    let config = format!(
        "listen: {{address: '127.0.0.1:0', protocols: [rest, grpc, connect]}}\nupstream: http://{}\nschema: talk.proto\n\
         validation: {validation}\nrpcs: {{talk.Talk.Chat: {{websocket: {{}}}}}}\n",
        backend.address
    );
    Gateway::with(&config, &Overrides::default(), Ok(schema()), None)
}

const JSON: &str = r#"{"topic":"t","text":"x","number":7}"#;
const SHOWN: &str = r#"{"topic":"t","number":7}"#;

#[test]
fn fields_of_one_direction_are_left_out_of_the_other_in_every_protocol() {
    let (backend, received) = backend();
    let gateway = gateway(&backend, "{field_behavior: true, mode: enforce}");
    let address = gateway.address;
    let mut calls = 0;
    let mut is_as_expected = |what: &str, shown: bool| {
        calls += 1;
        assert!(shown, "{what}");
        let got = received.lock().unwrap().clone();
        assert_eq!(got.len(), calls, "{what}");
        // What the path has may come first or last.
        let is_request = |message: &Vec<u8>| message == REQUEST || message == b"\x12\x01x\x0a\x01t";
        assert!(got.iter().all(is_request), "{what}: {got:?}");
    };
    let answer = http::send_json(address, "POST", "/ask", JSON);
    is_as_expected("rest", answer.status == 200 && answer.body == SHOWN);
    let answer = http::send_json(address, "POST", "/notes/t", r#"[{"text":"x","number":7}]"#);
    is_as_expected("rest, several messages", answer.status == 200 && answer.body == SHOWN);
    let answer = talk::send(&gateway, "GET", "/notes/t?text=x&number=7", &[], None).answer;
    is_as_expected(
        "rest, stream",
        answer.status == 200 && answer.body.contains(SHOWN) && !answer.body.contains("text"),
    );
    let mut socket = socket::open(address, "/chat", &[]).unwrap_or_else(|answer| panic!("{answer:?}"));
    socket.send(JSON);
    let text = format!("{:?}", socket.next());
    is_as_expected("websocket", text.contains("number") && !text.contains("text\\\":"));
    drop(socket);
    for rpc in ["Ask", "Watch", "Collect", "Chat"] {
        let answer = grpc::call(address, &format!("/talk.Talk/{rpc}"), &[], &grpc::frame(ALL));
        is_as_expected(&format!("grpc {rpc}: {answer:?}"), answer.messages() == [REPLY]);
    }
    let headers = [("content-type", "application/proto"), ("connect-protocol-version", "1")];
    let got = connect::post(&gateway, "/talk.Talk/Ask", &headers, ALL);
    is_as_expected("connect", got.status == 200 && got.body == REPLY);
    let malformed = grpc::call(address, "/talk.Talk/Ask", &[], &grpc::frame(b"\x0a\x05t"));
    assert_eq!(malformed.told().0, 3, "{malformed:?}");
    assert_eq!(received.lock().unwrap().len(), calls);
}

#[test]
fn where_rules_are_not_enforced_no_field_is_left_out() {
    for validation in ["{field_behavior: true, mode: report}", "{field_behavior: true, mode: off}"] {
        let (backend, received) = backend();
        let gateway = gateway(&backend, validation);
        let answer = http::send_json(gateway.address, "POST", "/ask", JSON);
        assert_eq!((answer.status, answer.body.as_str()), (200, JSON), "{validation}");
        assert_eq!(*received.lock().unwrap(), [ALL], "{validation}");
    }
}
