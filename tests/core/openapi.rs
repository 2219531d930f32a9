//! The OpenAPI document says what the codec does: what it writes fits the schemas of replies, and what the schemas of bodies forbid it
//! refuses.

use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use prost_reflect::DescriptorPool;
use prost_reflect::prost::Message as _;
use serde_json::{Value, json};
use towbar::app::openapi::{Api, breaking_changes, document, from_yaml, to_yaml};
use towbar::codec;
use towbar::config::{self, Config, Overrides};
use towbar::route::{Query, Route, Routes};
use towbar::schema::{DescriptorSource, Imports, Remarks, Schema};

use crate::support::json_schema::Schemas;
use crate::support::random::{LEAVES, choices, message_from, replace, value_of};

/// Every message of the cases as a body and as a reply, and bodies that are a field or stand beside a path.
const KINDS: &str = include_str!("../support/kinds.proto");

/// Options under which bodies and replies look different.
const OPTIONS: [&str; 6] = [
    "",
    "json: {preserve_proto_field_names: true, always_print_fields_with_no_presence: true, int64: safe_number}",
    "json: {always_print_enums_as_ints: true, int64: number, base64_line_breaks: true}",
    "json: {case_insensitive_enum_parsing: true, enum_prefix: strip, always_print_fields_with_no_presence: true}",
    "rpcs: {kinds.Kinds.Node: {ignore_unknown: true}, kinds.Kinds.Choice: {ignore_unknown: true}, \
     kinds.Kinds.Optionals: {ignore_members: [gone]}, kinds.Kinds.Scalars: {json: {case_insensitive_field_parsing: true}}}",
    "validation: {rules: tests/support/kinds-rules.yaml}",
];

/// Routes, and the document of them.
struct Served {
    routes: Routes,
    document: Value,
}

fn configured(options: &str) -> Config {
    let text = format!("listen: 127.0.0.1:0\nschema: elsewhere\nupstream: http://127.0.0.1:1\n{options}\n");
    let (config, problems) = config::load_text(&text, Path::new("towbar.yaml"), &Overrides::default());
    assert!(problems.is_empty(), "{problems:?}");
    config
}

fn served(schema: &Schema, remarks: &Remarks, config: &Config) -> Served {
    let routes = Routes::build(schema, &config.rpcs, &config.routes).unwrap();
    let document = document(&Api { routes: &routes, remarks, config: &config.proxy, certificate: None });
    Served { routes, document }
}

/// Encoded files of a `.proto` text and of all that it imports.
fn set_of(text: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("kinds.proto"), text).unwrap();
    let mut compiler = protox::Compiler::new([folder.path(), Path::new("tests/cases"), Path::new("proto")]).unwrap();
    compiler.include_source_info(true).include_imports(true).open_files(["kinds.proto"]).unwrap();
    compiler.encode_file_descriptor_set()
}

fn remarks_of(set: &[u8]) -> Remarks {
    let source = DescriptorSource::Set { name: "kinds".to_owned(), set: set.to_vec() };
    Remarks::read(&[source], &Imports::default())
}

static SET: LazyLock<Vec<u8>> = LazyLock::new(|| set_of(KINDS));
static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| DescriptorPool::decode(SET.as_slice()).unwrap());
static SERVED: LazyLock<Vec<Served>> = LazyLock::new(|| {
    let (schema, remarks) = (Schema::decode("kinds", &SET).unwrap(), remarks_of(&SET));
    OPTIONS.iter().map(|options| served(&schema, &remarks, &configured(options))).collect()
});

fn operation<'a>(served: &'a Served, route: &Route) -> &'a Value {
    let operation = &served.document["paths"][route.path()][route.method.to_ascii_lowercase()];
    assert!(operation.is_object(), "{} {}", route.method, route.path());
    operation
}

