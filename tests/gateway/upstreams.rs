//! Several upstreams: which rpc goes where, which are served at all, and what is refused at the start.

use axum::Router;
use tonic::{Response, Status};
use towbar::cli::demo::bank::SampleBank;
use towbar::cli::demo::generated::io::token::proto::bankapi::HealthCheckResponse;

use crate::support::folder::{Folder, orders};
use crate::support::{Backend, health, http};

const CORE: &str = "http://127.0.0.1:1";
const CARDS: &str = "http://127.0.0.1:2";

/// Two services in one package, and one in a package below.
fn shop() -> String {
    let rpc = |name: &str, path: &str| {
        format!("rpc {name}(Order) returns (Order) {{ option (google.api.http) = {{ get: \"{path}\" }}; }}\n")
    };
    let text = orders(&format!("{}{}", rpc("Get", "/orders/{id}"), rpc("Find", "/orders")));
    let cards = format!("service Cards {{ {} rpc Hidden(Order) returns (Order); }}", rpc("Get", "/cards/{id}"));
    format!("{text}{cards}")
}

/// A configuration with these lines, in a folder with the schema.
fn folder(lines: &str) -> Folder {
    let folder = Folder::new();
    folder.write("shop/shop.proto", shop()).write("towbar.yaml", format!("listen: 127.0.0.1:0\nschema: shop\n{lines}"));
    folder
}

fn two(core: &str, cards: &str) -> String {
    format!("upstreams:\n  core: {{address: '{CORE}', rpcs: {core}}}\n  cards: {{address: '{CARDS}', rpcs: {cards}}}\n")
}

