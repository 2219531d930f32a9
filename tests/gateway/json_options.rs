//! What `json` says beyond ProtoJSON: enums without their prefix, 64-bit integers as numbers, and names in any case.

use crate::support::http;
use crate::support::talk::{backend, gateway_of, schema_of};
use towbar::codec::{self, Int64, Print};
use towbar::route::policy::{EnumPrefix, Layer as _, OwnJson, OwnPolicy, Policy};
use towbar::route::{Defaults, Routes, RpcOptions};

const PROTO: &str = r#"
syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
import "google/protobuf/any.proto";
import "google/protobuf/wrappers.proto";
enum OrderStatus { ORDER_STATUS_UNSPECIFIED = 0; ORDER_STATUS_OPEN = 1; ORDER_STATUS_PAID = 2; }
message Order {
  string id = 1; OrderStatus status = 2; repeated OrderStatus past = 3; map<string, OrderStatus> parts = 4;
  google.protobuf.Any extra = 5; int64 amount = 6;
}
service Orders {
  rpc Echo(Order) returns (Order) { option (google.api.http) = {
    post: "/orders/{status}/{id}" body: "*" additional_bindings { get: "/orders/{id}" } }; }
  rpc Whole(Order) returns (Order) { option (google.api.http) = { post: "/whole" body: "*" }; }
}
"#;