/// What a request of the route has in its path: nothing that a body must not have too.
fn captures(route: &Route) -> Vec<&'static str> {
    route.path().split('{').skip(1).map(|_| "7").collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replies_of_the_codec_fit_the_openapi_document(option in 0..OPTIONS.len(), route in any::<Index>(), choices in choices()) {
        let served = &SERVED[option];
        let route = route.get(served.routes.all());
        let descriptor = POOL.get_message_by_name(route.rpc.output.name()).unwrap();
        let wire = message_from(&descriptor, choices).encode_to_vec();
        let json = route.decode(&wire, Default::default()).unwrap();
        let schema = &operation(served, route)["responses"]["200"]["content"]["application/json"]["schema"];
        let fits = Schemas::of(&served.document).closed().check(schema, &value_of(&json));
        prop_assert_eq!(fits, Ok(()), "{} {}", route.path(), String::from_utf8_lossy(&json));
    }

    #[test]
    fn a_body_that_the_openapi_document_forbids_is_refused(
        option in 0..OPTIONS.len(), route in any::<Index>(), choices in choices(), leaves in proptest::collection::vec((any::<Index>(), 0..LEAVES.len()), 0..3),
        renamed in any::<Index>(), rename in 0..4_usize,
    ) {
        let served = &SERVED[option];
        let route = route.get(served.routes.all());
        let descriptor = POOL.get_message_by_name(route.rpc.input.name()).unwrap();
        let wire = message_from(&descriptor, choices).encode_to_vec();
        let print = codec::Print { proto_names: rename == 1, enums_as_ints: rename == 2, ..route.rpc.print };
        let mut value = match &route.body {
            towbar::route::BodyRule::Field(path) => value_of(&codec::reply_field(path, &wire, &print).unwrap()),
            _ => value_of(&codec::reply(&route.rpc.input, &wire, &print).unwrap()),
        };
        for (place, leaf) in leaves {
            replace(&mut value, place, serde_json::from_str(LEAVES[leaf]).unwrap());
        }
        if rename == 3 && let Value::Object(members) = &mut value && !members.is_empty() {
            let name = members.keys().nth(renamed.index(members.len())).unwrap().clone();
            let member = members.remove(&name).unwrap();
            members.insert(name.to_ascii_uppercase(), member);
        }
        let json = value.to_string();
        let schema = &operation(served, route)["requestBody"]["content"]["application/json"]["schema"];
        let fits = Schemas::of(&served.document).check(schema, &value);
        if let Err(why) = fits {
            let read = route.encode(&captures(route), &Query::default(), Some(json.as_bytes()));
            let violates = |wire: &Vec<u8>| {
                let checks = route.rpc.validation.as_ref().map(|validated| &validated.checks);
                checks.is_some_and(|checks| !checks.violations(wire).list.is_empty())
            };
            prop_assert!(read.as_ref().map_or(true, violates), "{} {json}: {why}", route.path());
        }
    }
}

/// What the document says of the rules, for each kind of rule.
#[test]
fn an_openapi_document_has_the_validation_rules_that_json_schema_can_say() {
    let served = SERVED.last().unwrap();
    let schema = |message: &str| {
        let name = format!("cases.{message}-Input");
        served.document["components"]["schemas"][name].clone()
    };
    let member = |message: &str, name: &str| schema(message)["properties"][name].clone();
    let text = json!(["string", "null"]);
    for (message, name, expected) in [
        (
            "Scalars",
            "aString",
            json!({ "type": text, "maxLength": 3, "pattern": "^[a-z0-9]*$", "not": { "enum": ["no"] } }),
        ),
        (
            "Optionals",
            "aString",
            json!({
                "type": text, "allOf": [{ "pattern": "^a" }, { "pattern": "b$" }, { "pattern": "c" }], "not": { "pattern": "d" },
            }),
        ),
        ("Optionals", "aBool", json!({ "anyOf": [{ "type": "boolean", "const": true }, { "type": "null" }] })),
        (
            "Lists",
            "sizes",
            json!({
                "type": ["array", "null"], "uniqueItems": true,
                "items": { "$ref": "#/components/schemas/cases.Size-Input", "enum": ["SMALL", "LARGE", "BIG", 1, 2] },
            }),
        ),
        (
            "Maps",
            "strings",
            json!({
                "type": ["object", "null"], "maxProperties": 1, "propertyNames": { "minLength": 2 },
                "additionalProperties": { "type": "string", "maxLength": 1 },
            }),
        ),
        ("Node", "name", json!({ "type": "string", "minLength": 2, "maxLength": 2 })),
    ] {
        assert_eq!(member(message, name), expected, "{message}.{name}");
    }
    for (name, keyword, expected) in [
        ("anInt32", "minimum", json!(-5)),
        ("anInt32", "exclusiveMaximum", json!(100)),
        ("aDouble", "minimum", json!(-1.5)),
    ] {
        assert_eq!(member("Scalars", name)[keyword], expected, "{name}");
    }
    assert_eq!(schema("Node")["required"], json!(["name"]));
    assert_eq!(schema("Choice")["required"], json!(["after"]));
}

