//! Query parameters: for maps, for every type of value, and unknown ones.

use super::{Defaults, OwnPolicy, Routes, RpcOptions, UnknownKeys, check, outcome, routes, rpc, schema_of};

#[test]
fn a_map_key_in_a_query_parameter_is_written_in_brackets() {
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
            ("GET /v1?texts[a]=b&texts[a]=b", "query parameter \"texts[a]\": repeated, but it takes only one value"),
            (
                "GET /v1?numbers[1]=2&numbers[1.0]=2",
                "query parameter \"numbers[1.0]\": repeated, but it takes only one value",
            ),
            ("GET /v1?numbers[x]=2", "query parameter \"numbers[x]\": expected a key that is an int32, got \"x\""),
            ("GET /v1?numbers[1]=x", "query parameter \"numbers[1]\": expected a double, got \"x\""),
            (
                "GET /v1?flags[TRUE]=LARGE",
                "query parameter \"flags[TRUE]\": expected a key that is true or false, got \"TRUE\"",
            ),
            ("GET /v1?flags[true]=HUGE", "query parameter \"flags[true]\": expected one of NONE, LARGE, got \"HUGE\""),
            (
                "GET /v1?cards[a]=b",
                "query parameter \"cards[a]\": this is a map of messages, which can only be sent in a JSON body",
            ),
            (
                "GET /v1?texts=b",
                "query parameter \"texts\": this is a map; write one of its keys in brackets, for example texts[key]",
            ),
            ("GET /v1?secrets[a]=1", r#"Get {"secrets":{"a":1}}"#),
            ("GET /v1?secrets[4711]=x", "query parameter \"secrets[...]\": expected an int32, got another text"),
            (
                "GET /v1?secrets[4711]=1&secrets[4711]=2",
                "query parameter \"secrets[...]\": repeated, but it takes only one value",
            ),
            ("GET /v1?texts[a=b", "unknown query parameter \"texts[a\" (did you mean \"texts\"?)"),
            ("GET /v1?texts[a].b=c", "unknown query parameter \"texts[a].b\""),
            ("GET /v1?size[a]=b", "unknown query parameter \"size[a]\""),
            ("GET /v1?nope[a]=b", "unknown query parameter \"nope[a]\""),
            ("GET /v1?[a]=b", "unknown query parameter \"[a]\""),
            (
                "POST /v1/part?account.labels[a]=b <- {}",
                "query parameter \"account.labels[a]\": send it in the body, not in the query",
            ),
        ],
    );
}

