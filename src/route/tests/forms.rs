//! Forms: bodies that are read as queries are.

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
            ("POST /v1/a <- form:id=b", "at id: the path gives the field another value, in the form"),
            ("POST /v1/a <- form:name=n&name=n", "at name: is given twice, in the form"),
            ("POST /v1/a <- form:nope=1", "at nope: there is no such field, in the form"),
            ("POST /v1/a <- form:$alt=json", "at $alt: there is no such field, in the form"),
            ("POST /v1/a <- form:limit=", "at limit: expected an int32, found \"\", in the form"),
            (
                "POST /v1/a <- form:account.labels[a]=b&account.labels[a]=b",
                "at account.labels[a]: is given twice, in the form",
            ),
            (
                "POST /v1/a <- form:account.iban=1&account.card.number=2",
                "at account.card.number: `iban` is given too, and only one of the oneof `kind` can be, in the form",
            ),
            (
                "POST /v1/a <- form:account=x",
                "at account: expected a field that one text can fill, found a message: name a field in it, in the form",
            ),
            ("POST /v1/a?name=n <- form:limit=1", "at name: the field belongs to the body, in the query"),
            (
                "POST /v1/a <- form:name=%zz",
                "at query pair 1: expected two hexadecimal digits after `%`, found something else, in the form",
            ),
            ("POST /v1/a <- form:name=%00", "at query pair 1: expected text, found a NUL character, in the form"),
            ("POST /v1/a <- form:name=\u{e9}", "expected ASCII with escapes, found other bytes, in the form"),
            (
                "POST /v1/part/1?name=n <- form:card.holder=h&labels[a]=b",
                r#"Part {"account":{"card":{"number":"1","holder":"h"},"labels":{"a":"b"}},"name":"n"}"#,
            ),
            (
                "POST /v1/part/1 <- form:card.number=2",
                "at card.number: the path gives the field another value, in the form",
            ),
            (
                "POST /v1/part/1 <- form:iban=x",
                "at iban: `card` is given too, and only one of the oneof `kind` can be, in the form",
            ),
            ("POST /v1/part/1 <- form:name=n", "at name: there is no such field, in the form"),
            ("POST /v1/part/1?account.iban=n <- form:", "at account.iban: the field belongs to the body, in the query"),
            ("PUT /v1/nested?name=n <- form:number=1", r#"Nested {"account":{"card":{"number":"1"}},"name":"n"}"#),
        ],
    );
}

#[test]
fn a_form_is_taken_where_the_body_is_a_message() {
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
