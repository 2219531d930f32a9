//! `towbar explain` and `towbar curl` as an operator runs them: every line of the output, and the exit code.

use crate::support::folder::{Folder, NOBODY};
use crate::support::http;
use crate::support::http::without_reasons;
use crate::support::process::Ended;

/// A small API with a rule of every kind; `Card.number` must not be shown.
const SHOP: &str = r#"syntax = "proto3";
package shop;
import "google/api/annotations.proto";
message Card { string number = 1 [debug_redact = true]; int32 year = 2; }
message Order { string id = 1; repeated Item items = 2; Card card = 3; map<string, string> notes = 4 [debug_redact = true]; int32 limit = 5; string path = 6; }
message Item { string name = 1; int32 count = 2; repeated string tags = 3; }
message Orders { repeated Order orders = 1; }
message Done { string id = 1; }
service Shop {
  rpc Get(Order) returns (Order) { option (google.api.http) = { get: "/orders/{id}" additional_bindings { post: "/orders:find" body: "*" } }; }
  rpc List(Order) returns (Orders) { option (google.api.http) = { get: "/orders?limit={limit}" }; }
  rpc One(Order) returns (Done) { option (google.api.http) = { get: "/orders?id={id}" }; }
  rpc Put(Order) returns (Order) { option (google.api.http) = { put: "/orders/{id}" body: "items" }; }
  rpc Pay(Order) returns (Order) { option (google.api.http) = { post: "/orders/{id}:pay" body: "card" }; }
  rpc New(Order) returns (Order) { option (google.api.http) = { get: "/orders/new" }; }
  rpc File(Order) returns (Order) { option (google.api.http) = { get: "/files/{path=**}" }; }
}
"#;

const CONFIG: &str = "schema: api\nupstream: {address: 'http://bank.test:9000'}\nlisten: 0.0.0.0:8090\n\
                      requests: {ignore_query: [utm], body_limit: 200, forms: true}\n";

fn shop() -> Folder {
    let folder = Folder::new();
    folder.write("api/shop/shop.proto", SHOP).write("towbar.yaml", CONFIG);
    folder
}

fn explained(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String) {
    let Ended { code, stdout, stderr } = folder.run(&[&["explain", "--config", "towbar.yaml"], arguments].concat());
    assert_eq!(stderr, "", "{arguments:?}");
    (code, stdout)
}

