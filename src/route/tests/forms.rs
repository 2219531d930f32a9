//! URL-encoded forms: bodies that are read like query strings.

use super::{check, routes, rpc};

#[test]
fn a_form_fills_the_fields_of_the_body() {
    let rpcs = [
        rpc("Whole", "One", "Reply", r#"post: "/v1/{id}" body: "*""#),
        rpc("Part", "One", "Reply", r#"post: "/v1/part/{account.card.number}" body: "account""#),
        rpc("Nested", "One", "Reply", r#"put: "/v1/nested" body: "account.card""#),
    ];
    check(
        &routes(&rpcs.concat(), &[]).unwrap(),
        &[
            (
                "POST /v1/a <- form:name=n+m%2B&tags=x&tags=y&limit=1e1&account.labels[k]=v",
                r#"Whole {"id":"a","account":{"labels":{"k":"v"}},"name":"n m+","tags":["x","y"],"limit":10}"#,
            ),
            ("POST /v1/a <- form:id=a&data=", r#"Whole {"id":"a"}"#),
            ("POST /v1/a?id=a <- form:name=n", r#"Whole {"id":"a","name":"n"}"#),
            (
                "POST /v1/a <- form:id=b",
                "form field \"id\": the path has a different value for it; leave it out of the query, or send the same value",
            ),
            ("POST /v1/a <- form:name=n&name=n", "form field \"name\": repeated, but it takes only one value"),
            ("POST /v1/a <- form:nope=1", "unknown form field \"nope\""),
            ("POST /v1/a <- form:$alt=json", "unknown form field \"$alt\""),
            ("POST /v1/a <- form:limit=", "form field \"limit\": expected an int32, got \"\""),
            (
                "POST /v1/a <- form:account.labels[a]=b&account.labels[a]=b",
                "form field \"account.labels[a]\": repeated, but it takes only one value",
            ),
            (
                "POST /v1/a <- form:account.iban=1&account.card.number=2",
                "form field \"account.card.number\": only one field of the oneof \"kind\" can be set, and \"iban\" already is",
            ),
            (
                "POST /v1/a <- form:account=x",
                "form field \"account\": this is a message; set one of its fields instead, for example account.iban",
            ),
            ("POST /v1/a?name=n <- form:limit=1", "query parameter \"name\": send it in the body, not in the query"),
            (
                "POST /v1/a <- form:name=%zz",
                "the form is malformed: field number 1: invalid percent-encoding: expected two hexadecimal digits after \"%\"; write %25 for a literal \"%\"",
            ),
            (
                "POST /v1/a <- form:name=%00",
                "the form is malformed: field number 1: a NUL character (%00) is not allowed",
            ),
            (
                "POST /v1/a <- form:name=\u{e9}",
                "the form is malformed: it contains bytes that are not ASCII; percent-encode them",
            ),
            (
                "POST /v1/part/1?name=n <- form:card.holder=h&labels[a]=b",
                r#"Part {"account":{"card":{"number":"1","holder":"h"},"labels":{"a":"b"}},"name":"n"}"#,
            ),
            (
                "POST /v1/part/1 <- form:card.number=2",
                "form field \"card.number\": the path has a different value for it; leave it out of the query, or send the same value",
            ),
            (
                "POST /v1/part/1 <- form:iban=x",
                "form field \"iban\": only one field of the oneof \"kind\" can be set, and \"card\" already is",
            ),
            ("POST /v1/part/1 <- form:name=n", "unknown form field \"name\""),
            (
                "POST /v1/part/1?account.iban=n <- form:",
                "query parameter \"account.iban\": send it in the body, not in the query",
            ),
            ("PUT /v1/nested?name=n <- form:number=1", r#"Nested {"account":{"card":{"number":"1"}},"name":"n"}"#),
        ],
    );
}

#[test]
fn a_form_is_accepted_only_where_the_body_is_a_message() {
    for (rule, takes) in [
        (r#"post: "/v1" body: "*""#, true),
        (r#"post: "/v1" body: "account.card""#, true),
        (r#"post: "/v1" body: "name""#, false),
        (r#"post: "/v1" body: "tags""#, false),
        (r#"post: "/v1" body: "account.labels""#, false),
        (r#"post: "/v1""#, false),
    ] {
        let routes = routes(&rpc("A", "One", "Reply", rule), &[]).unwrap();
        assert_eq!(routes.all()[0].takes_form(), takes, "{rule}");
    }
    let timestamp = routes(&rpc("A", "Kinds", "Reply", r#"post: "/v1" body: "when""#), &[]).unwrap();
    assert!(!timestamp.all()[0].takes_form());
}
