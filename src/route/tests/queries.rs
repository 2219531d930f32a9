//! Query keys: of maps, of every type of value, and unknown ones.

use super::{Defaults, OwnPolicy, Routes, RpcOptions, UnknownKeys, check, outcome, routes, rpc, schema_of};

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

/// The value of such a key is its ProtoJSON.
#[test]
fn what_has_a_form_in_json_that_is_no_scalar_is_given_as_json() {
    let rpcs = [
        rpc("Get", "Kinds", "Reply", r#"get: "/v1""#),
        rpc("Keyed", "Kinds", "Reply", r#"get: "/v1/keyed?filter={open}&all={frees}""#),
        rpc("Part", "Kinds", "Reply", r#"post: "/v1/part" body: "open""#),
        rpc("Deep", "Kinds", "Reply", r#"post: "/v1/deep" body: "open.fields""#),
        rpc("Typed", "Kinds", "Reply", r#"get: "/v1/typed/{any.type_url}""#),
        rpc("Form", "Kinds", "Reply", r#"post: "/v1/form" body: "*""#),
    ];
    check(
        &routes(&rpcs.concat(), &[]).unwrap(),
        &[
            ("GET /v1?open=%7B%22a%22%3A1%7D", r#"Get {"open":{"a":1.0}}"#),
            ("GET /v1?open=+%7B+%7D+", r#"Get {"open":{}}"#),
            (r#"GET /v1?open={"a":{"b":[null,"c",true]}}"#, r#"Get {"open":{"a":{"b":[null,"c",true]}}}"#),
            (r#"GET /v1?again.open={"a":1}"#, r#"Get {"again":{"open":{"a":1.0}}}"#),
            ("GET /v1?free=1e3", r#"Get {"free":1000.0}"#),
            ("GET /v1?free=null", r#"Get {"free":null}"#),
            (r#"GET /v1?free="word""#, r#"Get {"free":"word"}"#),
            (r#"GET /v1?free="%5Cu0000%5C"""#, r#"Get {"free":"\u0000\""}"#),
            ("GET /v1?row=[1,[2],{}]", r#"Get {"row":[1.0,[2.0],{}]}"#),
            (
                r#"GET /v1?any={"number":"7","@type":"type.googleapis.com/t.Card"}"#,
                r#"Get {"any":{"@type":"type.googleapis.com/t.Card","number":"7"}}"#,
            ),
            ("GET /v1?any={}", r#"Get {"any":{}}"#),
            // A list by repeating the key; a ListValue is one value.
            (r#"GET /v1?opens={}&opens={"a":[]}"#, r#"Get {"opens":[{},{"a":[]}]}"#),
            ("GET /v1?frees=1&frees=[2,3]&frees=null", r#"Get {"frees":[1.0,[2.0,3.0],null]}"#),
            ("GET /v1?rows=[1]&rows=[]", r#"Get {"rows":[[1.0],[]]}"#),
            (r#"GET /v1/keyed?filter={"a":1}&all="b"&all=2"#, r#"Keyed {"open":{"a":1.0},"frees":["b",2.0]}"#),
            ("GET /v1/keyed?filter=&all=", "Keyed {}"),
            (
                r#"POST /v1/form <- form:open={"a":"b%26c"}&frees=1&frees=2"#,
                r#"Form {"open":{"a":"b&c"},"frees":[1.0,2.0]}"#,
            ),
            // Field by field they are messages as others.
            ("GET /v1?free.numberValue=1.5", r#"Get {"free":1.5}"#),
            ("GET /v1?free.stringValue=", r#"Get {"free":""}"#),
            (r#"GET /v1?free.structValue={"a":1}"#, r#"Get {"free":{"a":1.0}}"#),
            (
                "GET /v1?any.typeUrl=type.googleapis.com/t.Card&any.value=CgE3",
                r#"Get {"any":{"@type":"type.googleapis.com/t.Card","number":"7"}}"#,
            ),
            // Conflicts are those of other keys.
            ("GET /v1?open={}&open={}", "at open: is given twice, in the query"),
            ("GET /v1/keyed?filter={}&open={}", "at open: is given twice, in the query"),
            ("GET /v1?free=1&free.numberValue=1", "at free.numberValue: is given twice, in the query"),
            ("GET /v1?free.numberValue=1&free=1", "at free: is given twice, in the query"),
            (
                "GET /v1?left=1&right=a",
                "at right: `left` is given too, and only one of the oneof `one` can be, in the query",
            ),
            ("POST /v1/part?open={} <- {}", "at open: the field belongs to the body, in the query"),
            ("POST /v1/deep?open={} <- {}", "at open: the field belongs to the body, in the query"),
            ("POST /v1/form?open={} <- {}", "at open: the field belongs to the body, in the query"),
            ("GET /v1/typed/a?any={}", "at any: the path gives a field in it, in the query"),
        ],
    );
}

#[test]
fn a_json_text_of_a_query_says_where_it_is_wrong() {
    let routes = routes(&rpc("Get", "Kinds", "Reply", r#"get: "/v1""#), &[]).unwrap();
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for (query, message) in [
        ("open=word", "at open: expected an object (google.protobuf.Struct), found \"word\""),
        ("open=", "at open: expected an object (google.protobuf.Struct), found \"\""),
        ("open=1", "at open: expected an object (google.protobuf.Struct), found 1 (line 1, column 1 of the JSON text)"),
        // An object without it says that a field is not set; a query, by leaving it out.
        (
            "open=null",
            "at open: expected an object (google.protobuf.Struct), found null (line 1, column 1 of the JSON text)",
        ),
        (
            "row={}",
            "at row: expected an array (google.protobuf.ListValue), found an object (line 1, column 1 of the JSON text)",
        ),
        ("free=word", "at free: expected JSON text (for a string, write \"word\" in quotes), found \"word\""),
        (
            "free=2026-01-31",
            "at free: expected JSON text (for a string, write \"word\" in quotes), found \"2026-01-31\"",
        ),
        ("free=", "at free: expected JSON text (for a string, write \"word\" in quotes), found \"\""),
        ("free", "at free: expected JSON text (for a string, write \"word\" in quotes), found \"\""),
        ("frees=NaN", "at frees: expected JSON text (for a string, write \"word\" in quotes), found \"NaN\""),
        ("free=1e999", "at free: expected a double, found 1e999 (line 1, column 1 of the JSON text)"),
        ("free=\"a", "at free: expected `\"`, found the end (line 1, column 3 of the JSON text)"),
        (
            "open={\"a\":[1,{\"b\":1e999}]}",
            "at open.a[1].b: expected a double, found 1e999 (line 1, column 14 of the JSON text)",
        ),
        ("row=[1,%0A1e999]", "at row[1]: expected a double, found 1e999 (line 2, column 1 of the JSON text)"),
        (
            "open={\"a\":1,\"%5Cu0061\":2}",
            "at open: the member `a` is given twice (line 1, column 17 of the JSON text)",
        ),
        ("open={}%20{}", "at open: expected the end of the text, found `{` (line 1, column 4 of the JSON text)"),
        ("open={a:1}", "at open: expected a member's name, found `a` (line 1, column 2 of the JSON text)"),
        (
            "any={\"number\":\"7\"}",
            "at any: expected an object (google.protobuf.Any) with a string @type, found an object (line 1, column 1 of the JSON text)",
        ),
        (
            "any={\"@type\":\"type.googleapis.com/t.Card\",\"numbers\":1}",
            "at any.numbers: `t.Card` has no such field (line 1, column 49 of the JSON text)",
        ),
        // What must not be shown.
        (
            "secret=4711",
            "at secret: expected an object (google.protobuf.Struct), found a number (line 1, column 1 of the JSON text)",
        ),
        ("secret=word", "at secret: expected an object (google.protobuf.Struct), found another text"),
        (
            "secret={\"4711\":1,\"4711\":2}",
            "at secret: the member `...` is given twice (line 1, column 18 of the JSON text)",
        ),
        // What is no such value.
        (
            "open.fields[a]=1",
            "at open.fields[a]: expected the google.protobuf.Struct as a whole, in JSON, as in `open={\"key\":1}`, found a key in it",
        ),
        (
            "again.open.fields=1",
            "at again.open.fields: expected the google.protobuf.Struct as a whole, in JSON, as in `again.open={\"key\":1}`, found a key in it",
        ),
        ("open.a=1", "at open.a: there is no such query key"),
        (
            "hand=1",
            "at hand: expected a field that one text can fill, found a list of messages: send it in a JSON body",
        ),
        ("hand.number=1", "at hand.number: there is no such query key"),
        ("again={}", "at again: expected a field that one text can fill, found a message: name a field in it"),
        ("loose[a]=1", "at loose[a]: expected a map whose values one text can fill, found one of messages"),
    ] {
        check(&routes, &[(&format!("GET /v1?{query}"), &format!("{message}, in the query"))]);
    }
    // Each list in a Value is two messages.
    let messages = "nested deeper than 100 messages (line 1, column 50 of the JSON text), in the query";
    check(&routes, &[(&format!("GET /v1?free={}", deep(60)), &format!("at free{}: {messages}", "[0]".repeat(49)))]);
}

#[test]
fn a_json_text_of_a_query_is_nested_as_deep_as_a_body_may_be() {
    let policy = OwnPolicy { json_depth: Some(3), ..OwnPolicy::default() };
    let options = RpcOptions { rpc: "t.S.Get".to_owned(), policy, ..RpcOptions::default() };
    check(
        &routes(&rpc("Get", "Kinds", "Reply", r#"get: "/v1""#), &[options]).unwrap(),
        &[
            ("GET /v1?free=[[[]]]", r#"Get {"free":[[[]]]}"#),
            (
                "GET /v1?free=[[[[]]]]",
                "at free[0][0][0]: nested deeper than 3 levels (line 1, column 4 of the JSON text), in the query",
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
        policy: OwnPolicy { ignore_query: Some(keys), ..OwnPolicy::default() },
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
    assert_eq!(
        problem,
        "t.S.C: \"/v1/C\": towbar.yaml:3:5: ignore_query: `account.iban` is a field of the message and \
                         cannot be ignored"
    );
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
            let message = format!("at {}...: nested deeper than 100 messages, in the query", &field[..200]);
            assert_eq!(ask(levels, leaf), message, "{leaf} {levels}");
        }
    }
}