#[test]
fn parameters_have_the_validation_rules_that_json_schema_can_say() {
    let rules = "shop.v1.Order: {id: {string: {min_len: 2, max_len: 9}}}\n\
                 shop.v1.ListRequest: {limit: {int32: {gte: 1, lte: 100}}}\n\
                 shop.v1.FindRequest: {number: {int64: {gte: 0}}, labels: {map: {max_pairs: 2, values: {string: {len: 3}}}}}\n";
    let document = served_with_rules_file(rules);
    for (place, expected) in [
        (
            "/paths/~1v1~1watch/get/parameters/0",
            json!({
                "name": "limit", "in": "query", "required": true,
                "schema": { "type": "integer", "format": "int32", "minimum": 1, "maximum": 100 },
            }),
        ),
        (
            "/paths/~1v1~1orders~1{id}/put/parameters/0",
            json!({
                "name": "id", "in": "path", "required": true,
                "schema": { "type": "string", "minLength": 2, "maxLength": 9 },
            }),
        ),
    ] {
        assert_eq!(document.pointer(place), Some(&expected), "{place}: {:#}", document["paths"]);
    }
    let labels = document["paths"]["/v1/orders"]["get"]["parameters"].as_array().unwrap();
    let labels = labels.iter().find(|parameter| parameter["name"] == "labels").unwrap();
    let expected = json!({
        "type": "object", "maxProperties": 2,
        "additionalProperties": { "type": "string", "minLength": 3, "maxLength": 3 },
    });
    assert_eq!(labels["schema"], expected);
}

#[test]
fn an_openapi_document_is_equal_in_yaml_and_json() {
    for served in SERVED.iter() {
        assert_eq!(from_yaml(&to_yaml(&served.document)).unwrap(), served.document);
    }
}

/// `openapi/bank.yaml` is what the command prints of the bank's own configuration.
#[test]
fn the_committed_openapi_document_of_the_bank_is_current() {
    let (config, problems) = config::load(Some(Path::new("config/towbar.yaml")), &Overrides::default());
    assert!(problems.is_empty(), "{problems:?}");
    let sources: Vec<DescriptorSource> = config.schema.iter().cloned().map(DescriptorSource::Path).collect();
    let schema = Schema::join_with(&sources, &config.imports).unwrap();
    let text = to_yaml(&served(&schema, &Remarks::read(&sources, &config.imports), &config).document);
    let written = std::fs::read_to_string("openapi/bank.yaml").unwrap_or_default();
    let line = text.lines().zip(written.lines()).position(|(one, other)| one != other);
    assert!(
        text == written,
        "openapi/bank.yaml is another document, from line {:?} on; write it anew with\n\
         cargo run -- openapi --config config/towbar.yaml > openapi/bank.yaml",
        line.map(|line| line + 1)
    );
}

const SHOP: &str = r#"
syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
import "google/protobuf/timestamp.proto";

// Sells things.
service Shop {
  // Gets an order. Quickly.
  //
  // *Nothing* is changed.
  rpc Get(GetRequest) returns (Order) { option (google.api.http) = { get: "/v1/{name=shops/*/orders/*}:get" }; }
  rpc Find(FindRequest) returns (Order) { option (google.api.http) = { get: "/v1/orders?number={number}" }; }
  rpc List(ListRequest) returns (Orders) { option (google.api.http) = { get: "/v1/orders?limit={limit}" }; }
  rpc Put(Order) returns (Order) { option deprecated = true; option (google.api.http) = { put: "/v1/orders/{id}" body: "*" }; }
  rpc Read(GetRequest) returns (Order) { option (google.api.http) = { get: "/v1/files/{name=**}" }; }
  rpc Watch(ListRequest) returns (stream Order) { option (google.api.http) = { get: "/v1/watch" }; }
}
message GetRequest { string name = 1; }
message FindRequest { int64 number = 1; State state = 2; map<string, string> labels = 3; }
message ListRequest { int32 limit = 1; }
message Orders { repeated Order orders = 1; }
enum State {
  UNKNOWN = 0;
  // Not paid yet.
  OPEN = 1;
}
message Order {
  string id = 1;
  // How many.
  int32 count = 2;
  State state = 3;
  google.protobuf.Timestamp made_at = 4 [deprecated = true];
  oneof pay {
    string card = 5;
    string iban = 6;
  }
}
"#;

