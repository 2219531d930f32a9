//! From a message to its request, for the examples of google/api/http.proto, and what no request of a rule can carry.

use std::sync::LazyLock;

use towbar::codec::{Body, Ignored, Request};
use towbar::route::{Defaults, RestRequest, Route, Routes};
use towbar::schema::Schema;

/// The rules of the comments of http.proto, in their order.
const MESSAGING: &str = r#"
syntax = "proto3";
package messaging;
import "google/api/annotations.proto";
import "google/protobuf/field_mask.proto";
message Message { string text = 1; }
message ByName { string name = 1; }
message GetMessageRequest {
  message SubMessage { string subfield = 1; }
  string message_id = 1; int64 revision = 2; SubMessage sub = 3; string user_id = 4;
}
message UpdateMessageRequest { string message_id = 1; Message message = 2; }
message UpdateAll { string message_id = 1; string text = 2; }
message UpdateMasked { string id = 1; Message message = 2; google.protobuf.FieldMask update_mask = 3; }
message Joined { oneof kind { Message message = 1; string text = 2; } string id = 3; Message other = 4; }
service Messaging {
  rpc ByName(messaging.ByName) returns (Message) { option (google.api.http) = { get: "/v0/{name=messages/*}" }; }
  rpc Get(GetMessageRequest) returns (Message) { option (google.api.http) = {
    get: "/v1/messages/{message_id}"
    additional_bindings { get: "/v1/users/{user_id}/messages/{message_id}" }
    additional_bindings { get: "/v1/subs/{sub.subfield}" } }; }
  rpc Update(UpdateMessageRequest) returns (Message) { option (google.api.http) = { patch: "/v1/messages/{message_id}" body: "message" }; }
  rpc UpdateAll(messaging.UpdateAll) returns (Message) { option (google.api.http) = { patch: "/v2/messages/{message_id}" body: "*" }; }
  rpc Masked(UpdateMasked) returns (Message) { option (google.api.http) = { patch: "/v3/messages/{id}" body: "message" }; }
  rpc Joined(messaging.Joined) returns (Message) { option (google.api.http) = {
    post: "/v4/{text}" body: "*" additional_bindings { post: "/v4/of/{message.text}" body: "*" } }; }
}
"#;

static ROUTES: LazyLock<Routes> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("messaging.proto"), MESSAGING).unwrap();
    let mut compiler = protox::Compiler::new([folder.path(), std::path::Path::new("proto")]).unwrap();
    compiler.include_imports(true).open_files(["messaging.proto"]).unwrap();
    let schema = Schema::decode("messaging.binpb", &compiler.encode_file_descriptor_set()).unwrap();
    Routes::build(&schema, &[], &Defaults::default()).unwrap()
});

fn route(rule: &str) -> &'static Route {
    ROUTES.all().iter().find(|route| format!("{} {}", route.method, route.path()) == rule).unwrap()
}

fn wire(route: &Route, json: &str) -> Vec<u8> {
    let body = Body { text: json.as_bytes(), field: None, ignored: &Ignored::default() };
    Request::new(&route.rpc.input).encode(Some(body)).unwrap()
}

fn shown(request: RestRequest) -> String {
    let body = request.body.map(|body| format!(" {}", String::from_utf8(body).unwrap()));
    format!("{} {}{}", request.method, request.target, body.unwrap_or_default())
}

