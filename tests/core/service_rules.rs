//! Rules from `google.api.Service` files: beside the annotations, in their place, and what is wrong with them.

use std::fs;
use std::path::Path;

use towbar::config::{self, Overrides};
use towbar::route::{Query, Routes};
use towbar::schema::Schema;

const PROTO: &str = r#"
syntax = "proto3";
package shop;
import "google/api/annotations.proto";
message Item { string id = 1; string name = 2; int32 count = 3; }
service Items {
  rpc Get(Item) returns (Item) { option (google.api.http) = { get: "/items/{id}" }; }
  rpc Put(Item) returns (Item) { option (google.api.http) = { put: "/items/{id}" body: "*" }; }
  rpc Bare(Item) returns (Item);
}
"#;

/// `METHOD PATH RPC BODY` of every route, or the problems.
fn routes(rules: &str, service: &str) -> Result<Vec<String>, Vec<String>> {
    built(rules, service).map(|routes| {
        let line = |route: &towbar::route::Route| {
            let rpc = route.rpc.name.rsplit('.').next().unwrap();
            format!("{} {} {rpc}", route.method, route.template)
        };
        routes.all().iter().map(|route| line(route)).collect()
    })
}

fn built(rules: &str, service: &str) -> Result<Routes, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("shop.proto"), PROTO).unwrap();
    fs::write(path("service.yaml"), service).unwrap();
    fs::write(path("towbar.yaml"), format!("schema: shop.proto\nupstream: http://localhost:1\nrules: {rules}\n"))
        .unwrap();
    let (config, problems) = config::load(Some(&path("towbar.yaml")), &Overrides::default());
    let schema = Schema::load(&config.schema).unwrap();
    let built = Routes::build(&schema, &config.rpcs, &config.routes);
    let here = format!("{}/", folder.path().display());
    let texts = |problems: Vec<towbar::format::problem::Problem>| {
        problems.iter().map(|problem| problem.to_string().replace(&here, "")).collect::<Vec<_>>()
    };
    if problems.is_empty() { built.map_err(texts) } else { Err(texts(problems)) }
}

const FILE: &str = "{files: service.yaml}";
const KEEP: &str = "{files: [service.yaml], annotations: keep}";

const SERVICE: &str = "\
type: google.api.Service
config_version: 3
name: shop.example.com
http:
  rules:
  - selector: shop.Items.Get
    get: /v2/{id}
    additional_bindings:
    - post: /v2/{id}:get
      body: name
    - custom: {kind: FETCH, path: '/v2/{id}/**'}
      response_body: name
  - selector: shop.Items.Bare
    post: /v2/bare
    body: '*'
";

#[test]
fn a_rule_from_a_file_replaces_or_supplements_an_annotation() {
    let own = ["GET /v2/{id} Get", "POST /v2/{id}:get Get", "FETCH /v2/{id}/** Get"];
    let (get, put, bare) = ("GET /items/{id} Get", "PUT /items/{id} Put", "POST /v2/bare Bare");
    let auto = "POST /shop.Items/Bare Bare";
    for (rules, service, expected) in [
        (FILE, SERVICE, [&own[..], &[put, bare]].concat()),
        (KEEP, SERVICE, [&[get], &own[..], &[put, bare]].concat()),
        ("{files: service.yaml, unannotated: true}", SERVICE, [&own[..], &[put, bare]].concat()),
        ("{unannotated: true}", "", vec![get, put, auto]),
        ("{unannotated: false}", "", vec![get, put]),
        ("", "", vec![get, put]),
    ] {
        assert_eq!(routes(rules, service).unwrap(), expected, "{rules}");
    }
}