fn document_of(text: &str, options: &str) -> Value {
    let set = set_of(text);
    served(&Schema::decode("shop", &set).unwrap(), &remarks_of(&set), &configured(options)).document
}

/// The document of the shop with these rules of its orders.
fn served_with_rules(rules: &str) -> Value {
    served_with_rules_file(&format!("shop.v1.Order: {rules}\n"))
}

fn served_with_rules_file(rules: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yaml");
    std::fs::write(&file, rules).unwrap();
    document_of(SHOP, &format!("validation: {{rules: '{}'}}", file.display()))
}

#[test]
fn an_openapi_document_describes_what_the_descriptors_declare() {
    let document = document_of(SHOP, "");
    for (place, expected) in [
        ("/openapi", json!("3.1.0")),
        ("/info", json!({ "title": "shop.v1", "version": "v1" })),
        ("/tags", json!([{ "name": "Shop", "description": "Sells things." }])),
        ("/paths/~1v1~1shops~1{name_1}~1orders~1{name_2}:get/get/operationId", json!("Shop_Get")),
        ("/paths/~1v1~1shops~1{name_1}~1orders~1{name_2}:get/get/summary", json!("Gets an order")),
        (
            "/paths/~1v1~1shops~1{name_1}~1orders~1{name_2}:get/get/description",
            json!("Gets an order. Quickly.\n\n*Nothing* is changed."),
        ),
        (
            "/paths/~1v1~1shops~1{name_1}~1orders~1{name_2}:get/get/parameters/1",
            json!({
                "name": "name_2", "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 },
                "description": "A part of the field `name`.",
            }),
        ),
        ("/paths/~1v1~1orders/get/x-rpc", json!(["shop.v1.Shop.Find", "shop.v1.Shop.List"])),
        (
            "/paths/~1v1~1orders/get/description",
            json!(
                "The query keys that are given say which of these is called.\n\n- `shop.v1.Shop.Find`, with `number`\n\n\
                   - `shop.v1.Shop.List`, with `limit`"
            ),
        ),
        (
            "/paths/~1v1~1orders/get/parameters/0",
            json!({
                "name": "number", "in": "query",
                "schema": { "type": "string", "format": "int64", "pattern": "^-?(0|[1-9][0-9]{0,18})$" },
            }),
        ),
        ("/paths/~1v1~1orders/get/parameters/2/style", json!("deepObject")),
        (
            "/paths/~1v1~1orders/get/responses/200/content/application~1json/schema/anyOf",
            json!([{ "$ref": "#/components/schemas/shop.v1.Order" }, { "$ref": "#/components/schemas/shop.v1.Orders" }]),
        ),
        ("/paths/~1v1~1orders~1{id}/put/deprecated", json!(true)),
        ("/paths/~1v1~1orders~1{id}/put/requestBody/required", json!(true)),
        ("/paths/~1v1~1watch/get/responses/200/content/text~1event-stream/schema/type", json!("string")),
        ("/components/schemas/shop.v1.State/description", json!("- `OPEN`: Not paid yet.")),
        ("/components/schemas/shop.v1.Order/properties/count/description", json!("How many.")),
        ("/components/schemas/shop.v1.Order/properties/madeAt/deprecated", json!(true)),
        ("/components/schemas/shop.v1.Order/description", json!("At most one of `card`, `iban`.")),
        ("/components/schemas/shop.v1.Order-Input/additionalProperties", json!(false)),
        (
            "/components/schemas/shop.v1.Order-Input/patternProperties",
            json!({ "^made_at$": { "$ref": "#/components/schemas/shop.v1.Order-Input/properties/madeAt" } }),
        ),
        (
            "/components/responses/Error-Status-4XX/content/application~1json/schema/$ref",
            json!("#/components/schemas/Error-Status"),
        ),
        ("/components/responses/Error-Status-4XX/content/application~1json/examples/wrongRequest/value/code", json!(3)),
        (
            "/components/responses/Error-Status-5XX/content/application~1json/examples/outcomeUnknown/value/message",
            json!(
                "the backend did not answer within the gateway's deadline of 25s; the outcome of the call is unknown"
            ),
        ),
        ("/paths/~1v1~1orders~1{id}/put/responses/5XX/$ref", json!("#/components/responses/Error-Status-5XX")),
    ] {
        assert_eq!(document.pointer(place), Some(&expected), "{place}");
    }
    let open = &document["paths"]["/v1/files/{name}"]["get"]["parameters"][0];
    assert!(open["description"].as_str().unwrap().contains("several segments"), "{open}");
}