#[test]
fn query_parameters_of_every_type_are_read_as_in_json() {
    let routes = routes(&rpc("Get", "Kinds", "Reply", r#"get: "/v1""#), &[]).unwrap();
    check(
        &routes,
        &[
            ("GET /v1?long=-9223372036854775808", r#"Get {"long":"-9223372036854775808"}"#),
            ("GET /v1?long=1e3", r#"Get {"long":"1000"}"#),
            (
                "GET /v1?long=9223372036854775808",
                "query parameter \"long\": expected an int64, got \"9223372036854775808\"",
            ),
            ("GET /v1?ulong=18446744073709551615", r#"Get {"ulong":"18446744073709551615"}"#),
            ("GET /v1?ulong=-1", "query parameter \"ulong\": expected a uint64, got \"-1\""),
            ("GET /v1?real=Infinity", r#"Get {"real":"Infinity"}"#),
            ("GET /v1?real=-0.5e-1", r#"Get {"real":-0.05}"#),
            ("GET /v1?real=1e999", "query parameter \"real\": expected a double, got \"1e999\""),
            ("GET /v1?flag=true", r#"Get {"flag":true}"#),
            ("GET /v1?flag=1", "query parameter \"flag\": expected true or false, got \"1\""),
            ("GET /v1?flag", "query parameter \"flag\": expected true or false, got \"\""),
            ("GET /v1?size=LARGE", r#"Get {"size":"LARGE"}"#),
            ("GET /v1?size=1", r#"Get {"size":"LARGE"}"#),
            (
                "GET /v1?size=large",
                "query parameter \"size\": expected one of NONE, LARGE, got \"large\" (did you mean \"LARGE\"?)",
            ),
            ("GET /v1?blob=_-8", r#"Get {"blob":"/+8="}"#),
            ("GET /v1?blob=%2F%2B8%3D", r#"Get {"blob":"/+8="}"#),
            ("GET /v1?blob=a!", "query parameter \"blob\": expected base64, got \"a!\""),
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

/// The value of a key for a well-known type is its ProtoJSON.
#[test]
fn query_parameters_for_struct_value_and_any_fields_are_given_as_json() {
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
            // Repeating the key makes a list, but a ListValue is a single value.
            (r#"GET /v1?opens={}&opens={"a":[]}"#, r#"Get {"opens":[{},{"a":[]}]}"#),
            ("GET /v1?frees=1&frees=[2,3]&frees=null", r#"Get {"frees":[1.0,[2.0,3.0],null]}"#),
            ("GET /v1?rows=[1]&rows=[]", r#"Get {"rows":[[1.0],[]]}"#),
            (r#"GET /v1/keyed?filter={"a":1}&all="b"&all=2"#, r#"Keyed {"open":{"a":1.0},"frees":["b",2.0]}"#),
            ("GET /v1/keyed?filter=&all=", "Keyed {}"),
            (
                r#"POST /v1/form <- form:open={"a":"b%26c"}&frees=1&frees=2"#,
                r#"Form {"open":{"a":"b&c"},"frees":[1.0,2.0]}"#,
            ),
            // Well-known types can also be set field by field, like other messages.
            ("GET /v1?free.numberValue=1.5", r#"Get {"free":1.5}"#),
            ("GET /v1?free.stringValue=", r#"Get {"free":""}"#),
            (r#"GET /v1?free.structValue={"a":1}"#, r#"Get {"free":{"a":1.0}}"#),
            (
                "GET /v1?any.typeUrl=type.googleapis.com/t.Card&any.value=CgE3",
                r#"Get {"any":{"@type":"type.googleapis.com/t.Card","number":"7"}}"#,
            ),
            // Conflicts are reported as for other keys.
            ("GET /v1?open={}&open={}", "query parameter \"open\": repeated, but it takes only one value"),
            ("GET /v1/keyed?filter={}&open={}", "query parameter \"open\": repeated, but it takes only one value"),
            (
                "GET /v1?free=1&free.numberValue=1",
                "query parameter \"free.numberValue\": repeated, but it takes only one value",
            ),
            ("GET /v1?free.numberValue=1&free=1", "query parameter \"free\": repeated, but it takes only one value"),
            (
                "GET /v1?left=1&right=a",
                "query parameter \"right\": only one field of the oneof \"one\" can be set, and \"left\" already is",
            ),
            ("POST /v1/part?open={} <- {}", "query parameter \"open\": send it in the body, not in the query"),
            ("POST /v1/deep?open={} <- {}", "query parameter \"open\": send it in the body, not in the query"),
            ("POST /v1/form?open={} <- {}", "query parameter \"open\": send it in the body, not in the query"),
            ("GET /v1/typed/a?any={}", "query parameter \"any\": the path already sets a field inside it"),
        ],
    );
}

#[test]
fn invalid_json_in_a_query_parameter_is_reported_with_its_position() {
    let routes = routes(&rpc("Get", "Kinds", "Reply", r#"get: "/v1""#), &[]).unwrap();
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for (query, message) in [
        ("open=word", "query parameter \"open\": expected an object (google.protobuf.Struct), got \"word\""),
        ("open=", "query parameter \"open\": expected an object (google.protobuf.Struct), got \"\""),
        (
            "open=1",
            "query parameter \"open\": expected an object (google.protobuf.Struct), got 1 (line 1, column 1 of the JSON text)",
        ),
        // In JSON, leaving out the member leaves the field unset; in a query, leaving out the key does.
        (
            "open=null",
            "query parameter \"open\": expected an object (google.protobuf.Struct), got null (line 1, column 1 of the JSON text)",
        ),
        (
            "row={}",
            "query parameter \"row\": expected an array (google.protobuf.ListValue), got an object (line 1, column 1 of the JSON text)",
        ),
        (
            "free=word",
            "query parameter \"free\": expected JSON (write a string in double quotes, for example \"word\"), got \"word\"",
        ),
        (
            "free=2026-01-31",
            "query parameter \"free\": expected JSON (write a string in double quotes, for example \"word\"), got \"2026-01-31\"",
        ),
        (
            "free=",
            "query parameter \"free\": expected JSON (write a string in double quotes, for example \"word\"), got \"\"",
        ),
        (
            "free",
            "query parameter \"free\": expected JSON (write a string in double quotes, for example \"word\"), got \"\"",
        ),
        (
            "frees=NaN",
            "query parameter \"frees\": expected JSON (write a string in double quotes, for example \"word\"), got \"NaN\"",
        ),
        ("free=1e999", "query parameter \"free\": expected a double, got 1e999 (line 1, column 1 of the JSON text)"),
        (
            "free=\"a",
            "query parameter \"free\": expected `\"`, got the end of the JSON (line 1, column 3 of the JSON text)",
        ),
        (
            "open={\"a\":[1,{\"b\":1e999}]}",
            "query parameter \"open.a[1].b\": expected a double, got 1e999 (line 1, column 14 of the JSON text)",
        ),
        (
            "row=[1,%0A1e999]",
            "query parameter \"row[1]\": expected a double, got 1e999 (line 2, column 1 of the JSON text)",
        ),
        (
            "open={\"a\":1,\"%5Cu0061\":2}",
            "query parameter \"open\": the object has two members named \"a\" (line 1, column 17 of the JSON text)",
        ),
        (
            "open={}%20{}",
            "query parameter \"open\": expected the end of the text, got `{` (line 1, column 4 of the JSON text)",
        ),
        (
            "open={a:1}",
            "query parameter \"open\": expected a member name in double quotes, got `a` (line 1, column 2 of the JSON text)",
        ),
        (
            "any={\"number\":\"7\"}",
            "query parameter \"any\": expected an object (google.protobuf.Any) with a string @type, got an object (line 1, column 1 of the JSON text)",
        ),
        (
            "any={\"@type\":\"type.googleapis.com/t.Card\",\"numbers\":1}",
            "query parameter \"any.numbers\": no such field (did you mean \"number\"?) (line 1, column 49 of the JSON text)",
        ),
        // Redacted values are not shown.
        (
            "secret=4711",
            "query parameter \"secret\": expected an object (google.protobuf.Struct), got a number (line 1, column 1 of the JSON text)",
        ),
        ("secret=word", "query parameter \"secret\": expected an object (google.protobuf.Struct), got another text"),
        (
            "secret={\"4711\":1,\"4711\":2}",
            "query parameter \"secret\": the object has two members named \"...\" (line 1, column 18 of the JSON text)",
        ),
        // Values that are not valid.
        (
            "open.fields[a]=1",
            "query parameter \"open.fields[a]\": a google.protobuf.Struct is sent whole, as JSON, for example open={\"key\":1}",
        ),
        (
            "again.open.fields=1",
            "query parameter \"again.open.fields\": a google.protobuf.Struct is sent whole, as JSON, for example again.open={\"key\":1}",
        ),
        ("open.a=1", "unknown query parameter \"open.a\""),
        ("hand=1", "query parameter \"hand\": this is a list of messages, which can only be sent in a JSON body"),
        ("hand.number=1", "unknown query parameter \"hand.number\""),
        (
            "again={}",
            "query parameter \"again\": this is a message; set one of its fields instead, for example again.when",
        ),
        (
            "loose[a]=1",
            "query parameter \"loose[a]\": this is a map of messages, which can only be sent in a JSON body",
        ),
    ] {
        check(&routes, &[(&format!("GET /v1?{query}"), message)]);
    }
    // Each list in a Value is two messages.
    let messages = "nested deeper than the limit of 100 messages (line 1, column 50 of the JSON text)";
    check(
        &routes,
        &[(
            &format!("GET /v1?free={}", deep(60)),
            &format!("query parameter \"free{}\": {messages}", "[0]".repeat(49)),
        )],
    );
}

#[test]
fn json_in_a_query_parameter_has_the_depth_limit_of_a_body() {
    let policy = OwnPolicy { json_depth: Some(3), ..OwnPolicy::default() };
    let options = RpcOptions { rpc: "t.S.Get".to_owned(), policy, ..RpcOptions::default() };
    check(
        &routes(&rpc("Get", "Kinds", "Reply", r#"get: "/v1""#), &[options]).unwrap(),
        &[
            ("GET /v1?free=[[[]]]", r#"Get {"free":[[[]]]}"#),
            (
                "GET /v1?free=[[[[]]]]",
                "query parameter \"free[0][0][0]\": nested deeper than the limit of 3 levels (line 1, column 4 of the JSON text)",
            ),
        ],
    );
}

#[test]
fn unknown_query_parameters_are_ignored_only_where_configured() {
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
            ("GET /v1/A?limit=x", "query parameter \"limit\": expected an int32, got \"x\""),
            ("GET /v1/A?name=a&name=b", "query parameter \"name\": repeated, but it takes only one value"),
            (
                "GET /v1/A?$fields=a",
                "query parameter \"$fields\": unknown system parameter; only $alt and $prettyPrint are supported",
            ),
            ("GET /v1/B?utm=1&name.x=2&name=n", r#"B {"name":"n"}"#),
            ("GET /v1/B?utm2=1", "unknown query parameter \"utm2\""),
            ("GET /v1/C?utm=1", "unknown query parameter \"utm\""),
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
fn a_query_parameter_deeper_than_the_message_limit_is_refused() {
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
        // As many levels as a request target of 64 KiB has room for.
        for levels in [levels + 1, 2_000] {
            let field = format!("{}{leaf}", "child.".repeat(levels));
            let message =
                format!("query parameter \"{}...\": nested deeper than the limit of 100 messages", &field[..200]);
            assert_eq!(ask(levels, leaf), message, "{leaf} {levels}");
        }
    }
}
