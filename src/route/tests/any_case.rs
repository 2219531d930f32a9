//! Names that are read in any case, where that is switched on.

use super::{Defaults, MESSAGES, OwnPolicy, Policy, Query, Routes, RpcOptions, UnknownKeys, check, rpc, schema_of};
use crate::route::policy::{Layer as _, OwnJson};
use crate::schema::AnyCase;

const FIELDS: AnyCase = AnyCase { fields: true, enums: false };
const ENUMS: AnyCase = AnyCase { fields: false, enums: true };
const BOTH: AnyCase = AnyCase { fields: true, enums: true };

/// Settings that read names this way for all rpcs.
fn defaults(any_case: AnyCase) -> Defaults {
    let policy = Policy::default().with(&own(any_case));
    Defaults { policy, ..Defaults::default() }
}

/// Settings that read names this way for one rpc.
fn own(any_case: AnyCase) -> OwnPolicy {
    let json = OwnJson {
        case_insensitive_field_parsing: Some(any_case.fields),
        case_insensitive_enum_parsing: Some(any_case.enums),
        ..OwnJson::default()
    };
    OwnPolicy { json, ..OwnPolicy::default() }
}

fn routes(rpcs: &str, any_case: AnyCase, options: &[RpcOptions]) -> Result<Routes, String> {
    let more = "message Alike { string id = 1; string two = 2 [json_name = \"ID\"]; } message Hidden { Alike deep = 1; string page_token = 2; string Page = 3; }
        enum Twin { ONE = 0; one = 1; } message Twins { map<string, Twin> twins = 1; google.protobuf.Any any = 2; }";
    let schema = schema_of(&format!("{MESSAGES} {more} service S {{ {rpcs} }}")).unwrap();
    let built = Routes::build(&schema, options, &defaults(any_case));
    built.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn field_names_are_read_in_any_case_in_queries_forms_and_bodies() {
    let rpcs = [
        rpc("Get", "One", "Reply", r#"get: "/v1/{id}?q={from}""#),
        rpc("Post", "One", "Reply", r#"post: "/v1/{id}" body: "*""#),
        rpc("Kinds", "Kinds", "Reply", r#"get: "/v2" additional_bindings { post: "/v2" body: "*" }"#),
    ];
    check(
        &routes(&rpcs.concat(), FIELDS, &[]).unwrap(),
        &[
            ("GET /v1/a?LIMIT=1&Long_Name=b&q=c", r#"Get {"id":"a","limit":1,"from":"c","longName":"b"}"#),
            (
                "GET /v1/a?LONGNAME=b&Account.Labels[Key]=c",
                r#"Get {"id":"a","account":{"labels":{"Key":"c"}},"longName":"b"}"#,
            ),
            ("GET /v1/a?Tags=b&tags=c&TAGS=d", r#"Get {"id":"a","tags":["b","c","d"]}"#),
            // This also holds for a key of the template, whose empty value counts as absent.
            ("GET /v1/a?Q=b", r#"Get {"id":"a","from":"b"}"#),
            ("GET /v1/a?Q=&FROM=", "query parameter \"FROM\": repeated, but it takes only one value"),
            ("GET /v1/a?Q=", r#"Get {"id":"a"}"#),
            (
                r#"POST /v1/a <- {"LIMIT":1,"Account":{"IBAN":"b"},"long_Name":"c"}"#,
                r#"Post {"id":"a","account":{"iban":"b"},"limit":1,"longName":"c"}"#,
            ),
            (
                r#"POST /v1/a <- form:LIMIT=1&account.Card.NUMBER=2"#,
                r#"Post {"id":"a","account":{"card":{"number":"2"}},"limit":1}"#,
            ),
            (
                r#"POST /v2 <- {"ANY":{"@type":"type.googleapis.com/t.Card","NUMBER":"7"}}"#,
                r#"Kinds {"any":{"@type":"type.googleapis.com/t.Card","number":"7"}}"#,
            ),
            // Two spellings name the same field.
            ("GET /v1/a?limit=1&LIMIT=2", "query parameter \"LIMIT\": repeated, but it takes only one value"),
            (
                r#"POST /v1/a <- {"limit":1,"Limit":1}"#,
                "field \"Limit\": repeated, but it takes only one value (line 1, column 20)",
            ),
            (
                r#"POST /v1/a <- {"ID":"b"}"#,
                "field \"id\": the path and the body have different values for it; leave it out of the body, or send the same value",
            ),
            (r#"POST /v1/a <- {"Id":"a"}"#, r#"Post {"id":"a"}"#),
            (
                "GET /v1/a?ID=b",
                "query parameter \"ID\": the path has a different value for it; leave it out of the query, or send the same value",
            ),
            (
                r#"POST /v1/a <- {"account":{"Iban":"b","CARD":{}}}"#,
                "field \"account.CARD\": only one field of the oneof \"kind\" can be set, and \"iban\" already is (line 1, column 31)",
            ),
            // Case matters everywhere else.
            ("GET /v1/a?LIMITS=1", "unknown query parameter \"LIMITS\" (did you mean \"limit\"?)"),
            (r#"POST /v1/a <- {"L\u0130M\u0130T":1}"#, "unknown field \"L\u{130}M\u{130}T\" (line 1, column 20)"),
            ("GET /V1/a", "no route matches this path (did you mean \"/v1/a\"?)"),
            (
                "GET /v2?SIZE=large",
                "query parameter \"SIZE\": expected one of NONE, LARGE, got \"large\" (did you mean \"LARGE\"?)",
            ),
            (
                "GET /v1/a?$ALT=json",
                "query parameter \"$ALT\": unknown system parameter; only $alt and $prettyPrint are supported",
            ),
            (
                r#"POST /v2 <- {"any":{"@TYPE":"type.googleapis.com/t.Card"}}"#,
                "field \"any\": expected an object (google.protobuf.Any) with a string @type, got an object (line 1, column 8)",
            ),
        ],
    );
}

#[test]
fn enum_values_are_read_in_any_case_everywhere() {
    let rpcs = [
        rpc("Get", "Kinds", "Reply", r#"get: "/v1/{size}""#),
        rpc("Post", "Kinds", "Reply", r#"post: "/v1" body: "*""#),
    ];
    check(
        &routes(&rpcs.concat(), ENUMS, &[]).unwrap(),
        &[
            (
                "GET /v1/Large?sizes=large&sizes=LARGE&sizes=1&flags[true]=lArGe",
                r#"Get {"size":"LARGE","flags":{"true":"LARGE"},"sizes":["LARGE","LARGE","LARGE"]}"#,
            ),
            ("GET /v1/none?nothing=null_value", "Get {}"),
            (
                r#"POST /v1 <- {"size":"large","sizes":["None"],"flags":{"false":"large"}}"#,
                r#"Post {"size":"LARGE","flags":{"false":"LARGE"},"sizes":["NONE"]}"#,
            ),
            (
                "GET /v1/larger",
                "path variable \"size\": expected one of NONE, LARGE, got \"larger\" (did you mean \"LARGE\"?)",
            ),
            (
                r#"POST /v1 <- {"size":"larger"}"#,
                "field \"size\": expected one of NONE, LARGE, got \"larger\" (did you mean \"LARGE\"?) (line 1, column 9)",
            ),
            (r#"POST /v1 <- {"SIZE":"LARGE"}"#, "unknown field \"SIZE\" (did you mean \"size\"?) (line 1, column 9)"),
            (
                "GET /v1/NONE?flags[TRUE]=LARGE",
                "query parameter \"flags[TRUE]\": expected a key that is true or false, got \"TRUE\"",
            ),
        ],
    );
}

#[test]
fn case_insensitive_names_can_be_configured_per_rpc() {
    let rpcs = ["A", "B"].map(|name| rpc(name, "Kinds", "Reply", &format!(r#"get: "/v1/{name}""#))).concat();
    let one = |any_case| RpcOptions { rpc: "t.S.B".to_owned(), policy: own(any_case), ..RpcOptions::default() };
    let refused = "unknown query parameter \"LONG\" (did you mean \"long\"?)";
    for (all, own, answers) in [
        (AnyCase::default(), BOTH, [refused, r#"B {"size":"LARGE","long":"1"}"#]),
        (BOTH, AnyCase::default(), [r#"A {"size":"LARGE","long":"1"}"#, refused]),
    ] {
        let routes = routes(&rpcs, all, &[one(own)]).unwrap();
        check(&routes, &[("GET /v1/A?LONG=1&size=large", answers[0]), ("GET /v1/B?LONG=1&size=large", answers[1])]);
    }
}

#[test]
fn names_that_differ_only_in_case_stop_the_start_if_case_is_ignored() {
    let advice =
        |key: &str| format!("set `json.case_insensitive_{key}_parsing: false` for the rpcs that use it, or for all");
    let fields = format!("t.S.A: t.Alike: `ID` and `id` are two fields that differ only in case: {}", advice("field"));
    let values = format!("t.S.B: t.Twin: `ONE` and `one` are two values that differ only in case: {}", advice("enum"));
    let rpcs = rpc("A", "Hidden", "Reply", r#"get: "/v1/a""#) + &rpc("B", "Twins", "Alike", r#"get: "/v1/b""#);
    for (any_case, problems) in [
        (FIELDS, Some(fields.clone())),
        (ENUMS, Some(values.clone())),
        (BOTH, Some(format!("{fields}\n{values}"))),
        (AnyCase::default(), None),
    ] {
        assert_eq!(routes(&rpcs, any_case, &[]).err(), problems, "{any_case:?}");
    }
    let one =
        |rpc: &str, any_case| RpcOptions { rpc: format!("t.S.{rpc}"), policy: own(any_case), ..RpcOptions::default() };
    assert_eq!(routes(&rpcs, BOTH, &[one("A", ENUMS), one("B", FIELDS)]).err(), None);
    let own = "set `json.case_insensitive_field_parsing: false` for this rpc, or for all";
    for (rpcs, problem) in [
        // In the template and in `body`, which the operator writes, case matters.
        (rpc("A", "One", "Reply", r#"get: "/v1/{ID}""#), "t.S.A: \"/v1/{ID}\": column 6: expected a field of `t.One`, found `ID`".to_owned()),
        (rpc("A", "One", "Reply", r#"post: "/v1" body: "Account""#), "t.S.A: \"/v1\": body \"Account\": expected a field of `t.One`, found `Account`".to_owned()),
        (
            rpc("A", "One", "Reply", r#"get: "/v1?LIMIT={from}""#),
            format!("t.S.A: \"/v1?LIMIT={{from}}\": if case is ignored, the query parameter `LIMIT` is also the field \
                     `limit`: {own}"),
        ),
        (
            rpc("A", "One", "Reply", r#"get: "/v1?limit={from}""#),
            format!("t.S.A: \"/v1?limit={{from}}\": if case is ignored, the query parameter `limit` is also the field \
                     `limit`: {own}"),
        ),
        (
            rpc("A", "One", "Reply", r#"get: "/v1?q={from}&Q={name}""#),
            format!("t.S.A: \"/v1?q={{from}}&Q={{name}}\": if case is ignored, the query parameter `Q` is also the key `q`: \
                     {own}"),
        ),
        (
            rpc("A", "One", "Reply", r#"get: "/v1?q={from}""#) + &rpc("B", "Many", "List", r#"get: "/v1?q={from}&limit={limit}""#),
            "t.S.A: \"/v1?q={from}\": `json.case_insensitive_field_parsing` must be the same as for t.S.B, which has the \
             same method and path".to_owned(),
        ),
    ] {
        let exact = one("B", AnyCase::default());
        let options = if rpcs.contains("rpc B") { vec![exact] } else { Vec::new() };
        assert_eq!(routes(&rpcs, FIELDS, &options).err(), Some(problem));
    }
    let options = RpcOptions {
        rpc: "t.S.A".to_owned(),
        place: "towbar.yaml:3:5".to_owned(),
        policy: OwnPolicy {
            ignore_members: Some(UnknownKeys::Listed(vec!["LIMIT".to_owned(), "Other.Colour".to_owned()])),
            ignore_query: Some(UnknownKeys::Listed(vec!["Account.IBAN".to_owned(), "UTM".to_owned()])),
            ..OwnPolicy::default()
        },
    };
    assert_eq!(
        routes(&rpc("A", "One", "Reply", r#"post: "/v1" body: "*""#), FIELDS, &[options]).err().unwrap(),
        "t.S.A: \"/v1\": towbar.yaml:3:5: ignore_query: `Account.IBAN` is a field of the message and cannot be ignored\n\
         t.S.A: \"/v1\": towbar.yaml:3:5: ignore_members: `LIMIT` is a field of the message and cannot be ignored"
    );
    // An Any may hold any message; a name that could mean two fields means none.
    check(
        &routes(&rpc("B", "Twins", "Alike", r#"post: "/v1" body: "any""#), FIELDS, &[]).unwrap(),
        &[
            (r#"POST /v1 <- {"@type":"x/t.Alike","ID":"a"}"#, r#"B {"any":{"@type":"x/t.Alike","ID":"a"}}"#),
            (
                r#"POST /v1 <- {"@type":"x/t.Alike","Id":"a"}"#,
                "unknown field \"Id\" (did you mean \"id\"?) (line 1, column 27)",
            ),
        ],
    );
}

#[test]
fn query_parameters_in_any_case_select_the_rpc_of_a_shared_path() {
    let rpcs = rpc("One", "One", "Reply", r#"get: "/v1?id={id}""#)
        + &rpc("Many", "Many", "List", r#"get: "/v1?Offset={offset}""#);
    check(
        &routes(&rpcs, FIELDS, &[]).unwrap(),
        &[
            ("GET /v1?ID=a", r#"One {"id":"a"}"#),
            ("GET /v1?OFFSET=a", r#"Many {"offset":"a"}"#),
            ("GET /v1?ID=a&OFFSET=", r#"One {"id":"a"}"#),
            (
                "GET /v1?ID=a&OFFSET=b",
                "the query parameters \"ID\", \"OFFSET\" cannot be combined: they belong to different operations of this path",
            ),
        ],
    );
    // Without the list, both would take a key that is equal in lower case.
    let rpcs =
        rpc("A", "One", "Reply", r#"get: "/v1?q={id}""#) + &rpc("B", "Many", "Reply", r#"get: "/v1?Q={offset}""#);
    assert!(routes(&rpcs, FIELDS, &[]).is_err());
}

#[test]
fn an_update_mask_has_the_declared_field_names_whatever_their_case_in_the_body() {
    let one = r#"message Put { One one = 1; google.protobuf.FieldMask update_mask = 2; }"#;
    let rule = rpc("Put", "Put", "Reply", r#"patch: "/v1/{one.id}" body: "one""#);
    let schema = schema_of(&format!("{MESSAGES} {one} service S {{ {rule} }}")).unwrap();
    let routes = Routes::build(&schema, &[], &defaults(FIELDS)).unwrap();
    check(
        &routes,
        &[
            (
                r#"PATCH /v1/a <- {"LONG_NAME":"b","Account":{"IBAN":"c"}}"#,
                r#"Put {"one":{"id":"a","account":{"iban":"c"},"longName":"b"},"updateMask":"longName,account.iban"}"#,
            ),
            (r#"PATCH /v1/a <- form:LONGNAME=b"#, r#"Put {"one":{"id":"a","longName":"b"},"updateMask":"longName"}"#),
        ],
    );
}

#[test]
fn a_field_named_by_the_backend_is_shown_in_the_case_the_caller_used() {
    let rpcs = rpc("A", "One", "Reply", r#"post: "/v1" body: "*" additional_bindings { get: "/v1" }"#);
    let routes = routes(&rpcs, FIELDS, &[]).unwrap();
    for (rule, query, body, field, name) in [
        (0, "", Some(r#"{"LONG_Name":"a"}"#), "long_name", "LONG_Name"),
        (0, "", Some(r#"{"Account":{"IBAN":"a"}}"#), "account.iban", "Account.IBAN"),
        (0, "", Some(r#"{"Account":{"IBAN":"a"}}"#), "account.labels", "Account.labels"),
        (1, "Long_Name=a", None, "long_name", "Long_Name"),
    ] {
        let given = routes.all()[rule].callers_name(field, &Query::parse(query).unwrap(), body.map(str::as_bytes));
        assert_eq!(given.as_deref(), Some(name), "{query} {body:?}");
    }
}