#[test]
fn enums_are_printed_without_their_prefix_and_read_with_or_without_it() {
    let backend = backend(|_, mut requests, replies| async move {
        let order = requests.next().await.unwrap();
        replies.send(&order).await;
        replies.end("0", "").await;
    });
    let config = "json: {enum_prefix: strip}\nrpcs: {shop.v1.Orders.Whole: {json: {enum_prefix: keep}}}";
    let gateway = gateway_of(schema_of(PROTO), &backend, config);
    let any = r#"{"@type":"type.googleapis.com/shop.v1.Order","status":"OPEN"}"#;
    for (method, target, body, answer) in [
        ("GET", "/orders/7?status=OPEN", None, r#"{"id":"7","status":"OPEN"}"#.to_owned()),
        ("GET", "/orders/7?status=ORDER_STATUS_OPEN", None, r#"{"id":"7","status":"OPEN"}"#.to_owned()),
        (
            "GET",
            "/orders/7?past=PAID&past=1&parts[a]=PAID&parts[b]=9",
            None,
            r#"{"id":"7","past":["PAID","OPEN"],"parts":{"a":"PAID","b":9}}"#.to_owned(),
        ),
        ("GET", "/orders/7?past=OPEN&$alt=json;enum-encoding=int", None, r#"{"id":"7","past":[1]}"#.to_owned()),
        ("POST", "/orders/PAID/7", Some("{}".to_owned()), r#"{"id":"7","status":"PAID"}"#.to_owned()),
        // One value, whatever it is called.
        (
            "POST",
            "/orders/PAID/7",
            Some(r#"{"status":"ORDER_STATUS_PAID","past":["UNSPECIFIED"]}"#.to_owned()),
            r#"{"id":"7","status":"PAID","past":["UNSPECIFIED"]}"#.to_owned(),
        ),
        (
            "POST",
            "/orders/PAID/7",
            Some(format!(r#"{{"extra":{any}}}"#)),
            format!(r#"{{"id":"7","status":"PAID","extra":{any}}}"#),
        ),
        ("POST", "/whole", Some(r#"{"status":2}"#.to_owned()), r#"{"status":"ORDER_STATUS_PAID"}"#.to_owned()),
    ] {
        let headers: &[(&str, &str)] = if body.is_some() { &[("Content-Type", "application/json")] } else { &[] };
        let got = http::send(gateway.address, method, target, headers, body.as_ref().map(String::as_bytes));
        assert_eq!((got.status, got.body), (200, answer), "{method} {target} {body:?}");
    }
    for (method, target, body, message) in [
        (
            "GET",
            "/orders/7?status=PAIDX",
            None,
            r#"query parameter "status": expected one of UNSPECIFIED, OPEN, PAID, got "PAIDX" (did you mean "PAID"?)"#,
        ),
        (
            "GET",
            "/orders/7?status=open",
            None,
            r#"query parameter "status": expected one of UNSPECIFIED, OPEN, PAID, got "open" (did you mean "OPEN"?)"#,
        ),
        (
            "POST",
            "/orders/PAID/7",
            Some(r#"{"status":"OPEN"}"#),
            "field \"status\": the path and the body have different values for it; leave it out of the body, or send the same value",
        ),
        // Where the prefix is kept there are no other names.
        (
            "POST",
            "/whole",
            Some(r#"{"status":"PAID"}"#),
            "field \"status\": expected one of ORDER_STATUS_UNSPECIFIED, ORDER_STATUS_OPEN, ORDER_STATUS_PAID, got \"PAID\" (did you mean \"ORDER_STATUS_PAID\"?) (line 1, column 11)",
        ),
    ] {
        let headers: &[(&str, &str)] = if body.is_some() { &[("Content-Type", "application/json")] } else { &[] };
        let got = http::send(gateway.address, method, target, headers, body.map(str::as_bytes));
        assert_eq!((got.status, got.refusal().1.as_str()), (400, message), "{method} {target}");
    }
}

#[test]
fn field_and_enum_names_are_read_in_any_case_only_where_enabled() {
    let backend = backend(|_, mut requests, replies| async move {
        let order = requests.next().await.unwrap();
        replies.send(&order).await;
        replies.end("0", "").await;
    });
    let both = "case_insensitive_enum_parsing: true, case_insensitive_field_parsing: true";
    let config = format!("json: {{enum_prefix: strip}}\nrpcs: {{shop.v1.Orders.Echo: {{json: {{{both}}}}}}}");
    let gateway = gateway_of(schema_of(PROTO), &backend, &config);
    let is_unknown = r#"unknown field "STATUS" (did you mean "status"?) (line 1, column 11)"#;
    for (method, target, body, status, answer) in [
        (
            "GET",
            "/orders/7?STATUS=open&Parts[a]=Order_Status_Paid",
            None,
            200,
            r#"{"id":"7","status":"OPEN","parts":{"a":"PAID"}}"#,
        ),
        (
            "POST",
            "/orders/paid/7",
            Some(r#"{"PAST":["open"],"Amount":5}"#),
            200,
            r#"{"id":"7","status":"PAID","past":["OPEN"],"amount":"5"}"#,
        ),
        ("POST", "/orders/paid/7", Some(r#"{"STATUS":"Paid"}"#), 200, r#"{"id":"7","status":"PAID"}"#),
        (
            "POST",
            "/orders/paid/7",
            Some(r#"{"STATUS":"open"}"#),
            400,
            "field \"status\": the path and the body have different values for it; leave it out of the body, or send the same value",
        ),
        (
            "POST",
            "/orders/paid/7",
            Some(r#"{"amount":1,"AMOUNT":1}"#),
            400,
            "field \"AMOUNT\": repeated, but it takes only one value (line 1, column 22)",
        ),
        ("GET", "/ORDERS/7", None, 404, "no route matches GET /ORDERS/7 (did you mean \"/orders/7\"?)"),
        // The other rpc.
        ("POST", "/whole", Some(r#"{"STATUS":"OPEN"}"#), 400, is_unknown),
        (
            "POST",
            "/whole",
            Some(r#"{"status":"open"}"#),
            400,
            r#"field "status": expected one of UNSPECIFIED, OPEN, PAID, got "open" (did you mean "OPEN"?) (line 1, column 11)"#,
        ),
    ] {
        let headers: &[(&str, &str)] = if body.is_some() { &[("Content-Type", "application/json")] } else { &[] };
        let got = http::send(gateway.address, method, target, headers, body.map(str::as_bytes));
        let told = if status == 200 { got.body.clone() } else { got.refusal().1 };
        assert_eq!((got.status, told.as_str()), (status, answer), "{method} {target} {body:?}");
    }
}

#[test]
fn an_enum_that_is_ambiguous_without_its_prefix_stops_the_start() {
    let proto = PROTO.replace("ORDER_STATUS_OPEN = 1;", "ORDER_STATUS_2023 = 1; ORDER_STATUS_OPEN = 3;");
    let schema = schema_of(&proto);
    let own = |strips| {
        let prefix = if strips { EnumPrefix::Strip } else { EnumPrefix::Keep };
        OwnPolicy { json: OwnJson { enum_prefix: Some(prefix), ..OwnJson::default() }, ..OwnPolicy::default() }
    };
    let build = |options: &[RpcOptions], strips| {
        let policy = Policy::default().with(&own(strips));
        let built = Routes::build(&schema, options, &Defaults { policy, ..Defaults::default() });
        built.map(drop).map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let problem = |rpc: &str| {
        Err(vec![format!(
            "shop.v1.Orders.{rpc}: shop.v1.OrderStatus: without its prefix, `ORDER_STATUS_2023` becomes `2023`, which is a \
             number: set `json.enum_prefix: keep` for the rpcs that use it, or for all"
        )])
    };
    let one = |rpc: &str, strips| RpcOptions {
        rpc: format!("shop.v1.Orders.{rpc}"),
        policy: own(strips),
        ..RpcOptions::default()
    };
    assert_eq!(build(&[], false), Ok(()));
    assert_eq!(build(&[], true), problem("Echo"));
    assert_eq!(build(&[one("Whole", true)], false), problem("Whole"));
    assert_eq!(build(&[one("Echo", false), one("Whole", false)], true), Ok(()));
}

#[test]
fn integers_of_64_bits_are_printed_as_strings_or_numbers_as_configured() {
    let schema = schema_of(
        r#"
syntax = "proto3";
package t;
import "google/protobuf/wrappers.proto";
import "google/api/annotations.proto";
message M {
  int64 a = 1; uint64 b = 2; sint64 c = 3; fixed64 d = 4; sfixed64 e = 5; repeated int64 list = 6; map<int64, uint64> map = 7;
  google.protobuf.Int64Value wrapped = 8; google.protobuf.UInt64Value unsigned = 9; int32 small = 10; map<int32, int64> low = 11;
}
service S { rpc Get(M) returns (M) { option (google.api.http) = { get: "/m" }; } }
"#,
    );
    let message = schema.message("t.M").unwrap();
    let read = |json: &str| {
        let body = codec::Body { text: json.as_bytes(), field: None, ignored: &codec::Ignored::default() };
        codec::Request::new(&message).encode(Some(body)).unwrap()
    };
    let safe = "9007199254740991";
    let unsafe_one = "9007199254740992";
    for (json, text, safe_number, number) in [
        (
            r#"{"a":-1,"b":2,"c":-3,"d":4,"e":-5,"small":6}"#.to_owned(),
            r#"{"a":"-1","b":"2","c":"-3","d":"4","e":"-5","small":6}"#.to_owned(),
            r#"{"a":-1,"b":2,"c":-3,"d":4,"e":-5,"small":6}"#.to_owned(),
            r#"{"a":-1,"b":2,"c":-3,"d":4,"e":-5,"small":6}"#.to_owned(),
        ),
        (
            format!(r#"{{"a":-{safe},"b":{safe},"c":-{unsafe_one},"list":[{safe},{unsafe_one}]}}"#),
            format!(r#"{{"a":"-{safe}","b":"{safe}","c":"-{unsafe_one}","list":["{safe}","{unsafe_one}"]}}"#),
            format!(r#"{{"a":-{safe},"b":{safe},"c":"-{unsafe_one}","list":[{safe},"{unsafe_one}"]}}"#),
            format!(r#"{{"a":-{safe},"b":{safe},"c":-{unsafe_one},"list":[{safe},{unsafe_one}]}}"#),
        ),
        (
            r#"{"b":18446744073709551615,"e":-9223372036854775808,"wrapped":1,"unsigned":0}"#.to_owned(),
            r#"{"b":"18446744073709551615","e":"-9223372036854775808","wrapped":"1","unsigned":"0"}"#.to_owned(),
            r#"{"b":"18446744073709551615","e":"-9223372036854775808","wrapped":1,"unsigned":0}"#.to_owned(),
            r#"{"b":18446744073709551615,"e":-9223372036854775808,"wrapped":1,"unsigned":0}"#.to_owned(),
        ),
        // Keys of objects are strings in any case.
        (
            format!(r#"{{"map":{{"-1":1,"{unsafe_one}":{unsafe_one}}},"low":{{"-3":4}}}}"#),
            format!(r#"{{"map":{{"-1":"1","{unsafe_one}":"{unsafe_one}"}},"low":{{"-3":"4"}}}}"#),
            format!(r#"{{"map":{{"-1":1,"{unsafe_one}":"{unsafe_one}"}},"low":{{"-3":4}}}}"#),
            format!(r#"{{"map":{{"-1":1,"{unsafe_one}":{unsafe_one}}},"low":{{"-3":4}}}}"#),
        ),
    ] {
        for (int64, expected) in [(Int64::Text, &text), (Int64::SafeNumber, &safe_number), (Int64::Number, &number)] {
            let print = Print { int64, ..Print::default() };
            let printed = codec::reply(&message, &read(&json), &print).unwrap();
            assert_eq!(String::from_utf8(printed).unwrap(), *expected, "{int64:?} {json}");
            assert_eq!(read(expected), read(&json), "{int64:?}: what is printed is read");
        }
    }
    let print = Print { int64: Int64::Number, defaults: true, ..Print::default() };
    let printed = String::from_utf8(codec::reply(&message, &[], &print).unwrap()).unwrap();
    assert_eq!(printed, r#"{"a":0,"b":0,"c":0,"d":0,"e":0,"list":[],"map":{},"small":0,"low":{}}"#);
}