/// Each error form's schema takes what the gateway answers in it.
#[test]
fn examples_of_errors_fit_their_schemas() {
    for form in ["status", "google", "problem", "open_banking_uk", "berlin_group", "grpc_gateway_v1", "grpc_gateway_v2"]
    {
        let document = document_of(SHOP, &format!("errors: {form}"));
        let responses = document["components"]["responses"].as_object().unwrap();
        assert_eq!(responses.len(), 2, "{form}: client errors and server errors");
        for response in responses.values() {
            let (_, content) = response["content"].as_object().unwrap().iter().next().unwrap();
            for (name, example) in content["examples"].as_object().unwrap() {
                let fits = Schemas::of(&document).check(&content["schema"], &example["value"]);
                assert_eq!(fits, Ok(()), "{form} {name}: {example}");
            }
        }
    }
}

#[test]
fn an_operation_lists_the_credentials_that_its_rpc_requires() {
    let document = |require: &str| {
        let callers = "callers: {issuers: {a: {issuer: i, audience: a, keys: k}}, dpop: {url: 'https://a'}}\n";
        document_of(SHOP, &format!("{callers}rpcs: {{shop.v1.Shop.Put: {{require: {require}}}}}"))
    };
    for (require, security) in [
        ("token", json!([{ "accessToken": [] }])),
        ("none", Value::Null),
        ("{scopes: [orders, payments]}", json!([{ "accessToken": ["orders", "payments"] }])),
        ("{bound_to: certificate}", json!([{ "accessToken": [], "clientCertificate": [] }])),
        ("{bound_to: dpop, scopes: orders}", json!([{ "accessTokenBoundToKey": ["orders"] }])),
        (
            "{bound_to: [certificate, dpop]}",
            json!([{ "accessToken": [], "clientCertificate": [] }, { "accessTokenBoundToKey": [] }]),
        ),
    ] {
        let document = document(require);
        let operation = &document["paths"]["/v1/orders/{id}"]["put"];
        assert_eq!(operation["security"], security, "{require}");
        // Every name has a scheme.
        for way in security.as_array().into_iter().flatten().filter_map(Value::as_object) {
            for name in way.keys() {
                assert!(document["components"]["securitySchemes"][name].is_object(), "{require}: {name}");
            }
        }
    }
    let open = document_of(SHOP, "");
    assert_eq!((&open["security"], &open["components"]["securitySchemes"]), (&json!([]), &Value::Null));
}

