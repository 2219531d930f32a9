//! The `update_mask` of a PATCH: filled from the body, unless the caller sets it.

use http::Method;

use super::super::policy::{OwnPolicy, Policy};
use super::super::{Defaults, Query, Routes, RpcOptions};
use crate::codec;
use crate::format::multipart::Boundary;
use crate::schema::{FieldPath, schema_of};

const PROTO: &str = r#"
syntax = "proto3";
package t;
import "google/api/annotations.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/struct.proto";
message Author { string first_name = 1; string last_name = 2; Author mentor = 3; }
message Book { string name = 1; string title = 2; Author author = 3; repeated Author editors = 4;
  map<string, string> labels = 5; google.protobuf.Timestamp printed = 6; google.protobuf.Struct notes = 7;
  int32 page_count = 8 [json_name = "pages"]; oneof form { bool paper = 9; Author read_by = 10; } }
message Update { Book book = 1; google.protobuf.FieldMask update_mask = 2; string why = 3; }
message Whole { string name = 1; google.protobuf.FieldMask update_mask = 2; }
service S {
  rpc Patch(Update) returns (Book) { option (google.api.http) = { patch: "/v1/{book.name=books/*}" body: "book"
    additional_bindings { put: "/v1/{book.name=books/*}" body: "book" } }; }
  rpc Star(Whole) returns (Book) { option (google.api.http) = { patch: "/v1/whole" body: "*" }; }
}
"#;

/// The format of a body.
#[derive(Clone, Copy, Debug)]
enum Written {
    Json,
    Form,
    /// A multipart form of parts `NAME=VALUE`, also written with `&` between them.
    Parts,
}

/// The `updateMask` of the request with a JSON body; empty if it has none.
fn mask(method: Method, target: &str, body: &str, options: &[RpcOptions], defaults: &Defaults) -> String {
    written(method, target, (Written::Json, body), options, defaults)
}

fn written(method: Method, target: &str, body: (Written, &str), options: &[RpcOptions], defaults: &Defaults) -> String {
    let schema = schema_of(PROTO).unwrap();
    let routes = Routes::build(&schema, options, defaults).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = Query::parse(query).unwrap();
    let found = routes.find(&method, path, &query).unwrap();
    let (written, body) = body;
    let wire = match written {
        Written::Json => found.route.encode(&found.captures, &query, Some(body.as_bytes())),
        Written::Form => found.route.encode_form(&found.captures, &query, body.as_bytes()),
        Written::Parts => {
            let boundary = Boundary::of("multipart/form-data; boundary=b").unwrap();
            let part =
                |(name, value)| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            let parts: String = body.split('&').map(|pair| part(pair.split_once('=').unwrap())).collect();
            found.route.encode_parts(&found.captures, &query, (&boundary, format!("{parts}--b--").as_bytes()))
        }
    };
    let wire = wire.unwrap();
    let mask = FieldPath::resolve(&found.route.rpc.input, "update_mask").unwrap();
    let json = codec::reply_field(&mask, &wire, &codec::Print::default()).unwrap();
    let json = String::from_utf8(json).unwrap();
    if json == "null" { String::new() } else { json.trim_matches('"').to_owned() }
}

#[test]
fn an_empty_update_mask_of_a_patch_is_filled_from_the_members_of_its_body() {
    for (target, body, expected) in [
        ("/v1/books/1", r#"{"title":"a"}"#, "title"),
        ("/v1/books/1", r#"{"title":"","pages":0}"#, "title,pageCount"),
        ("/v1/books/1", r#"{"page_count":null,"title":"a"}"#, "pageCount,title"),
        (
            "/v1/books/1",
            r#"{"author":{"firstName":"a","mentor":{"last_name":"b"}}}"#,
            "author.firstName,author.mentor.lastName",
        ),
        ("/v1/books/1", r#"{"author":{},"title":"a"}"#, "author,title"),
        ("/v1/books/1", r#"{"author":null}"#, "author"),
        ("/v1/books/1", r#"{"editors":[{"firstName":"a"}],"labels":{"a":"b"}}"#, "editors,labels"),
        ("/v1/books/1", r#"{"printed":"2026-01-01T00:00:00Z","notes":{"a":{"b":1}}}"#, "printed,notes"),
        ("/v1/books/1", r#"{"readBy":{"firstName":"a"}}"#, "readBy.firstName"),
        // The name of the resource identifies it, and is not a change.
        ("/v1/books/1", r#"{"name":"books/1","title":"a"}"#, "title"),
        ("/v1/books/1", "{}", ""),
        ("/v1/books/1?updateMask=", r#"{"title":"a"}"#, "title"),
        ("/v1/books/1?update_mask=author", r#"{"title":"a"}"#, "author"),
        ("/v1/books/1?updateMask=author.firstName,title&why=b", r#"{"title":"a"}"#, "author.firstName,title"),
        ("/v1/whole", r#"{"name":"a"}"#, ""),
    ] {
        assert_eq!(mask(Method::PATCH, target, body, &[], &Defaults::default()), expected, "{target} {body}");
    }
    assert_eq!(mask(Method::PUT, "/v1/books/1", r#"{"title":"a"}"#, &[], &Defaults::default()), "");
}

#[test]
fn an_empty_update_mask_is_filled_from_the_fields_of_a_form() {
    for (target, form, expected) in [
        ("/v1/books/1", "title=a", "title"),
        ("/v1/books/1", "title=&pages=0", "title,pageCount"),
        ("/v1/books/1", "author.firstName=a&author.mentor.last_name=b", "author.firstName,author.mentor.lastName"),
        // A field is listed once, however often it is given; a map is listed as a whole, as for JSON.
        ("/v1/books/1", "labels[a]=1&labels[b]=2&title=x", "labels,title"),
        ("/v1/books/1", "printed.seconds=1&printed.nanos=2", "printed"),
        ("/v1/books/1", "printed=2026-01-01T00:00:00Z", "printed"),
        ("/v1/books/1", "readBy.firstName=a", "readBy.firstName"),
        ("/v1/books/1", "name=books/1&title=a", "title"),
        ("/v1/books/1?update_mask=author", "title=a", "author"),
        ("/v1/books/1?updateMask=", "title=a", "title"),
    ] {
        for kind in [Written::Form, Written::Parts] {
            let found = written(Method::PATCH, target, (kind, form), &[], &Defaults::default());
            assert_eq!(found, expected, "{kind:?} {target} {form}");
            let kept =
                Defaults { policy: Policy { fill_update_mask: false, ..Policy::default() }, ..Defaults::default() };
            let found = written(Method::PATCH, target, (kind, form), &[], &kept);
            assert_eq!(found, if target.ends_with("=author") { "author" } else { "" }, "{kind:?} {target} {form}");
        }
    }
}

#[test]
fn an_update_mask_stays_empty_where_filling_is_switched_off() {
    let body = r#"{"title":"a"}"#;
    let kept = Defaults { policy: Policy { fill_update_mask: false, ..Policy::default() }, ..Defaults::default() };
    assert_eq!(mask(Method::PATCH, "/v1/books/1", body, &[], &kept), "");
    for (fills, defaults, expected) in [(true, &kept, "title"), (false, &Defaults::default(), "")] {
        let policy = OwnPolicy { fill_update_mask: Some(fills), ..OwnPolicy::default() };
        let options = [RpcOptions { rpc: "t.S.Patch".to_owned(), policy, ..RpcOptions::default() }];
        assert_eq!(mask(Method::PATCH, "/v1/books/1", body, &options, defaults), expected);
    }
}