fn printed(folder: &Folder, command: &str) -> String {
    let ended = folder.run(&[command, "--config", "towbar.yaml"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    ended.stdout
}

#[test]
fn routes_and_check_show_upstreams_only_when_there_are_several() {
    let with_two = folder(&two("shop.v1.Orders", "[shop.v1.Cards.Get]"));
    let table = "\
METHOD  PATH          RPC                  UPSTREAM  BODY  QUERY KEYS
GET     /orders/{id}  shop.v1.Orders.Get   core      -     -
GET     /orders       shop.v1.Orders.Find  core      -     -
GET     /cards/{id}   shop.v1.Cards.Get    cards     -     -
";
    assert_eq!(printed(&with_two, "routes"), table);
    let lines = format!("core: 2 routes, answered by {CORE}\ncards: 1 route, answered by {CARDS}\nno problems found\n");
    assert_eq!(printed(&with_two, "check"), lines);
    let with_one = folder(&format!("upstream: {CORE}\nexpose: [shop.v1.Cards]\n"));
    let table = "\
METHOD  PATH         RPC                BODY  QUERY KEYS
GET     /cards/{id}  shop.v1.Cards.Get  -     -
";
    assert_eq!(printed(&with_one, "routes"), table);
    assert_eq!(printed(&with_one, "check"), "no problems found\n");
    for (expose, rpcs) in [
        ("{except: shop.v1.Cards}", &["shop.v1.Orders.Get", "shop.v1.Orders.Find"][..]),
        ("{except: [shop.v1.Cards, shop.v1.Orders.Find]}", &["shop.v1.Orders.Get"]),
        ("{only: shop.v1.Orders, except: shop.v1.Orders.Find}", &["shop.v1.Orders.Get"]),
        ("{only: shop.v1.Cards}", &["shop.v1.Cards.Get"]),
        ("{except: shop.v1.Cards.Hidden}", &["shop.v1.Orders.Get", "shop.v1.Orders.Find", "shop.v1.Cards.Get"]),
    ] {
        let folder = folder(&format!("upstream: {CORE}\nexpose: {expose}\n"));
        let table = printed(&folder, "routes");
        let served: Vec<&str> = table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(2)).collect();
        assert_eq!(served, rpcs, "{expose}");
    }
}

#[test]
fn expose_can_exclude_one_of_two_rules_on_the_same_path() {
    let clashing = shop().replace("/cards/{id}", "/orders/{id}");
    let with = |lines: &str| {
        let folder = folder(&format!("upstream: {CORE}\n{lines}"));
        folder.write("shop/shop.proto", &clashing);
        folder
    };
    assert_eq!(
        with("").refusal(&["check", "--config", "towbar.yaml"]),
        ["shop.v1.Orders.Get: \"/orders/{id}\": GET at this path also matches the rule \"/orders/{id}\" of \
             shop.v1.Cards.Get, and no query parameter tells the two apart; exclude one of them with `expose: {except: \
             [shop.v1.Cards.Get]}`, or give it another path in a rules file (`rules.files`)"]
    );
    let one = with("expose: {except: [shop.v1.Cards.Get]}\n");
    assert_eq!(printed(&one, "check"), "no problems found\n");
}

#[test]
fn rpcs_without_exactly_one_upstream_and_wrong_selectors_stop_the_start() {
    for (lines, expected) in [
        (
            two("shop.v1.Orders", "'shop.*'"),
            &[
                "towbar.yaml:5:48: `shop.*` gives shop.v1.Orders.Get to `cards`, and `shop.v1.Orders` at \
                 towbar.yaml:4:47 gives it to `core`: an rpc has one upstream",
                "towbar.yaml:5:48: `shop.*` gives shop.v1.Orders.Find to `cards`, and `shop.v1.Orders` at \
                 towbar.yaml:4:47 gives it to `core`: an rpc has one upstream",
            ][..],
        ),
        (
            two("shop.v1.Orders.Get", "shop.v1.Cards"),
            &["shop.v1.Orders.Find: no upstream serves it; add it to the `rpcs` of one of them (`core`, `cards`), or \
                 exclude it with `expose`"],
        ),
        (
            two("[shop.v1, shop.v1.Orders]", "[shop.v1.Cards, shop.v2.*]"),
            &[
                "towbar.yaml:4:48: the schema has no service, rpc or package `shop.v1`; to select the whole package, write \
                 `shop.v1.*`",
                "towbar.yaml:5:64: the schema has no service, rpc or package `shop.v2.*`",
            ],
        ),
        (
            format!("upstream: {CORE}\nexpose: [shop.v1.Cards.Hidden, shop.v1.Card]\n"),
            &[
                "towbar.yaml:4:10: no rpc that `shop.v1.Cards.Hidden` selects has an HTTP rule, so none can be called",
                "towbar.yaml:4:32: the schema has no service, rpc or package `shop.v1.Card`; did you mean `shop.v1.Cards`?",
            ],
        ),
        (
            format!("upstream: {CORE}\nexpose: {{only: shop.v1.Cards, except: [shop.v1.Card], exept: a}}\n"),
            &[
                "towbar.yaml:4:55: unknown key `exept`; did you mean `except`?",
                "towbar.yaml:4:40: the schema has no service, rpc or package `shop.v1.Card`; did you mean `shop.v1.Cards`?",
            ],
        ),
        (
            format!("upstream: {CORE}\n{}", two("shop.v1.Orders", "shop.v1.Cards")),
            &["towbar.yaml:4:1: upstreams: `upstream` is also set: remove one of the two"],
        ),
        (
            "upstreams: {Core: http://a, core: {address: http://a}, cards: {rpcs: 'a b'}}\n".to_owned(),
            &[
                "towbar.yaml:3:13: expected a name of lower-case letters, digits, `-` and `_` that starts with a letter, \
                 found `Core`",
                "towbar.yaml:3:19: Core: expected a map with `address` and `rpcs`",
                "towbar.yaml:3:29: core: `rpcs` is missing: list what this upstream serves, such as \
                 `bank.v1.AccountService` or `bank.v1.*`",
                "towbar.yaml:3:56: cards: `address` is missing",
                "towbar.yaml:3:70: rpcs: expected `package.Service.Method`, `package.Service`, `package.*` or `*`, \
                 found `a b`",
            ],
        ),
        (
            "upstreams:\n".to_owned(),
            &["towbar.yaml:3:1: upstreams: expected at least one upstream by name, found none"],
        ),
        (
            two("'*'", "shop.v2.*") + "expose: []\n",
            &[
                "towbar.yaml:6:1: expose: expected a selector or a list of them, found an empty list",
                "towbar.yaml:5:48: the schema has no service, rpc or package `shop.v2.*`",
            ],
        ),
    ] {
        let folder = folder(&lines);
        let refused = folder.refusal(&["check", "--config", "towbar.yaml"]);
        assert_eq!(refused, expected, "{lines}");
    }
}

#[test]
fn with_several_upstreams_reflection_must_name_one_of_them() {
    for (lines, expected) in [
        (
            two("'*'", "a").replacen("upstreams", "expose: '*'\nupstreams", 1),
            "towbar.yaml:2:22: reflection: expected one of `upstreams` (`core`, `cards`), found `true`",
        ),
        (format!("upstream: {CORE}\n"), ""),
    ] {
        let folder = folder(&lines);
        let text = std::fs::read_to_string(folder.path("towbar.yaml")).unwrap();
        folder.write("towbar.yaml", text.replace("schema: shop", "schema: {reflection: true}"));
        let refused = folder.refusal(&["routes", "--config", "towbar.yaml"]);
        assert!(refused[0].starts_with(expected), "{refused:?}");
    }
    let folder = folder(&format!("upstream: {CORE}\n"));
    folder.write("towbar.yaml", format!("schema: [shop, {{reflection: core}}, {{reflect: true}}]\nupstream: {CORE}\n"));
    assert_eq!(
        folder.refusal(&["routes", "--config", "towbar.yaml"]),
        [
            "towbar.yaml:1:29: reflection: expected `true`, found `core`",
            "towbar.yaml:1:36: schema: `reflection` is missing",
            "towbar.yaml:1:37: unknown key `reflect`; did you mean `reflection`?",
        ]
    );
}

fn answering(status: i32) -> Router {
    health(move |_| async move { Ok::<_, Status>(Response::new(HealthCheckResponse { status })) })
}

#[test]
fn each_call_goes_to_the_upstream_of_its_rpc() {
    let core = Backend::start(SampleBank::new().routes().into_axum_router(), None);
    let other = Backend::start(answering(2), None);
    let folder = Folder::new();
    folder.copy("proto", "proto");
    let bank = "io.token.proto.bankapi";
    folder.write(
        "towbar.yaml",
        format!(
            "listen: 127.0.0.1:0\nschema: proto\nexpose: [{bank}.HealthCheckService, {bank}.StorageService]\nupstreams:\n  \
             core: {{address: 'http://{}', rpcs: {bank}.StorageService}}\n  \
             health: {{address: 'http://{}', rpcs: {bank}.HealthCheckService, deadline: 3s}}\n",
            core.address, other.address
        ),
    );
    let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    let health = http::get(gateway.address, "/health-check?bank_id=iron");
    assert_eq!((health.status, health.body.as_str()), (200, r#"{"status":"NOT_SERVING"}"#));
    // What the sample bank says to a key that it does not have; the other upstream has no such service.
    assert_eq!(http::get(gateway.address, "/storage/none").refusal().0, 5);
    assert_eq!(http::get(gateway.address, "/accounts/balance").status, 404);
    assert_eq!(gateway.stop().code, Some(0));
}
