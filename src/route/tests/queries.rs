//! Query keys: of maps, of every type of value, and unknown ones.

use super::{Defaults, Routes, RpcOptions, UnknownKeys, check, outcome, routes, rpc, schema_of};

#[test]
fn a_key_of_a_map_stands_in_brackets() {
    let rpcs = [
        rpc("Get", "Kinds", "Reply", r#"get: "/v1""#),
        rpc("Part", "One", "Reply", r#"post: "/v1/part" body: "account""#),
        rpc("Deep", "One", "Reply", r#"get: "/v1/deep/{account.iban}""#),
    ];
    check(
        &routes(&rpcs.concat(), &[]).unwrap(),
        &[
            ("GET /v1?texts[a]=b&texts[c.d]=e", r#"Get {"texts":{"a":"b","c.d":"e"}}"#),
            ("GET /v1?texts%5Ba%5D=b", r#"Get {"texts":{"a":"b"}}"#),
            ("GET /v1?texts[]=b", r#"Get {"texts":{"":"b"}}"#),
            ("GET /v1?texts[a[b]]=c", r#"Get {"texts":{"a[b]":"c"}}"#),
            ("GET /v1?texts[a]=", r#"Get {"texts":{"a":""}}"#),
            ("GET /v1?numbers[-1]=2.5&numbers[2]=1e3", r#"Get {"numbers":{"-1":2.5,"2":1000.0}}"#),
            ("GET /v1?flags[true]=LARGE&flags[false]=0", r#"Get {"flags":{"true":"LARGE","false":"NONE"}}"#),
            ("GET /v1?times[a]=2026-01-31T12:00:00Z", r#"Get {"times":{"a":"2026-01-31T12:00:00Z"}}"#),
            ("GET /v1/deep/x?account.labels[a]=b", r#"Deep {"account":{"iban":"x","labels":{"a":"b"}}}"#),
            ("GET /v1?texts[a]=b&texts[a]=b", "at texts[a]: is given twice, in the query"),
            ("GET /v1?numbers[1]=2&numbers[1.0]=2", "at numbers[1.0]: is given twice, in the query"),
            ("GET /v1?numbers[x]=2", "at numbers[x]: expected a key that is an int32, found \"x\", in the query"),
            ("GET /v1?numbers[1]=x", "at numbers[1]: expected a double, found \"x\", in the query"),
            (
                "GET /v1?flags[TRUE]=LARGE",
                "at flags[TRUE]: expected a key that is true or false, found \"TRUE\", in the query",
            ),
            ("GET /v1?flags[true]=HUGE", "at flags[true]: expected a value of t.Size, found \"HUGE\", in the query"),
            (
                "GET /v1?cards[a]=b",
                "at cards[a]: expected a map whose values one text can fill, found one of messages, in the query",
            ),
            (
                "GET /v1?texts=b",
                "at texts: expected a key of the map behind it, as in `texts[key]`, found none, in the query",
            ),
            ("GET /v1?secrets[a]=1", r#"Get {"secrets":{"a":1}}"#),
            ("GET /v1?secrets[4711]=x", "at secrets[...]: expected an int32, found another text, in the query"),
            ("GET /v1?secrets[4711]=1&secrets[4711]=2", "at secrets[...]: is given twice, in the query"),
            ("GET /v1?texts[a=b", "at texts[a: there is no such query key, in the query"),
            ("GET /v1?texts[a].b=c", "at texts[a].b: there is no such query key, in the query"),
            ("GET /v1?size[a]=b", "at size[a]: there is no such query key, in the query"),
            ("GET /v1?nope[a]=b", "at nope[a]: there is no such query key, in the query"),
            ("GET /v1?[a]=b", "at [a]: there is no such query key, in the query"),
            (
                "POST /v1/part?account.labels[a]=b <- {}",
                "at account.labels[a]: the field belongs to the body, in the query",
            ),
        ],
    );
}

#[test]
fn every_type_is_read_as_in_json() {
    let routes = routes(&rpc("Get", "Kinds", "Reply", r#"get: "/v1""#), &[]).unwrap();
    check(
        &routes,
        &[
            ("GET /v1?long=-9223372036854775808", r#"Get {"long":"-9223372036854775808"}"#),
            ("GET /v1?long=1e3", r#"Get {"long":"1000"}"#),
            (
                "GET /v1?long=9223372036854775808",
                "at long: expected an int64, found \"9223372036854775808\", in the query",
            ),
            ("GET /v1?ulong=18446744073709551615", r#"Get {"ulong":"18446744073709551615"}"#),
            ("GET /v1?ulong=-1", "at ulong: expected a uint64, found \"-1\", in the query"),
            ("GET /v1?real=Infinity", r#"Get {"real":"Infinity"}"#),
            ("GET /v1?real=-0.5e-1", r#"Get {"real":-0.05}"#),
            ("GET /v1?real=1e999", "at real: expected a double, found \"1e999\", in the query"),
            ("GET /v1?flag=true", r#"Get {"flag":true}"#),
            ("GET /v1?flag=1", "at flag: expected true or false, found \"1\", in the query"),
            ("GET /v1?flag", "at flag: expected true or false, found \"\", in the query"),
            ("GET /v1?size=LARGE", r#"Get {"size":"LARGE"}"#),
            ("GET /v1?size=1", r#"Get {"size":"LARGE"}"#),
            ("GET /v1?size=large", "at size: expected a value of t.Size, found \"large\", in the query"),
            ("GET /v1?blob=_-8", r#"Get {"blob":"/+8="}"#),
            ("GET /v1?blob=%2F%2B8%3D", r#"Get {"blob":"/+8="}"#),
            ("GET /v1?blob=a!", "at blob: expected base64, found \"a!\", in the query"),
            ("GET /v1?when=2026-01-31T13:00:00%2B01:00", r#"Get {"when":"2026-01-31T12:00:00Z"}"#),
            ("GET /v1?took=1.5s", r#"Get {"took":"1.500s"}"#),
            ("GET /v1?mask=a,bC.d", r#"Get {"mask":"a,bC.d"}"#),
            ("GET /v1?wrapped=5", r#"Get {"wrapped":"5"}"#),
            ("GET /v1?nothing=NULL_VALUE", "Get {}"),
            ("GET /v1?maybe=0", r#"Get {"maybe":0}"#),
            ("GET /v1?sizes=LARGE&sizes=NONE", r#"Get {"sizes":["LARGE","NONE"]}"#),
            ("GET /v1?when.seconds=1", r#"Get {"when":"1970-01-01T00:00:01Z"}"#),
        ],
    );
}

/// http.proto: a leaf has a primitive type. No peer has a form of its own for these, and one that we made up nobody could know.
#[test]
fn what_no_text_says_is_refused_with_where_it_goes() {
    let routes = routes(&rpc("Get", "Kinds", "Reply", r#"get: "/v1""#), &[]).unwrap();
    for (query, found) in [
        ("free=1", "a google.protobuf.Value: send it in a JSON body"),
        ("open={}", "a google.protobuf.Struct: send it in a JSON body"),
        ("row=[]", "a google.protobuf.ListValue: send it in a JSON body"),
        ("any=1", "a google.protobuf.Any: send it in a JSON body"),
        ("opens={}", "a google.protobuf.Struct: send it in a JSON body"),
        ("hand=1", "a list of messages: send it in a JSON body"),
    ] {
        let (key, _) = query.split_once('=').unwrap();
        let message = format!("at {key}: expected a field that one text can fill, found {found}, in the query");
        check(&routes, &[(&format!("GET /v1?{query}"), &message)]);
    }
    check(
        &routes,
        &[
            ("GET /v1?hand.number=1", "at hand.number: there is no such query key, in the query"),
            (
                "GET /v1?open.fields[a]=1",
                "at open.fields[a]: expected a map whose values one text can fill, found one of messages, in the query",
            ),
            // Field by field they are messages as others.
            ("GET /v1?free.numberValue=1.5", r#"Get {"free":1.5}"#),
            ("GET /v1?free.stringValue=", r#"Get {"free":""}"#),
            (
                "GET /v1?any.typeUrl=type.googleapis.com/t.Card&any.value=CgE3",
                r#"Get {"any":{"@type":"type.googleapis.com/t.Card","number":"7"}}"#,
            ),
        ],
    );
}

#[test]
fn unknown_keys_are_passed_over_only_where_that_is_said() {
    let rpcs = ["A", "B", "C"].map(|name| rpc(name, "One", "Reply", &format!(r#"get: "/v1/{name}""#))).concat();
    let options = |name: &str, keys| RpcOptions {
        rpc: format!("t.S.{name}"),
        place: "towbar.yaml:3:5".to_owned(),
        unknown_keys: Some(keys),
        ..RpcOptions::default()
    };
    let listed = |keys: &[&str]| UnknownKeys::Listed(keys.iter().map(|&key| key.to_owned()).collect());
    let all = [options("A", UnknownKeys::All), options("B", listed(&["utm", "name.x"]))];
    check(
        &routes(&rpcs, &all).unwrap(),
        &[
            ("GET /v1/A?utm=1&utm=2&x.y=3&m[a]=b&name=n", r#"A {"name":"n"}"#),
            ("GET /v1/A?limit=x", "at limit: expected an int32, found \"x\", in the query"),
            ("GET /v1/A?name=a&name=b", "at name: is given twice, in the query"),
            (
                "GET /v1/A?$fields=a",
                "at $fields: there is no such system parameter; `$alt` and `$prettyPrint` are, in the query",
            ),
            ("GET /v1/B?utm=1&name.x=2&name=n", r#"B {"name":"n"}"#),
            ("GET /v1/B?utm2=1", "at utm2: there is no such query key, in the query"),
            ("GET /v1/C?utm=1", "at utm: there is no such query key, in the query"),
        ],
    );
    let problem = routes(&rpcs, &[options("C", listed(&["utm", "account.iban"]))]).err().unwrap();
    assert_eq!(problem, "t.S.C: \"/v1/C\": towbar.yaml:3:5: ignore_query: the message has a field `account.iban`");
}

#[test]
fn a_key_goes_no_deeper_than_readers_of_messages_do() {
    let routes = {
        let schema = schema_of(
            r#"syntax = "proto3"; package t; import "google/api/annotations.proto"; import "google/protobuf/wrappers.proto";
            message Node { Node child = 1; string name = 2; google.protobuf.Int32Value wrapped = 3; map<string, string> labels = 4; }
            service S { rpc Get(Node) returns (Node) { option (google.api.http) = { get: "/v1" }; } }"#,
        );
        Routes::build(&schema.unwrap(), &[], &Defaults::default()).unwrap()
    };
    let ask =
        |levels: usize, leaf: &str| outcome(&routes, "GET", &format!("/v1?{}{leaf}=7", "child.".repeat(levels)), None);
    // A wrapper is a message itself, and so is an entry of a map.
    for (levels, leaf, printed) in
        [(99, "name", r#""name":"7""#), (98, "wrapped", r#""wrapped":7"#), (98, "labels[a]", r#""labels":{"a":"7"}"#)]
    {
        let message = format!("Get {}{{{printed}}}{}", r#"{"child":"#.repeat(levels), "}".repeat(levels));
        assert_eq!(ask(levels, leaf), message, "{leaf}");
        // As many as a request target of 64 KiB has room for.
        for levels in [levels + 1, 2_000] {
            let field = format!("{}{leaf}", "child.".repeat(levels));
            let message = format!("at {field}: nested deeper than 100 messages, in the query");
            assert_eq!(ask(levels, leaf), message, "{leaf} {levels}");
        }
    }
}