#[test]
fn the_examples_of_http_proto_are_turned_back_into_requests() {
    for (rule, message, expected) in [
        ("GET /v0/{name=messages/*}", r#"{"name":"messages/123456"}"#, "GET /v0/messages/123456"),
        (
            "GET /v0/{name=messages/*}",
            r#"{"name":"people/123456"}"#,
            "field \"name\" does not match \"messages/*\" in the path template",
        ),
        (
            "GET /v1/messages/{message_id}",
            r#"{"messageId":"123456","revision":"2","sub":{"subfield":"foo"}}"#,
            "GET /v1/messages/123456?revision=2&sub.subfield=foo",
        ),
        (
            "GET /v1/messages/{message_id}",
            r#"{"messageId":"a/b c","revision":"0","userId":"é&"}"#,
            "GET /v1/messages/a%2Fb%20c?user_id=%C3%A9%26",
        ),
        ("GET /v1/messages/{message_id}", "{}", "field \"message_id\" is empty, but a path segment cannot be empty"),
        (
            "GET /v1/messages/{message_id}",
            r#"{"messageId":"1","sub":{}}"#,
            "field \"sub\" is a message with no field set, which a query parameter cannot carry",
        ),
        (
            "GET /v1/users/{user_id}/messages/{message_id}",
            r#"{"messageId":"123456","userId":"me"}"#,
            "GET /v1/users/me/messages/123456",
        ),
        // The path sets the message around its variable, even without a field set besides.
        ("GET /v1/subs/{sub.subfield}", r#"{"sub":{"subfield":"a"},"revision":"1"}"#, "GET /v1/subs/a?revision=1"),
        ("GET /v1/subs/{sub.subfield}", "{}", "field \"sub\" is not set, but the request would set it"),
        (
            "PATCH /v1/messages/{message_id}",
            r#"{"messageId":"123456","message":{"text":"Hi!"}}"#,
            "PATCH /v1/messages/123456 {\"text\":\"Hi!\"}",
        ),
        ("PATCH /v1/messages/{message_id}", r#"{"messageId":"1"}"#, "PATCH /v1/messages/1 null"),
        (
            "PATCH /v2/messages/{message_id}",
            r#"{"messageId":"123456","text":"Hi!"}"#,
            "PATCH /v2/messages/123456 {\"text\":\"Hi!\"}",
        ),
        (
            "PATCH /v3/messages/{id}",
            r#"{"id":"1","message":{"text":"a"},"updateMask":"text"}"#,
            "PATCH /v3/messages/1?update_mask=text {\"text\":\"a\"}",
        ),
        // A PATCH without a mask is given one.
        (
            "PATCH /v3/messages/{id}",
            r#"{"id":"1","message":{"text":"a"}}"#,
            "field \"update_mask\" is not set, but the request would set it",
        ),
        ("PATCH /v3/messages/{id}", r#"{"id":"1","message":{}}"#, "PATCH /v3/messages/1 {}"),
    ] {
        let route = route(rule);
        let made = route.reverse(&wire(route, message), usize::MAX);
        assert_eq!(made.map_or_else(|error| error.to_string(), shown), expected, "{rule} {message}");
    }
}

/// Bytes are in wire format in any order, and may give a field more than once: the last member of a oneof counts, and parts of a
/// message are joined.
#[test]
fn reordered_and_repeated_wire_fields_are_merged_into_one_request() {
    let (text, message) = (&b"\x12\x01t"[..], &b"\x0a\x03\x0a\x01m"[..]);
    let (id, other) = (&b"\x1a\x01i"[..], &b"\x22\x00"[..]);
    for (rule, parts, expected) in [
        ("POST /v4/{text}", vec![id, text], "POST /v4/t {\"id\":\"i\"}"),
        // Without the text, which the path has, the message before it stays gone.
        ("POST /v4/{text}", vec![message, text, id], "POST /v4/t {\"id\":\"i\"}"),
        ("POST /v4/{text}", vec![text, message], "field \"text\" is not set, but the path needs it"),
        (
            "POST /v4/of/{message.text}",
            vec![message, text],
            "field \"message\" is not set, but the request would set it",
        ),
        (
            "POST /v4/of/{message.text}",
            vec![text, message, b"\x0a\x00", other],
            "POST /v4/of/m {\"message\":{},\"other\":{}}",
        ),
        // A field that nobody knows is left out, as in every JSON.
        ("POST /v4/{text}", vec![b"\x98\x06\x01", text], "POST /v4/t {}"),
        (
            "POST /v4/{text}",
            vec![text, b"\x1a\x05i"],
            "the message is not a valid messaging.Joined: the message ends inside a value",
        ),
        (
            "POST /v4/{text}",
            vec![text, b"\x1a\x01\xff"],
            "the message is not a valid messaging.Joined: id: the string is not UTF-8",
        ),
    ] {
        let made = route(rule).reverse(&parts.concat(), usize::MAX);
        assert_eq!(made.map_or_else(|error| error.to_string(), shown), expected, "{rule} {parts:?}");
    }
}

#[test]
fn a_request_made_from_a_message_has_a_size_limit() {
    let update = route("PATCH /v2/messages/{message_id}");
    let message = wire(update, r#"{"messageId":"1","text":"Hi!"}"#);
    let body = update.reverse(&message, usize::MAX).unwrap().body.unwrap();
    assert!(update.reverse(&message, body.len()).is_ok());
    assert_eq!(
        update.reverse(&message, body.len() - 1).unwrap_err().to_string(),
        "the message is not a valid messaging.UpdateAll: its JSON is larger than the limit of 13 bytes"
    );
    let get = route("GET /v1/messages/{message_id}");
    for length in [70_000, 1_000_000] {
        let message = wire(get, &format!(r#"{{"messageId":"1","userId":"{}"}}"#, "a".repeat(length)));
        let error = get.reverse(&message, usize::MAX).unwrap_err();
        assert_eq!(error.to_string(), "path and query would be longer than 65534 bytes");
    }
}