#[test]
fn a_double_wildcard_is_fully_decoded_if_the_rules_file_says_so() {
    let service = "http: {rules: [{selector: shop.Items.Bare, get: '/{id=a/*}/x/{name=**}'}]";
    for (rest, expected) in [
        ("}", r#"{"id":"a/b%2Fc","name":"d%2fe/f g:"}"#),
        (", fully_decode_reserved_expansion: false}", r#"{"id":"a/b%2Fc","name":"d%2fe/f g:"}"#),
        (", fully_decode_reserved_expansion: true}", r#"{"id":"a/b%2Fc","name":"d/e/f g:"}"#),
    ] {
        let routes = built(FILE, &format!("{service}{rest}")).unwrap();
        let query = Query::default();
        let found = routes.find(&http::Method::GET, "/a/b%2Fc/x/d%2fe/f%20g%3A", &query).unwrap();
        let wire = found.route.encode(&found.captures, &query, None).unwrap();
        let json = towbar::codec::reply(&found.route.rpc.input, &wire, &towbar::codec::Print::default()).unwrap();
        assert_eq!(String::from_utf8(json).unwrap(), expected, "{rest}");
    }
}

#[test]
fn an_invalid_rule_is_reported_with_its_position() {
    let rules = |rules: &str| format!("http:\n  rules:\n{rules}");
    for (service, problems) in [
        (
            rules("  - selector: shop.Items.Nope\n    get: /a\n"),
            vec!["service.yaml:3:5: the schema has no rpc `shop.Items.Nope`"],
        ),
        (
            rules("  - selector: shop.Items.Get\n    get: /a/{id\n  - selector: shop.Items.Put\n    put: /b/{nope}\n"),
            vec![
                r#"service.yaml:3:5: shop.Items.Get: "/a/{id": column 7: expected `}`, found the end"#,
                r#"service.yaml:5:5: shop.Items.Put: "/b/{nope}": column 5: expected a field of `shop.Item`, found `nope`"#,
            ],
        ),
        (
            rules("  - selector: shop.Items.Get\n    get: /a\n  - selector: shop.Items.Get\n    get: /b\n"),
            vec!["service.yaml:5:5: `shop.Items.Get` already has a rule, at service.yaml:3:5"],
        ),
        (
            rules(
                "  - selector: shop.Items.Get\n    get: /a/{id}\n  - selector: shop.Items.Bare\n    get: /a/{name}\n",
            ),
            vec![
                r#"shop.Items.Get: "/a/{id}": GET at this path also matches the rule "/a/{name}" of shop.Items.Bare, and no query parameter tells the two apart; exclude one of them with `expose: {except: [shop.Items.Bare]}`, or give it another path in a rules file (`rules.files`)"#,
            ],
        ),
        (rules("  - get: /a\n"), vec!["service.yaml:3:5: rules: `selector` is missing"]),
        (
            rules("  - selector: shop.Items.*\n    get: /a\n"),
            vec!["service.yaml:3:15: selector: expected an rpc as `package.Service.Method`, found `shop.Items.*`"],
        ),
        (
            rules("  - selector: shop.Items.Get\n    body: id\n"),
            vec!["service.yaml:3:5: rules: the rule has no method; add one with its path, such as `get: /v1`"],
        ),
        (
            rules("  - selector: shop.Items.Get\n    get: /a\n    put: /b\n"),
            vec!["service.yaml:3:5: rules: expected one method, found two; move the second to `additional_bindings`"],
        ),
        (
            rules("  - selector: shop.Items.Get\n    custom: {kind: A}\n"),
            vec!["service.yaml:4:5: custom: expected both `kind` and `path`"],
        ),
        (
            rules("  - selector: shop.Items.Get\n    get: /a\n    boddy: id\n"),
            vec!["service.yaml:5:5: unknown key `boddy`; did you mean `body`?"],
        ),
        (
            "type: google.api.Servcie\nhttp: {}".to_owned(),
            vec!["service.yaml:1:7: type: expected `google.api.Service`, found `google.api.Servcie`"],
        ),
        ("name: a".to_owned(), vec!["service.yaml: `http` is missing: write the rules under `http.rules`"]),
    ] {
        let found = routes(FILE, &service).unwrap_err();
        assert_eq!(found, problems, "{service}");
    }
    let missing = routes("{files: nope.yaml}", "").unwrap_err();
    assert_eq!(missing, ["nope.yaml: No such file or directory (os error 2)"]);
    let kept = routes("{annotations: both}", "").unwrap_err();
    assert_eq!(kept, ["towbar.yaml:3:22: annotations: expected `replace` or `keep`, found `both`"]);
}

#[test]
fn the_legacy_paths_of_the_bank_are_routed() {
    let config = fs::read_to_string("config/towbar.yaml").unwrap();
    for (file, one, two) in [
        ("legacy-swift.yaml", r#"{"swift":{"bic":"IRONUSCA000","account":"iban:1/2"}}"#, "IRONUSCA000/iban:1%2F2"),
        ("legacy-custom.yaml", r#"{"custom":{"bankId":"iron","payload":"a b"}}"#, "iron/a%20b"),
    ] {
        let text = format!("{config}\nrules: {{files: {file}, annotations: keep}}\n");
        let (config, problems) = config::load_text(&text, Path::new("config/towbar.yaml"), &Overrides::default());
        assert!(problems.is_empty(), "{file}");
        let schema = Schema::decode("the bank", towbar::cli::demo::generated::DESCRIPTORS).unwrap();
        let routes = Routes::build(&schema, &config.rpcs, &config.routes).unwrap();
        for (target, rpc, expected) in [
            (format!("/accounts/{two}/balance"), "GetBalance", format!(r#"{{"account":{one}}}"#)),
            ("/transactions/t1".to_owned(), "GetTransaction", r#"{"transactionId":"t1"}"#.to_owned()),
            (
                format!("/accounts/{two}/transactions?limit=5&offset="),
                "GetTransactions",
                format!(r#"{{"account":{one},"limit":5}}"#),
            ),
            (
                "/accounts/balance?account.iban.iban=x".to_owned(),
                "GetBalance",
                r#"{"account":{"iban":{"iban":"x"}}}"#.to_owned(),
            ),
        ] {
            let (path, query) = target.split_once('?').unwrap_or((&target, ""));
            let query = Query::parse(query).unwrap();
            let found = routes.find(&http::Method::GET, path, &query).unwrap();
            let wire = found.route.encode(&found.captures, &query, None).unwrap();
            let json = towbar::codec::reply(&found.route.rpc.input, &wire, &towbar::codec::Print::default()).unwrap();
            let name = found.route.rpc.name.rsplit('.').next().unwrap();
            assert_eq!((name, String::from_utf8(json).unwrap()), (rpc, expected), "{target}");
        }
    }
}