#[test]
fn breaking_schema_changes_are_listed() {
    for (from, to, expected) in [
        ("// How many.", "// How many there are.", &[][..]),
        ("string id = 1;", "string id = 1; string note = 9;", &[]),
        ("OPEN = 1;", "OPEN = 1; PAID = 2;", &[]),
        ("/v1/watch", "/v1/see", &["GET /v1/watch: is gone"]),
        ("put: \"/v1/orders/{id}\"", "put: \"/v1/orders/{card}\"", &[]),
        ("put: \"/v1/orders/{id}\"", "patch: \"/v1/orders/{id}\"", &["PUT /v1/orders/{id}: is gone"]),
        ("body: \"*\"", "", &["PUT /v1/orders/{id}, body: is not taken any more"]),
        (
            "int32 count = 2;",
            "",
            &["GET /v1/files/{name}, reply, member count: is gone", "PUT /v1/orders/{id}, body, member count: is gone"],
        ),
        (
            "int32 count = 2;",
            "string count = 2;",
            &[
                "GET /v1/files/{name}, reply, member count: may be string now",
                "PUT /v1/orders/{id}, body, member count: takes no integer any more",
            ],
        ),
        ("int32 limit = 1; }", "int32 limit = 1; int32 more = 2; }", &[]),
        (
            "int32 limit = 1;",
            "uint32 limit = 1;",
            &[
                "GET /v1/orders, query limit: has the minimum 0 now, before -2147483648",
                "GET /v1/watch, query limit: has the minimum 0 now, before -2147483648",
            ],
        ),
        ("State state = 2; map", "map", &["GET /v1/orders, query state: is gone"]),
        (
            "OPEN = 1;",
            "CLOSED = 1;",
            &[
                "GET /v1/orders, query state: takes no \"OPEN\" any more",
                "PUT /v1/orders/{id}, body, member state: takes no \"OPEN\" any more",
            ],
        ),
        (
            "google.protobuf.Timestamp made_at = 4",
            "bool made_at = 4",
            &[
                "GET /v1/files/{name}, reply, member madeAt: may be boolean now",
                "PUT /v1/orders/{id}, body, member madeAt: takes no string any more",
            ],
        ),
    ] {
        let (old, new) = (document_of(SHOP, ""), document_of(&SHOP.replacen(from, to, 1), ""));
        assert_eq!(breaking_changes(&old, &new), expected, "{from} -> {to}");
    }
}

#[test]
fn breaking_option_changes_are_listed() {
    for (before, after, expected) in [
        ("", "", &[][..]),
        ("", "json: {int64: number}", &[]),
        ("", "requests: {empty_body: object}", &[]),
        ("requests: {empty_body: object}", "", &["PUT /v1/orders/{id}, body: is required now"]),
        (
            "rpcs: {shop.v1.Shop.Put: {ignore_unknown: true}}",
            "",
            &[
                "PUT /v1/orders/{id}, body, member state: takes some texts only now",
                "PUT /v1/orders/{id}, body: takes no unknown members any more",
            ],
        ),
        ("", "json: {always_print_enums_as_ints: true}", &[]),
        // A request may have both names of a field: only the reply changes.
        ("", "json: {preserve_proto_field_names: true}", &["GET /v1/files/{name}, reply, member madeAt: is gone"]),
    ] {
        let (old, new) = (document_of(SHOP, before), document_of(SHOP, after));
        assert_eq!(breaking_changes(&old, &new), expected, "{before} -> {after}");
    }
    let rules = |file: &str| served_with_rules(file);
    let changes =
        breaking_changes(&rules("{}"), &rules("{id: {string: {min_len: 2, max_len: 9}}, count: {int32: {gt: 1}}}"));
    let expected = [
        "PUT /v1/orders/{id}, body, member count: has the exclusiveMinimum 1 now, before none",
        "PUT /v1/orders/{id}, body, member id: has the maxLength 9 now, before none",
        "PUT /v1/orders/{id}, body, member id: has the minLength 2 now, before none",
    ];
    for line in expected {
        assert!(changes.iter().any(|change| change == line), "{line}: {changes:?}");
    }
    let (old, mut new) = (document_of(SHOP, ""), document_of(SHOP, ""));
    new["security"] = json!([{ "clientCertificate": [] }]);
    assert_eq!(breaking_changes(&old, &new), ["all operations: need credentials now"]);
    let callers = "callers: {issuers: {a: {issuer: i, audience: a, keys: k}}, dpop: {url: 'https://a'}}\n";
    let demanding = document_of(SHOP, &format!("{callers}rpcs: {{shop.v1.Shop.Put: {{require: none}}}}"));
    let changes = breaking_changes(&document_of(SHOP, ""), &demanding);
    assert!(changes.iter().any(|change| change == "GET /v1/files/{name}: needs credentials now"), "{changes:?}");
    assert!(!changes.iter().any(|change| change.starts_with("PUT /v1/orders/{id}:")), "{changes:?}");
}
