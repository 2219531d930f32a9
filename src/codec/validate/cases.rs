//! Every rule, with values that pass and one that does not.

use super::tests::{PROTO, compiled, lines, wire};
use crate::schema::schema_of;

/// A field of `t.All` with rules, values that pass, and one that does not, with the line that says so.
struct Case {
    field: &'static str,
    rules: &'static str,
    passes: &'static [&'static str],
    fails: &'static str,
    line: &'static str,
}

const fn case(
    field: &'static str,
    rules: &'static str,
    passes: &'static [&'static str],
    [fails, line]: [&'static str; 2],
) -> Case {
    Case { field, rules, passes, fails, line }
}

const CASES: &[Case] = &[
    case("s", r#"{"string":{"const":"ab"}}"#, &[r#"{"s":"ab"}"#], ["{}", r#"s string.const: expected "ab""#]),
    case("s", r#"{"string":{"len":2}}"#, &[r#"{"s":"éa"}"#], [r#"{"s":"é"}"#, "s string.len: expected 2 characters"]),
    case(
        "s",
        r#"{"string":{"min_len":1}}"#,
        &[r#"{"s":"a"}"#],
        ["{}", "s string.min_len: expected at least 1 character"],
    ),
    case(
        "s",
        r#"{"string":{"max_len":2}}"#,
        &["{}", r#"{"s":"éé"}"#],
        [r#"{"s":"abc"}"#, "s string.max_len: expected at most 2 characters"],
    ),
    case(
        "s",
        r#"{"string":{"len_bytes":2}}"#,
        &[r#"{"s":"é"}"#],
        [r#"{"s":"a"}"#, "s string.len_bytes: expected 2 bytes"],
    ),
    case(
        "s",
        r#"{"string":{"min_bytes":2}}"#,
        &[r#"{"s":"é"}"#],
        [r#"{"s":"a"}"#, "s string.min_bytes: expected at least 2 bytes"],
    ),
    case(
        "s",
        r#"{"string":{"max_bytes":2}}"#,
        &[r#"{"s":"é"}"#],
        [r#"{"s":"éa"}"#, "s string.max_bytes: expected at most 2 bytes"],
    ),
    case(
        "s",
        r#"{"string":{"pattern":"^[A-Z]{3}$"}}"#,
        &[r#"{"s":"EUR"}"#],
        [r#"{"s":"eur"}"#, "s string.pattern: expected text that matches ^[A-Z]{3}$"],
    ),
    case(
        "s",
        r#"{"string":{"prefix":"a"}}"#,
        &[r#"{"s":"ab"}"#],
        [r#"{"s":"ba"}"#, r#"s string.prefix: expected text that begins with "a""#],
    ),
    case(
        "s",
        r#"{"string":{"suffix":"a"}}"#,
        &[r#"{"s":"ba"}"#],
        [r#"{"s":"ab"}"#, r#"s string.suffix: expected text that ends with "a""#],
    ),
    case(
        "s",
        r#"{"string":{"contains":"a"}}"#,
        &[r#"{"s":"bab"}"#],
        [r#"{"s":"b"}"#, r#"s string.contains: expected text that contains "a""#],
    ),
    case(
        "s",
        r#"{"string":{"not_contains":"a"}}"#,
        &[r#"{"s":"b"}"#],
        [r#"{"s":"bab"}"#, r#"s string.not_contains: expected text without "a""#],
    ),
    case(
        "s",
        r#"{"string":{"in":["a","b"]}}"#,
        &[r#"{"s":"b"}"#],
        [r#"{"s":"c"}"#, "s string.in: expected one of: a, b"],
    ),
    case(
        "s",
        r#"{"string":{"not_in":["a"]}}"#,
        &["{}"],
        [r#"{"s":"a"}"#, "s string.not_in: this value is not allowed"],
    ),
    case(
        "s",
        r#"{"string":{"email":true}}"#,
        &[r#"{"s":"a@b.example"}"#],
        [r#"{"s":"a"}"#, "s string.email: expected an email address"],
    ),
    case(
        "s",
        r#"{"string":{"hostname":true}}"#,
        &[r#"{"s":"b.example"}"#],
        [r#"{"s":"a_b"}"#, "s string.hostname: expected a host name"],
    ),
    case(
        "s",
        r#"{"string":{"ip":true}}"#,
        &[r#"{"s":"::1"}"#],
        [r#"{"s":"a"}"#, "s string.ip: expected an IP address"],
    ),
    case(
        "s",
        r#"{"string":{"ipv4":true}}"#,
        &[r#"{"s":"127.0.0.1"}"#],
        [r#"{"s":"::1"}"#, "s string.ipv4: expected an IPv4 address"],
    ),
    case(
        "s",
        r#"{"string":{"ipv6":true}}"#,
        &[r#"{"s":"::1"}"#],
        [r#"{"s":"127.0.0.1"}"#, "s string.ipv6: expected an IPv6 address"],
    ),
    case("s", r#"{"string":{"uri":true}}"#, &[r#"{"s":"urn:a"}"#], [r#"{"s":"a"}"#, "s string.uri: expected a URI"]),
    case(
        "s",
        r#"{"string":{"uri_ref":true}}"#,
        &[r#"{"s":"a"}"#],
        [r#"{"s":"a b"}"#, "s string.uri_ref: expected a URI or a relative reference"],
    ),
    case(
        "s",
        r#"{"string":{"address":true}}"#,
        &[r#"{"s":"a"}"#],
        [r#"{"s":"a_"}"#, "s string.address: expected a host name or an IP address"],
    ),
    case(
        "s",
        r#"{"string":{"uuid":true}}"#,
        &[r#"{"s":"8e03978e-40d5-43dd-bc93-6894a57f9324"}"#],
        [r#"{"s":"a"}"#, "s string.uuid: expected a UUID"],
    ),
    case(
        "s",
        r#"{"string":{"tuuid":true}}"#,
        &[r#"{"s":"8e03978e40d543ddbc936894a57f9324"}"#],
        [r#"{"s":"a"}"#, "s string.tuuid: expected a UUID without hyphens"],
    ),
    case(
        "s",
        r#"{"string":{"ulid":true}}"#,
        &[r#"{"s":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}"#],
        [r#"{"s":"a"}"#, "s string.ulid: expected a ULID"],
    ),
    case(
        "s",
        r#"{"string":{"host_and_port":true}}"#,
        &[r#"{"s":"a:1"}"#],
        [r#"{"s":"a"}"#, "s string.host_and_port: expected a host and a port"],
    ),
    case("s", r#"{"string":{"email":false}}"#, &["{}"], ["", ""]),
    case("s", r#"{"required":true}"#, &[r#"{"s":"a"}"#], [r#"{"s":""}"#, "s required: this field is required"]),
    case(
        "s",
        r#"{"ignore":"IGNORE_IF_ZERO_VALUE","string":{"min_len":2}}"#,
        &["{}", r#"{"s":"ab"}"#],
        [r#"{"s":"a"}"#, "s string.min_len: expected at least 2 characters"],
    ),
    case(
        "os",
        r#"{"string":{"min_len":2}}"#,
        &["{}", r#"{"os":"ab"}"#],
        [r#"{"os":""}"#, "os string.min_len: expected at least 2 characters"],
    ),
    case("os", r#"{"required":true}"#, &[r#"{"os":""}"#], ["{}", "os required: this field is required"]),
    case("b", r#"{"bytes":{"const":"AQI="}}"#, &[r#"{"b":"AQI="}"#], ["{}", "b bytes.const: expected AQI= in base64"]),
    case("b", r#"{"bytes":{"len":2}}"#, &[r#"{"b":"AQI="}"#], ["{}", "b bytes.len: expected 2 bytes"]),
    case("b", r#"{"bytes":{"min_len":1}}"#, &[r#"{"b":"AQI="}"#], ["{}", "b bytes.min_len: expected at least 1 byte"]),
    case("b", r#"{"bytes":{"max_len":1}}"#, &["{}"], [r#"{"b":"AQI="}"#, "b bytes.max_len: expected at most 1 byte"]),
    case(
        "b",
        r#"{"bytes":{"pattern":"^a"}}"#,
        &[r#"{"b":"YWI="}"#],
        [r#"{"b":"/w=="}"#, "b bytes.pattern: expected text that matches ^a"],
    ),
    case(
        "b",
        r#"{"bytes":{"prefix":"AQ=="}}"#,
        &[r#"{"b":"AQI="}"#],
        ["{}", "b bytes.prefix: expected bytes that begin with AQ== in base64"],
    ),
    case(
        "b",
        r#"{"bytes":{"suffix":"Ag=="}}"#,
        &[r#"{"b":"AQI="}"#],
        ["{}", "b bytes.suffix: expected bytes that end with Ag== in base64"],
    ),
    case(
        "b",
        r#"{"bytes":{"contains":"Ag=="}}"#,
        &[r#"{"b":"AQI="}"#],
        ["{}", "b bytes.contains: expected bytes that contain Ag== in base64"],
    ),
    case(
        "b",
        r#"{"bytes":{"in":["AQ==","Ag=="]}}"#,
        &[r#"{"b":"Ag=="}"#],
        ["{}", "b bytes.in: expected one of: AQ==, Ag=="],
    ),
    case(
        "b",
        r#"{"bytes":{"not_in":["AQ=="]}}"#,
        &["{}"],
        [r#"{"b":"AQ=="}"#, "b bytes.not_in: this value is not allowed"],
    ),
    case(
        "b",
        r#"{"bytes":{"ipv4":true}}"#,
        &[r#"{"b":"fwAAAQ=="}"#],
        ["{}", "b bytes.ipv4_empty: expected the 4 bytes of an IPv4 address"],
    ),
    case("i32", r#"{"int32":{"const":5}}"#, &[r#"{"i32":5}"#], ["{}", "i32 int32.const: expected 5"]),
    case(
        "i32",
        r#"{"int32":{"gt":-1}}"#,
        &["{}"],
        [r#"{"i32":-1}"#, "i32 int32.gt: expected a number greater than -1"],
    ),
    case("i32", r#"{"int32":{"gte":1}}"#, &[r#"{"i32":1}"#], ["{}", "i32 int32.gte: expected a number of at least 1"]),
    case("i32", r#"{"int32":{"lt":1}}"#, &["{}"], [r#"{"i32":1}"#, "i32 int32.lt: expected a number less than 1"]),
    case(
        "i32",
        r#"{"int32":{"lte":1}}"#,
        &[r#"{"i32":1}"#],
        [r#"{"i32":2}"#, "i32 int32.lte: expected a number of at most 1"],
    ),
    case(
        "i32",
        r#"{"int32":{"gte":1,"lt":3}}"#,
        &[r#"{"i32":2}"#],
        [r#"{"i32":3}"#, "i32 int32.gte_lt: expected a number of at least 1 and less than 3"],
    ),
    case(
        "i32",
        r#"{"int32":{"gt":3,"lt":1}}"#,
        &["{}", r#"{"i32":4}"#],
        [r#"{"i32":3}"#, "i32 int32.gt_lt_exclusive: expected a number less than 1 or greater than 3"],
    ),
    case("i32", r#"{"int32":{"in":[1,2]}}"#, &[r#"{"i32":2}"#], ["{}", "i32 int32.in: expected one of: 1, 2"]),
    case(
        "i32",
        r#"{"int32":{"not_in":[1]}}"#,
        &["{}"],
        [r#"{"i32":1}"#, "i32 int32.not_in: this value is not allowed"],
    ),
    case(
        "s64",
        r#"{"sint64":{"gte":-9223372036854775808,"lt":-1}}"#,
        &[r#"{"s64":"-9223372036854775808"}"#],
        [r#"{"s64":"-1"}"#, "s64 sint64.gte_lt: expected a number of at least -9223372036854775808 and less than -1"],
    ),
    case(
        "f64",
        r#"{"fixed64":{"gt":18446744073709551614}}"#,
        &[r#"{"f64":"18446744073709551615"}"#],
        [r#"{"f64":"1"}"#, "f64 fixed64.gt: expected a number greater than 18446744073709551614"],
    ),
    case(
        "big_number",
        r#"{"uint32":{"gt":3000000000}}"#,
        &[r#"{"bigNumber":4294967295}"#],
        ["{}", "big_number uint32.gt: expected a number greater than 3000000000"],
    ),
    case(
        "d",
        r#"{"double":{"gt":0.5,"lte":1.5}}"#,
        &[r#"{"d":1.5}"#],
        [r#"{"d":"NaN"}"#, "d double.gt_lte: expected a number greater than 0.5 and of at most 1.5"],
    ),
    case(
        "d",
        r#"{"double":{"finite":true}}"#,
        &["{}"],
        [r#"{"d":"-Infinity"}"#, "d double.finite: expected a finite number"],
    ),
    case(
        "f",
        r#"{"float":{"gte":0.1}}"#,
        &[r#"{"f":0.1}"#],
        [r#"{"f":0.09}"#, "f float.gte: expected a number of at least 0.1"],
    ),
    case("t", r#"{"bool":{"const":true}}"#, &[r#"{"t":true}"#], ["{}", "t bool.const: expected true"]),
    case(
        "c",
        r#"{"enum":{"defined_only":true}}"#,
        &[r#"{"c":5}"#],
        [r#"{"c":2}"#, "c enum.defined_only: expected one of: NONE, RED, BLUE"],
    ),
    case("c", r#"{"enum":{"in":["RED",5]}}"#, &[r#"{"c":"BLUE"}"#], ["{}", "c enum.in: expected one of: RED, BLUE"]),
    case("c", r#"{"enum":{"not_in":[0]}}"#, &[r#"{"c":"BLUE"}"#], ["{}", "c enum.not_in: this value is not allowed"]),
    case("c", r#"{"enum":{"const":"RED"}}"#, &[r#"{"c":1}"#], ["{}", "c enum.const: expected RED"]),
    case("rs", r#"{"required":true}"#, &[r#"{"rs":[""]}"#], ["{}", "rs required: this field is required"]),
    case(
        "rs",
        r#"{"repeated":{"min_items":1}}"#,
        &[r#"{"rs":["a"]}"#],
        ["{}", "rs repeated.min_items: expected at least 1 item"],
    ),
    case(
        "ri",
        r#"{"repeated":{"max_items":2}}"#,
        &[r#"{"ri":[1,2]}"#],
        [r#"{"ri":[1,2,3]}"#, "ri repeated.max_items: expected at most 2 items"],
    ),
    case(
        "rs",
        r#"{"repeated":{"unique":true}}"#,
        &[r#"{"rs":["a","b"]}"#],
        [r#"{"rs":["a","b","a"]}"#, "rs repeated.unique: expected items that all differ"],
    ),
    case(
        "ri",
        r#"{"repeated":{"unique":true}}"#,
        &[r#"{"ri":[1,2]}"#],
        [r#"{"ri":[1,1]}"#, "ri repeated.unique: expected items that all differ"],
    ),
    case(
        "rs",
        r#"{"repeated":{"items":{"string":{"min_len":1}}}}"#,
        &["{}"],
        [r#"{"rs":["a",""]}"#, "rs[1] string.min_len: expected at least 1 character"],
    ),
    case(
        "ri",
        r#"{"repeated":{"items":{"ignore":"IGNORE_IF_ZERO_VALUE","int32":{"gt":1}}}}"#,
        &[r#"{"ri":[0,2]}"#],
        [r#"{"ri":[0,1]}"#, "ri[1] int32.gt: expected a number greater than 1"],
    ),
    case(
        "m",
        r#"{"map":{"min_pairs":1}}"#,
        &[r#"{"m":{"a":1}}"#],
        ["{}", "m map.min_pairs: expected at least 1 entry"],
    ),
    case(
        "m",
        r#"{"map":{"max_pairs":1}}"#,
        &[r#"{"m":{"a":1}}"#],
        [r#"{"m":{"a":1,"b":1}}"#, "m map.max_pairs: expected at most 1 entry"],
    ),
    case(
        "m",
        r#"{"map":{"keys":{"string":{"min_len":2}}}}"#,
        &[r#"{"m":{"ab":1}}"#],
        [r#"{"m":{"a":1}}"#, r#"m["a"] string.min_len: expected at least 2 characters"#],
    ),
    case(
        "m",
        r#"{"map":{"values":{"int32":{"gt":0}}}}"#,
        &[r#"{"m":{"a":1}}"#],
        [r#"{"m":{"a":0}}"#, r#"m["a"] int32.gt: expected a number greater than 0"#],
    ),
    case("leaf", r#"{"required":true}"#, &[r#"{"leaf":{}}"#], ["{}", "leaf required: this field is required"]),
    case(
        "at",
        r#"{"timestamp":{"gte":"2026-01-01T00:00:00Z"}}"#,
        &["{}", r#"{"at":"2026-01-01T00:00:00Z"}"#],
        [r#"{"at":"2025-12-31T23:59:59.9Z"}"#, "at timestamp.gte: expected a time not before 2026-01-01T00:00:00Z"],
    ),
    case(
        "at",
        r#"{"timestamp":{"lt_now":true}}"#,
        &[r#"{"at":"2020-01-01T00:00:00Z"}"#],
        [r#"{"at":"9999-01-01T00:00:00Z"}"#, "at timestamp.lt_now: expected a time in the past"],
    ),
    case(
        "at",
        r#"{"timestamp":{"gt_now":true}}"#,
        &[r#"{"at":"9999-01-01T00:00:00Z"}"#],
        [r#"{"at":"2020-01-01T00:00:00Z"}"#, "at timestamp.gt_now: expected a time in the future"],
    ),
    case(
        "at",
        r#"{"timestamp":{"within":"3600s"}}"#,
        &["{}"],
        [r#"{"at":"2020-01-01T00:00:00Z"}"#, "at timestamp.within: expected a time at most 3600s from now"],
    ),
    case(
        "for",
        r#"{"duration":{"gt":"1s","lte":"1.5s"}}"#,
        &[r#"{"for":"1.5s"}"#],
        [r#"{"for":"1s"}"#, "for duration.gt_lte: expected a duration of more than 1s and of at most 1.5s"],
    ),
    case(
        "w",
        r#"{"string":{"min_len":1}}"#,
        &["{}", r#"{"w":"a"}"#],
        [r#"{"w":""}"#, "w string.min_len: expected at least 1 character"],
    ),
    case("pick", r#"{"required":true}"#, &[r#"{"three":0}"#], ["{}", "pick required: one of its fields is required"]),
];

#[test]
fn each_rule_passes_and_refuses_what_buf_validate_says() {
    let schema = schema_of(PROTO).unwrap();
    for Case { field, rules, passes, fails, line } in CASES {
        let rules = format!(r#"{{"t.All":{{"{field}":{rules}}}}}"#);
        let Ok(validator) = compiled(&schema, &rules) else { panic!("{:?}", compiled(&schema, &rules)) };
        let checks = validator.of(&schema.message("t.All").unwrap()).unwrap();
        for json in *passes {
            assert_eq!(lines(&checks.violations(&wire(&schema, json))), [""; 0], "{rules} {json}");
        }
        if !fails.is_empty() {
            assert_eq!(lines(&checks.violations(&wire(&schema, fails))), [*line], "{rules} {fails}");
        }
    }
}