#[test]
fn explain_prints_the_rule_field_sources_message_and_grpcurl_command() {
    let folder = shop();
    folder.write("items.json", r#"[{"name":"it's","count":2},{"tags":["a","b"]}]"#);
    let cases: [(&[&str], &str); 4] = [
        (
            &["GET /orders/a%2Fb?limit=0&card.number=4711&card.year=2030&notes[door]=7&utm=x"],
            r#"rule  GET /orders/{id} of shop.Shop.Get
not   PUT /orders/{id} of shop.Shop.Put: it is for another method
not   6 more: their paths are different

FIELD        SOURCE  VALUE
id           path    "a/b"
card.number  query   (not shown)
card.year    query   2030
notes[...]   query   (not shown)
limit        query   (the default value, the same as unset)
utm          query   (unknown field, ignored)

shop.Order {
  "id": "a/b",
  "card": {
    "number": "4711",
    "year": 2030
  },
  "notes": {
    "door": "7"
  }
}

grpcurl -import-path api -proto shop/shop.proto -plaintext -d '{"id":"a/b","card":{"number":"4711","year":2030},"notes":{"door":"7"}}' bank.test:9000 shop.Shop/Get
"#,
        ),
        (
            &["PUT /orders/7?path=x", "--body", "items.json"],
            r#"rule  PUT /orders/{id} of shop.Shop.Put
not   GET /orders/{id} of shop.Shop.Get: it is for another method
not   6 more: their paths are different

FIELD             SOURCE  VALUE
id                path    "7"
items[0].name     body    "it's"
items[0].count    body    2
items[1].tags[0]  body    "a"
items[1].tags[1]  body    "b"
path              query   "x"

shop.Order {
  "id": "7",
  "items": [
    {
      "name": "it's",
      "count": 2
    },
    {
      "tags": [
        "a",
        "b"
      ]
    }
  ],
  "path": "x"
}

grpcurl -import-path api -proto shop/shop.proto -plaintext -d '{"id":"7","items":[{"name":"it'\''s","count":2},{"tags":["a","b"]}],"path":"x"}' bank.test:9000 shop.Shop/Put
"#,
        ),
        (
            &["GET /orders?id=&limit=5"],
            r#"rule  GET /orders of shop.Shop.List
not   GET /orders of shop.Shop.One: its template does not declare the query key `limit`
not   6 more: their paths are different

FIELD  SOURCE  VALUE
limit  query   5
id     query   (empty, ignored)

shop.Order {
  "limit": 5
}

grpcurl -import-path api -proto shop/shop.proto -plaintext -d '{"limit":5}' bank.test:9000 shop.Shop/List
"#,
        ),
        (
            &["HEAD /orders/new"],
            r#"rule  GET /orders/new of shop.Shop.New
not   GET /orders/{id} of shop.Shop.Get: another rule fits better: a literal goes before `*`, `*` before `**`, a method before any
not   PUT /orders/{id} of shop.Shop.Put: it is for another method
not   5 more: their paths are different

shop.Order {}

grpcurl -import-path api -proto shop/shop.proto -plaintext -d '{}' bank.test:9000 shop.Shop/New
"#,
        ),
    ];
    for (arguments, expected) in cases {
        assert_eq!(explained(&folder, arguments), (Some(0), expected.to_owned()), "{arguments:?}");
    }
}

#[test]
fn explain_says_why_a_request_is_not_sent() {
    let folder = shop();
    for (request, expected) in [
        (
            "GET /order/7",
            "not   8 rules: their paths are different\n\n404 Not Found\n\
             {\"code\":5,\"message\":\"no route matches GET /order/7 (did you mean \\\"/orders/7\\\"?)\"}\n",
        ),
        (
            "GET /orders/7/items",
            "not   GET /orders/{id} of shop.Shop.Get: it has 2 segments\n\
             not   PUT /orders/{id} of shop.Shop.Put: it has 2 segments\n\
             not   POST /orders/{id}:pay of shop.Shop.Pay: it has 2 segments\n\
             not   5 more: their paths are different\n\n\
             404 Not Found\n{\"code\":5,\"message\":\"no route matches GET /orders/7/items\"}\n",
        ),
        (
            "GET /filles/a",
            "not   8 rules: their paths are different\n\n404 Not Found\n{\"code\":5,\"message\":\"no route matches GET /filles/a\"}\n",
        ),
        (
            "GET /files//a",
            "not   GET /files/{path=**} of shop.Shop.File: segment 2 of the path is empty\n\
             not   7 more: their paths are different\n\n\
             404 Not Found\n{\"code\":5,\"message\":\"no route matches GET /files//a\"}\n",
        ),
        (
            "POST /orders/7:pai",
            "not   GET /orders/{id} of shop.Shop.Get: it is for another method\n\
             not   PUT /orders/{id} of shop.Shop.Put: it is for another method\n\
             not   6 more: their paths are different\n\n\
             405 Method Not Allowed\nAllow: GET, HEAD, OPTIONS, PUT\n\
             {\"code\":12,\"message\":\"method POST is not allowed for /orders/7:pai; allowed: GET, HEAD, OPTIONS, PUT\"}\n",
        ),
        (
            "OPTIONS /orders:find",
            "not   POST /orders:find of shop.Shop.Get: it is for another method\n\
             not   7 more: their paths are different\n\n204 No Content\nAllow: OPTIONS, POST\n",
        ),
        (
            "GET /orders?id=1&limit=2",
            "not   GET /orders of shop.Shop.List: its template does not declare the query key `id`\n\
             not   GET /orders of shop.Shop.One: its template does not declare the query key `limit`\n\
             not   6 more: their paths are different\n\n400 Bad Request\n\
             {\"code\":3,\"message\":\"the query parameters \\\"id\\\", \\\"limit\\\" cannot be combined: they belong to different operations of this path\",\
             \"details\":[{\"@type\":\"type.googleapis.com/google.rpc.BadRequest\",\"fieldViolations\":[\
             {\"field\":\"id\",\"description\":\"cannot be combined with the others\"},\
             {\"field\":\"limit\",\"description\":\"cannot be combined with the others\"}]}]}\n",
        ),
        (
            "GET /orders/7?card.year=MMXXX",
            "rule  GET /orders/{id} of shop.Shop.Get\n\
             not   PUT /orders/{id} of shop.Shop.Put: it is for another method\n\
             not   6 more: their paths are different\n\n400 Bad Request\n\
             {\"code\":3,\"message\":\"query parameter \\\"card.year\\\": expected an int32, got \\\"MMXXX\\\"\",\
             \"details\":[{\"@type\":\"type.googleapis.com/google.rpc.BadRequest\",\"fieldViolations\":[\
             {\"field\":\"card.year\",\"description\":\"expected an int32, got \\\"MMXXX\\\"\"}]}]}\n",
        ),
    ] {
        let (code, said) = explained(&folder, &[request]);
        assert_eq!((code, without_reasons(&said)), (Some(1), expected.to_owned()), "{request}");
    }
}

/// The gateway itself says the same, to the letter.
#[test]
fn explain_predicts_the_refusals_of_the_gateway_exactly() {
    let folder = shop();
    let gateway = folder.start(&["serve", "--config", "towbar.yaml", "--listen", "127.0.0.1:0", "--backend", NOBODY]);
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    let long = format!("[{}]", " ".repeat(200));
    let cases = [
        ("GET", "/orders/7/items", None),
        ("GET", "/orders/../7", None),
        ("DELETE", "/orders/7", None),
        ("PATCH", "/orders", None),
        ("OPTIONS", "/orders/7", None),
        ("OPTIONS", "*", None),
        ("GET", "/orders/%ff", None),
        ("GET", "/orders/a%zz", None),
        ("GET", "/orders?id=1&limit=2", None),
        ("GET", "/orders?=1", None),
        ("GET", "/orders?limit=%zz", None),
        ("GET", "/orders?$alt=xml", None),
        ("GET", "/orders/7?nope=1", None),
        ("GET", "/orders/7?id=8", None),
        ("GET", "/orders/7?card.number=1&card.number=2", None),
        ("GET", "/orders/7", Some((json, "{}"))),
        ("PUT", "/orders/7", None),
        ("PUT", "/orders/7", Some((json, "{"))),
        ("PUT", "/orders/7", Some((json, r#"[{"count":"x"}]"#))),
        ("PUT", "/orders/7", Some((form, "name=a"))),
        ("POST", "/orders/7:pay", Some((form, "year=x"))),
        ("PUT", "/orders/7", Some((json, &long))),
    ];
    for (method, target, body) in cases {
        let headers: Vec<(&str, &str)> = body.iter().map(|(media, _)| ("Content-Type", *media)).collect();
        let answer = http::send(gateway.address, method, target, &headers, body.map(|(_, body)| body.as_bytes()));
        folder.write("body", body.map_or("", |(_, body)| body));
        let request = format!("{method} {target}");
        let form: &[&str] = if body.is_some_and(|(media, _)| media == form) { &["--form"] } else { &[] };
        let (code, said) = explained(&folder, &[&[request.as_str(), "--body", "body"], form].concat());
        assert_eq!(code, Some(1), "{request} {body:?}: {said}");
        let (_, said) = said.split_once("\n\n").unwrap_or(("", said.trim_start()));
        let mut lines = said.lines();
        let status = lines.next().unwrap().split(' ').next().unwrap();
        assert_eq!(status, answer.status.to_string(), "{request} {body:?}");
        let mut next = lines.next().unwrap_or_default();
        if let Some(allow) = answer.header("allow") {
            assert_eq!(next.strip_prefix("Allow: "), Some(allow), "{request}");
            next = lines.next().unwrap_or_default();
        }
        assert_eq!(next, answer.body, "{request} {body:?}");
        assert_eq!(lines.next(), None, "{request} {body:?}");
    }
}

#[test]
fn explain_takes_a_url_a_form_and_standard_input() {
    use std::io::Write as _;
    use std::process::Stdio;
    let folder = shop();
    folder.write("form", "number=4711&year=2030");
    let (code, said) = explained(&folder, &["POST http://shop.test/orders/7:pay", "--body", "form", "--form"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("card.number  form    (not shown)\ncard.year    form    2030\n"), "{said}");
    let mut child = folder
        .command(&["explain", "--config", "towbar.yaml", "PUT /orders/7", "--body", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"[{\"name\":\"a\"}]").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("items[0].name  body    \"a\"\n"));
}

#[test]
fn explain_distinguishes_ignored_query_parameters_from_map_entries() {
    let folder = shop();
    folder.write("towbar.yaml", CONFIG.replace("[utm]", "all"));
    let (code, said) = explained(&folder, &["GET /orders/7?notes[door]=&notes.x=1&utm=7"]);
    let list = "FIELD       SOURCE  VALUE\n\
                id          path    \"7\"\n\
                notes[...]  query   (not shown)\n\
                notes.x     query   (unknown field, ignored)\n\
                utm         query   (unknown field, ignored)\n";
    assert_eq!((code, said.split("\n\n").nth(1)), (Some(0), list.strip_suffix('\n')), "{said}");
}

#[test]
fn explain_accepts_a_multipart_form() {
    let folder = shop();
    let part =
        |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; name={name}\r\n\r\n{value}\r\n");
    folder.write("parts", part("year", "2030") + &part("number", "4711") + "--b--");
    let explain = |target: &str, content_type: &str| {
        explained(&folder, &[target, "--body", "parts", "--content-type", content_type])
    };
    let (code, said) = explain("POST /orders/7:pay", "multipart/form-data; boundary=b");
    assert_eq!(code, Some(0), "{said}");
    let sources = "card.number  form    (not shown)\ncard.year    form    2030\n";
    assert!(said.contains(sources), "{said}");
    for (target, content_type, refusal) in [
        (
            "POST /orders/7:pay",
            "multipart/form-data",
            "400 Bad Request\n{\"code\":3,\"message\":\"Content-Type: expected a `boundary` of 1 to 70 letters, digits and \
             `'()+_,-./:=?`, got none\"}\n",
        ),
        (
            "POST /orders/7:pay",
            "multipart/form-data; boundary=c",
            "400 Bad Request\n{\"code\":3,\"message\":\"the form is malformed: the body does not begin with `--` and the boundary of \
             its Content-Type\"}\n",
        ),
        (
            "PUT /orders/7",
            "multipart/form-data; boundary=b",
            "415 Unsupported Media Type\n{\"code\":3,\"message\":\"Content-Type multipart/form-data is not supported here; send \
             Content-Type: application/json\"}\n",
        ),
        (
            "POST /orders/7:pay",
            "text/plain",
            "415 Unsupported Media Type\n{\"code\":3,\"message\":\"Content-Type text/plain is not supported here; send Content-Type: application/json\"}\n",
        ),
    ] {
        let (code, said) = explain(target, content_type);
        assert_eq!(
            (code, without_reasons(&said).ends_with(&format!("\n\n{refusal}"))),
            (Some(1), true),
            "{target} {content_type}: {said}"
        );
    }
}

/// grpcurl reads the names of the proto file, and callers have others.
#[test]
fn the_grpcurl_command_uses_the_enum_names_of_the_proto_file() {
    let proto = "syntax = \"proto3\"; package p; import \"google/api/annotations.proto\"; enum Size { SIZE_SMALL = 0; SIZE_LARGE = 1; } \
                 message M { Size size = 1; } \
                 service S { rpc Get(M) returns (M) { option (google.api.http) = { get: \"/m\" }; } }";
    let folder = Folder::new();
    folder.write("p.proto", proto);
    folder.write("towbar.yaml", "schema: p.proto\nupstream: http://bank.test:9000\njson: {enum_prefix: strip}\n");
    let (code, told) = explained(&folder, &["GET /m?size=LARGE"]);
    let expected = r#"rule  GET /m of p.S.Get

FIELD  SOURCE  VALUE
size   query   "LARGE"

p.M {
  "size": "SIZE_LARGE"
}

grpcurl -import-path . -proto p.proto -plaintext -d '{"size":"SIZE_LARGE"}' bank.test:9000 p.S/Get
"#;
    assert_eq!((code, told.as_str()), (Some(0), expected));
}

/// The line for grpcurl has what reaches the backend: its file, its certificates, its name.
#[test]
fn the_grpcurl_command_includes_schema_backend_and_certificates() {
    let folder = shop();
    let mut compiler = protox::Compiler::new([folder.path("api"), "proto".into()]).unwrap();
    let set = compiler.include_imports(true).open_file("shop/shop.proto").unwrap().encode_file_descriptor_set();
    folder.write("shop.binpb", set);
    let tls = "upstream: {address: 'https://bank.test', tls: {cert: c.pem, key: k.pem, ca: 'my ca.pem', server_name: core.test}}\n";
    for (config, flags) in [
        ("schema: api\n".to_owned(), "-import-path api -proto shop/shop.proto -plaintext -d '{}' HOST:PORT"),
        (
            "schema: api/shop/shop.proto\n".to_owned(),
            "-import-path api/shop -proto shop.proto -plaintext -d '{}' HOST:PORT",
        ),
        ("schema: shop.binpb\n".to_owned(), "-protoset shop.binpb -plaintext -d '{}' HOST:PORT"),
        (
            format!("schema: shop.binpb\n{tls}"),
            "-protoset shop.binpb -cacert 'my ca.pem' -cert c.pem -key k.pem -servername core.test -d '{}' bank.test:443",
        ),
    ] {
        folder.write("towbar.yaml", &config);
        let (code, said) = explained(&folder, &["GET /orders/new"]);
        assert_eq!(
            (code, said.lines().last().unwrap()),
            (Some(0), &*format!("grpcurl {flags} shop.Shop/New")),
            "{config}"
        );
    }
}

#[test]
fn curl_prints_a_command_or_the_reason_why_it_cannot() {
    let folder = shop();
    let curl = |arguments: &[&str]| {
        let Ended { code, stdout, stderr } = folder.run(&[&["curl", "--config", "towbar.yaml"], arguments].concat());
        (code, stdout, stderr)
    };
    let printed = |line: &str| (Some(0), format!("{line}\n"), String::new());
    for name in ["shop.Shop.Get", "shop.Shop/Get", "/shop.Shop/Get", "Shop.Get", "Get"] {
        let line = printed("curl 'http://localhost:8090/orders/a%2Fb'");
        assert_eq!(curl(&[name, r#"{"id":"a/b"}"#]), line, "{name}");
    }
    let pay = "curl -H 'Content-Type: application/json' -d '{\"number\":\"4711\"}' 'http://localhost:8090/orders/7:pay?limit=5'";
    assert_eq!(curl(&["Pay", r#"{"id":"7","limit":5,"card":{"number":"4711"}}"#]), printed(pay));
    assert_eq!(curl(&["New"]), printed("curl 'http://localhost:8090/orders/new'"));
    assert_eq!(curl(&["New", "--base", "https://waf.test/bank/"]), printed("curl 'https://waf.test/bank/orders/new'"));
    // The first rule that can.
    let (why, line) = (
        "towbar: GET /orders/{id}: field \"items[0].name\" is in a list or map of messages, which a query parameter cannot carry\n",
        "curl -H 'Content-Type: application/json' -d '{\"id\":\"7\",\"items\":[{\"name\":\"a\"}]}' 'http://localhost:8090/orders:find'\n",
    );
    let items = r#"{"id":"7","items":[{"name":"a"}]}"#;
    assert_eq!(curl(&["Get", items]), (Some(0), line.to_owned(), why.to_owned()));
    for (arguments, code, why) in [
        (
            vec!["New", items],
            1,
            "towbar: GET /orders/new: field \"items[0].name\" is in a list or map of messages, which a query parameter cannot carry\n",
        ),
        (vec!["Put", "{}"], 1, "towbar: PUT /orders/{id}: field \"id\" is empty, but a path segment cannot be empty\n"),
        (vec!["One", "{}"], 1, "towbar: GET /orders: the request would reach shop.Shop.List (GET /orders)\n"),
        (
            vec!["New", r#"{"nope":1}"#],
            1,
            "towbar: the JSON is not a valid shop.Order: unknown field \"nope\" (line 1, column 9)\n",
        ),
        (
            vec!["New", r#"{"card":{"number":4711}}"#],
            1,
            "towbar: the JSON is not a valid shop.Order: field \"card.number\": expected a string, got a number (line 1, column 19)\n",
        ),
        (
            vec!["Nope"],
            2,
            "no route calls an rpc `Nope`; `towbar routes` lists them\ntowbar: 1 problem, nothing was started\n",
        ),
        (
            vec!["New", "--base", "localhost"],
            2,
            "--base: expected http://HOST:PORT or https://HOST:PORT, found `localhost`\ntowbar: 1 problem, nothing was started\n",
        ),
    ] {
        assert_eq!(curl(&arguments), (Some(code), String::new(), why.to_owned()), "{arguments:?}");
    }
}

/// A wrong argument, or a wrong schema, is told as for every command.
#[test]
fn explain_and_curl_exit_with_code_2_on_wrong_arguments() {
    let folder = shop();
    assert_eq!(
        folder.refusal(&["explain", "--config", "towbar.yaml", "/orders"]),
        ["expected a method and a target, such as 'GET /accounts/balance', found '/orders'"]
    );
    assert_eq!(
        folder.refusal(&["explain", "--config", "towbar.yaml", "GET /orders", "--body", "nope"]),
        ["nope: No such file or directory (os error 2)"]
    );
    assert_eq!(
        folder.refusal(&["curl", "Get"]),
        ["no schema: set `schema` in the configuration file, or pass `--proto PATH`"]
    );
}
