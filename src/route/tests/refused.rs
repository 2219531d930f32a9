//! Rules and options that do not fit their rpc stop the start.

use super::*;

#[test]
fn an_rpc_that_cannot_be_routed_stops_the_start() {
    let get = |name: &str, rule: &str| rpc(name, "One", "Reply", rule);
    for (rpcs, problems) in [
        (
            "rpc A(One) returns (Reply);".to_owned(),
            "no rpc in the schema has a google.api.http option, so none can be called; annotate one, or add a file to \
             `rules.files`",
        ),
        (
            get("A", r#"get: "v1""#) + &get("B", r#"get: "/v1/{nope}/{account.card}""#),
            "t.S.A: \"v1\": column 1: expected `/`, found `v`\n\
          t.S.B: \"/v1/{nope}/{account.card}\": column 6: expected a field of `t.One`, found `nope`\n\
          t.S.B: \"/v1/{nope}/{account.card}\": column 13: expected a single value, found the message `account.card`; use \
                   one of its fields",
        ),
        (
            rpc("A", "Kinds", "Reply", r#"get: "/v1/{open}?hand={hand}&cards={cards}&free={free}""#),
            "t.S.A: \"/v1/{open}?hand={hand}&cards={cards}&free={free}\": column 6: expected a single value, found the \
             message `open`; use one of its fields\n\
          t.S.A: \"/v1/{open}?hand={hand}&cards={cards}&free={free}\": column 18: expected a single value, found the \
                   message `hand`; use one of its fields\n\
          t.S.A: \"/v1/{open}?hand={hand}&cards={cards}&free={free}\": column 31: expected a single value, found the \
                   message `cards`; use one of its fields",
        ),
        (
            get("A", r#"get: "/v1/{tags}""#),
            "t.S.A: \"/v1/{tags}\": column 6: expected a single value, found the list `tags`",
        ),
        (
            get("A", r#"get: "/v1/{id.x}""#),
            "t.S.A: \"/v1/{id.x}\": column 6: expected a single message before the dot, found `id`",
        ),
        (
            get("A", r#"get: "/v1?x={nope}""#),
            "t.S.A: \"/v1?x={nope}\": column 8: expected a field of `t.One`, found `nope`",
        ),
        (
            get("A", r#"post: "/v1" body: "nope""#),
            "t.S.A: \"/v1\": body \"nope\": expected a field of `t.One`, found `nope`",
        ),
        (get("A", r#"post: "/v1/{id}" body: "id""#), "t.S.A: \"/v1/{id}\": body \"id\": the path already sets `id`"),
        (
            get("A", r#"post: "/v1?id={id}" body: "*""#),
            "t.S.A: \"/v1?id={id}\": body \"*\" takes every field, so none is left for the query parameters of the template",
        ),
        (get("A", r#"get: "/v1" body: "*""#), "t.S.A: \"/v1\": a GET request has no body (RFC 9110, section 9.3)"),
        (
            get("A", r#"get: "/v1" response_body: "one.nope""#),
            "t.S.A: \"/v1\": response_body \"one.nope\": expected a field of `t.One`, found `nope`",
        ),
        (get("A", r#"custom: { kind: "A B" path: "/v1" }"#), "t.S.A: \"/v1\": expected an HTTP method, found `A B`"),
        (
            get("A", r#"get: "/v1" response_body: "*""#),
            "t.S.A: \"/v1\": response_body \"*\": expected a field of `t.Reply`, found `*`",
        ),
        (
            get("A", r#"post: "/v1/{account.iban}" body: "account.card""#),
            "t.S.A: \"/v1/{account.iban}\": body \"account.card\": the path already sets `account.iban`, of the same oneof",
        ),
        (
            get("A", r#"get: "/v1/{account.iban}/{account.card.number}""#),
            "t.S.A: \"/v1/{account.iban}/{account.card.number}\": column 21: `account.iban` and `account.card.number` \
             belong to the same oneof; use one of them",
        ),
        (
            get("A", r#"custom: { kind: "CONNECT" path: "/v1" }"#),
            "t.S.A: \"/v1\": a rule cannot use the method `CONNECT`, which has no path (RFC 9110, section 9.3.6)",
        ),
        (
            get("A", r#"get: "/v1/{account.iban}?to={account.iban}""#),
            "t.S.A: \"/v1/{account.iban}?to={account.iban}\": column 24: `account.iban` is bound twice",
        ),
        (
            get("A", r#"get: "/v1/{id}" additional_bindings { get: "/v1/{name}" }"#),
            "t.S.A: \"/v1/{id}\": GET at this path also matches the rule \"/v1/{name}\" of t.S.A, and no query parameter \
             tells the two apart; remove one of the two rules",
        ),
        (get("A", r#"body: "*""#), "t.S.A: the rule has no method; add one with its path, such as `get: \"/v1\"`"),
        (
            "rpc A(Upload) returns (Reply) { option (google.api.http) = { post: \"/v1/{content.content_type}\" body: \"content\" }; }".to_owned(),
            "t.S.A: \"/v1/{content.content_type}\": body \"content\": it is a google.api.HttpBody, and the path sets \
             `content.content_type` in it",
        ),
        (
            "rpc A(google.api.HttpBody) returns (Reply) { option (google.api.http) = { post: \"/v1/{data}\" body: \"*\" }; }".to_owned(),
            "t.S.A: \"/v1/{data}\": body \"*\": it is a google.api.HttpBody, and the path sets `data` in it",
        ),
        (
            get("A", r#"get: "/v1/{id}""#) + &get("B", r#"get: "/v1/{name}""#),
            "t.S.A: \"/v1/{id}\": GET at this path also matches the rule \"/v1/{name}\" of t.S.B, and no query parameter \
             tells the two apart; exclude one of them with `expose: {except: [t.S.B]}`, or give it another path in a rules file (`rules.files`)",
        ),
        (
            get("A", r#"get: "/v1?id={id}""#) + &get("B", r#"get: "/v1?name={name}""#),
            "t.S.A: \"/v1?id={id}\": GET at this path also matches the rule \"/v1?name={name}\" of t.S.B, and no query \
             parameter tells the two apart; exclude one of them with `expose: {except: [t.S.B]}`, or give it another path in a rules file (`rules.files`)",
        ),
        (
            rpc("A", "Many", "List", r#"get: "/v1?limit={limit}""#) + &rpc("B", "Many", "List", r#"get: "/v1""#),
            "t.S.A: \"/v1?limit={limit}\": GET at this path also matches the rule \"/v1\" of t.S.B, and no query parameter \
             tells the two apart; exclude one of them with `expose: {except: [t.S.B]}`, or give it another path in a rules file (`rules.files`)",
        ),
        (
            get("A", r#"get: "/v1?id={id}&name={name}""#)
                + &get("B", r#"get: "/v1?id={id}&from={from}""#)
                + &rpc("C", "Many", "List", r#"get: "/v1?limit={limit}""#),
            "t.S.A: \"/v1?id={id}&name={name}\": GET at this path also matches the rule \"/v1?id={id}&from={from}\" of \
             t.S.B, and no query parameter tells the two apart; exclude one of them with `expose: {except: [t.S.B]}`, or give it \
             another path in a rules file (`rules.files`)",
        ),
    ] {
        assert_eq!(routes(&rpcs, &[]).err().unwrap_or_default(), problems, "{rpcs}");
    }
}

#[test]
fn options_must_fit_their_rpc() {
    let options = |rpc: &str, accept_body, members: &[&str]| RpcOptions {
        rpc: rpc.to_owned(),
        place: "towbar.yaml:3:5".to_owned(),
        policy: OwnPolicy {
            accept_body: Some(accept_body),
            ignore_members: Some(UnknownKeys::Listed(members.iter().map(|&member| member.to_owned()).collect())),
            ..OwnPolicy::default()
        },
    };
    let rpcs = rpc("Put", "One", "Reply", r#"put: "/v1/{id}""#)
        + &rpc("Post", "One", "Reply", r#"post: "/v1" body: "*""#)
        + &rpc("Get", "One", "Reply", r#"get: "/v1""#)
        + "rpc Bare(One) returns (Reply);"
        + r#"rpc Watch(One) returns (stream Reply) { option (google.api.http) = { get: "/v1/watch" }; }"#;
    let idempotent = OwnPolicy { idempotent: Some(true), ..OwnPolicy::default() };
    let repeated = |rpc: &str| RpcOptions { policy: idempotent.clone(), ..options(rpc, false, &[]) };
    for (option, problem) in [
        (repeated("t.S.Post"), ""),
        (
            repeated("t.S.Watch"),
            "t.S.Watch: \"/v1/watch\": towbar.yaml:3:5: idempotent: streaming rpcs are never retried; remove this key",
        ),
        (options("t.S.Nope", true, &[]), "towbar.yaml:3:5: the schema has no rpc `t.S.Nope`"),
        (options("t.S.Bare", true, &[]), "towbar.yaml:3:5: `t.S.Bare` has no google.api.http option"),
        (
            options("t.S.Post", true, &[]),
            "t.S.Post: \"/v1\": towbar.yaml:3:5: accept_body: the rule already has a body; remove this key",
        ),
        (
            options("t.S.Get", true, &[]),
            "t.S.Get: \"/v1\": towbar.yaml:3:5: accept_body: expected PUT, POST or PATCH, found GET",
        ),
        (
            options("t.S.Post", false, &["fee", "account.card.holder"]),
            "t.S.Post: \"/v1\": towbar.yaml:3:5: ignore_members: `account.card.holder` is a field of the message and cannot \
             be ignored",
        ),
        (options("t.S.Put", true, &["fee"]), ""),
    ] {
        assert_eq!(routes(&rpcs, std::slice::from_ref(&option)).err().unwrap_or_default(), problem, "{option:?}");
    }
    check(
        &routes(&rpcs, &[options("t.S.Put", true, &["fee"])]).unwrap(),
        &[
            ("PUT /v1/a?name=n", r#"Put {"id":"a","name":"n"}"#),
            ("PUT /v1/a <- {\"name\":\"n\",\"fee\":1}", r#"Put {"id":"a","name":"n"}"#),
            (
                "PUT /v1/a <- {\"id\":\"b\"}",
                "field \"id\": the path and the body have different values for it; leave it out of the body, or send the same value",
            ),
            ("PUT /v1/a?id=a <- {\"id\":\"a\"}", r#"Put {"id":"a"}"#),
            ("PUT /v1/a?name=n <- {}", "query parameter \"name\": send it in the body, not in the query"),
        ],
    );
}

proptest! {
    #[test]
    fn random_request_targets_never_panic(path in "[/a-c%:*.0-9]{0,16}", query in "[a-c=&%+.0-9]{0,16}") {
        let rpcs = PAIR.map(|(name, input, output, rule)| rpc(name, input, output, rule)).concat()
            + &rpc("A", "One", "Reply", r#"get: "/a/{id}:b""#) + &rpc("B", "One", "Reply", r#"get: "/{name=a/**}""#)
            + &rpc("C", "One", "Reply", r#"get: "/{name=**}/b/{id}:c""#);
        let routes = routes(&rpcs, &[]).unwrap();
        let _ = outcome(&routes, "GET", &format!("/{path}?{query}"), None);
    }
}
