//! Expressions over messages in wire format.

use crate::codec::validate::Failure;
use crate::codec::validate::tests::{PROTO, compiled, lines, wire};
use crate::format::problem::Problem;
use crate::schema::{Schema, schema_of};

fn rules(field: &str, expression: &str) -> String {
    let cel = serde_json::json!([{ "id": "own.rule", "message": "own message", "expression": expression }]);
    serde_json::json!({ "t.All": { field: { "cel": cel } } }).to_string()
}

/// What a rule says of a message: `passes`, `violated` or `failed`.
fn outcome(schema: &Schema, field: &str, expression: &str, json: &str) -> &'static str {
    let rules = rules(field, expression);
    let validator = compiled(schema, &rules).unwrap_or_else(|problems| panic!("{problems:?}: {expression}"));
    let checks = validator.of(&schema.message("t.All").unwrap()).unwrap();
    let found = checks.violations(&wire(schema, json));
    match (found.list.as_slice(), found.failed) {
        ([], None) => "passes",
        ([], Some(_)) => "failed",
        ([violation], None) if violation.rule == "own.rule" => "violated",
        (other, _) => panic!("{other:?}: {expression}"),
    }
}

#[test]
fn expressions_see_the_values_that_the_message_has() {
    let schema = schema_of(PROTO).unwrap();
    let json = r#"{"s":"é1","os":"","b":"AQI=","i32":-5,"s64":"7","f64":"8","d":1.5,"f":0.5,"t":true,"c":"BLUE","rs":["a","b"],
        "ri":[1,2],"m":{"k":3},"lm":{"4":{"name":"x"}},"leaf":{"name":"n"},"leaves":[{"size":1},{"size":2}],
        "at":"1970-01-02T03:04:05.006Z","for":"90s","w":"wrapped","one":"1"}"#;
    for expression in [
        "this.s == 'é1' && size(this.s) == 2 && this.s.size() == 2",
        "this.b == b'\\x01\\x02' && this.b.startsWith(b'\\x01') && this.b.endsWith(b'\\x02') && this.b.contains(b'')",
        "this.i32 == -5 && this.i32 + 10 == 5 && this.s64 == 7 && this.f64 == 8u",
        "this.d == 1.5 && this.f < 1.0 && !this.d.isNan() && !this.d.isInf() && (1.0 / 0.0).isInf(1)",
        "this.t && this.c == 5",
        "this.rs == ['a', 'b'] && this.rs.unique() && 'a' in this.rs && !('c' in this.rs)",
        "this.rs.all(s, s.matches('^[a-z]$')) && this.rs.exists(s, s == 'b') && this.rs.exists_one(s, s == 'a')",
        "this.rs.map(s, s + s) == ['aa', 'bb'] && this.rs.filter(s, s != 'a') == ['b'] && this.ri[1] == 2",
        "this.m['k'] == 3 && this.m.all(k, k == 'k') && 'k' in this.m && size(this.m) == 1",
        "this.lm[4].name == 'x'",
        "this.leaf.name == 'n' && this.leaf.size == 0 && has(this.leaf.name) && !has(this.leaf.size)",
        "this.leaves.all(l, l.size > 0) && this.leaves[0] != this.leaves[1] && this.leaves[0] == this.leaves[0]",
        "has(this.os) && !has(this.next) && this.next.s == '' && !has(this.next.leaf) && has(this.one) && !has(this.two)",
        "this.at == timestamp('1970-01-02T03:04:05.006Z') && this.at < now && now - this.at > duration('24h')",
        "this.at.getFullYear() == 1970 && this.at.getMonth() == 0 && this.at.getDate() == 2 && this.at.getDayOfWeek() == 5",
        "this.at.getHours() == 3 && this.at.getMinutes() == 4 && this.at.getSeconds() == 5 && this.at.getMilliseconds() == 6",
        "this.for == duration('1m30s') && this.for + this.for == duration('3m') && this.at + this.for > this.at",
        "int(this.at) == 97445 && string(this.at) == '1970-01-02T03:04:05.006Z' && this.at.getDayOfYear() == 1",
        "this.w == 'wrapped' && this.next.w == null",
        "this.s.startsWith('é') && this.s.endsWith('1') && this.s.contains('1') && '%s!'.format([this.s]) == 'é1!'",
        "'a@b.example'.isEmail() && 'b.example'.isHostname() && '::1'.isIp(6) && !'::1'.isIp(4) && '10.0.0.1'.isIp()",
        "'10.0.0.0/8'.isIpPrefix(true) && !'10.0.0.1/8'.isIpPrefix(4, true) && '10.0.0.1/8'.isIpPrefix()",
        "'urn:a'.isUri() && 'a/b'.isUriRef() && 'a:1'.isHostAndPort(true) && 'a'.isHostAndPort(false)",
        "getField(this, 'i32') == -5",
        "(this.i32 > 0 || this.s == 'é1') && (this.t ? true : false)",
        "this.t ? '' : 'not true'",
    ] {
        assert_eq!(outcome(&schema, "(message)", expression, json), "passes", "{expression}");
        let negated =
            if expression.ends_with("'") { "this.t ? 'true' : ''".to_owned() } else { format!("!({expression})") };
        assert_eq!(outcome(&schema, "(message)", &negated, json), "violated", "{negated}");
    }
}

#[test]
fn rules_of_fields_lists_maps_and_their_items_see_their_values() {
    let schema = schema_of(PROTO).unwrap();
    for (field, expression, passes, violates) in [
        ("s", "this != 'no'", r#"{"s":"a"}"#, r#"{"s":"no"}"#),
        ("os", "this == 'yes'", "{}", r#"{"os":""}"#),
        ("i32", "this % 2 == 0", "{}", r#"{"i32":1}"#),
        ("rs", "size(this) < 2", r#"{"rs":["a"]}"#, r#"{"rs":["a","b"]}"#),
        ("rs", "this.unique()", "{}", r#"{"rs":["a","a"]}"#),
        ("m", "this.all(k, this[k] > 0)", r#"{"m":{"a":1}}"#, r#"{"m":{"a":0}}"#),
        ("leaf", "this.size > 0", r#"{"leaf":{"size":1}}"#, r#"{"leaf":{}}"#),
        (
            "at",
            "this > timestamp('2000-01-01T00:00:00Z')",
            r#"{"at":"2001-01-01T00:00:00Z"}"#,
            r#"{"at":"1999-01-01T00:00:00Z"}"#,
        ),
        ("w", "this == ''", r#"{"w":""}"#, r#"{"w":"a"}"#),
        ("d", "!this.isInf()", r#"{"d":1}"#, r#"{"d":"Infinity"}"#),
    ] {
        assert_eq!(outcome(&schema, field, expression, passes), "passes", "{expression}");
        assert_eq!(outcome(&schema, field, expression, violates), "violated", "{expression}");
    }
    let items = r#"{"t.All":{"leaves":{"repeated":{"items":{"cel":[{"id":"a","expression":"this.size > 0"}]}}},
        "m":{"map":{"keys":{"cel_expression":["this != 'k'"]},"values":{"cel":{"id":"v","message":"bad","expression":"this == 1"}}}}}}"#;
    let checks = compiled(&schema, items).unwrap().of(&schema.message("t.All").unwrap()).unwrap();
    let found = checks.violations(&wire(&schema, r#"{"leaves":[{"size":1},{}],"m":{"k":2}}"#));
    let expected = [
        r#"leaves[1] a: "this.size > 0" returned false"#,
        r#"m["k"] this != 'k': "this != 'k'" returned false"#,
        r#"m["k"] v: bad"#,
    ];
    assert_eq!(lines(&found), expected);
    assert_eq!(found.list[1].reason(), "CEL_EXPRESSION");
}

#[test]
fn a_text_that_an_expression_returns_is_what_is_expected() {
    let schema = schema_of(PROTO).unwrap();
    let rules = r#"{"t.All":{"s":{"cel":{"id":"own","expression":"this == '' ? '' : 'not ' + this"}}}}"#;
    let checks = compiled(&schema, rules).unwrap().of(&schema.message("t.All").unwrap()).unwrap();
    assert_eq!(lines(&checks.violations(&wire(&schema, r#"{"s":"a"}"#))), ["s own: not a"]);
    assert_eq!(checks.violations(&wire(&schema, "{}")).list, []);
}

#[test]
fn a_rule_without_a_result_is_a_failure_and_not_a_violation() {
    let schema = schema_of(PROTO).unwrap();
    for (expression, json) in [
        ("this.rs[0] == 'a'", "{}"),
        ("10 / this.i32 > 0", "{}"),
        ("int(this.s) > 0", r#"{"s":"a"}"#),
        ("this.t ? this.s : 1 < 2", r#"{"t":false}"#),
    ] {
        let expected = if expression.starts_with("this.t") { "passes" } else { "failed" };
        assert_eq!(outcome(&schema, "(message)", expression, json), expected, "{expression}");
    }
    let validator = compiled(&schema, &rules("(message)", "this.ri[0] == 1")).unwrap();
    let found = validator.of(&schema.message("t.All").unwrap()).unwrap().violations(b"");
    assert_eq!(found.failed, Some(Failure { field: String::new(), rule: "own.rule".to_owned() }));
}

#[test]
fn wrong_expressions_are_reported_with_the_column() {
    let schema = schema_of(PROTO).unwrap();
    let long = format!("this == '{}'", "a".repeat(5000));
    for (field, expression, problem) in [
        ("(message)", "this.s ==", "column 10: "),
        ("(message)", "this.nmae == ''", "column 5: message t.All has no field `nmae`"),
        ("(message)", "this.leaf.nmae == ''", "column 10: message t.Leaf has no field `nmae`; did you mean `name`?"),
        (
            "(message)",
            "this.leaves.all(l, l.nam == '')",
            "column 21: message t.Leaf has no field `nam`; did you mean `name`?",
        ),
        ("s", "that == ''", "column 1: unknown variable `that`"),
        ("s", "rule == ''", "column 1: unknown variable `rule`"),
        ("s", "this.isEmial()", "column 13: unknown function `isEmial`; did you mean `isEmail`?"),
        ("s", "this.matches(this)", "column 14: the pattern of `matches` must be a literal"),
        ("s", "this.matches('(')", "column 14: the pattern is not a regular expression: unclosed group"),
        ("s", "t.Leaf{name: 'a'} == this", "column 7: expressions cannot make messages"),
        ("s", "this > 1", "found no matching overload for '_>_' applied to '(string, int)'"),
        ("s", "this + 1 == ''", "the operands of `add` have types that it cannot combine"),
        ("s", "size(this)", "expected an expression that returns a bool or a string, not int"),
        ("s", &long, "expected an expression of at most 4096 bytes, got 5010"),
    ] {
        let problems = compiled(&schema, &rules(field, expression)).unwrap_err();
        let shown: Vec<String> = problems.iter().map(Problem::to_string).collect();
        let place = format!("/t.All/{field}/cel/expression: cel: `");
        assert!(
            shown.len() == 1 && shown[0].starts_with(&place) && shown[0].contains(problem),
            "{expression}: {shown:?}"
        );
    }
}

#[test]
fn fields_of_which_at_most_one_may_be_set_are_counted() {
    let schema = schema_of(PROTO).unwrap();
    let rules = r#"{"t.All":{"(message)":{"oneof":[{"fields":["s","i32","rs"],"required":true},{"fields":["os","leaf"]}]},
        "s":{"string":{"min_len":2}}}}"#;
    let checks = compiled(&schema, rules).unwrap().of(&schema.message("t.All").unwrap()).unwrap();
    let none = " message.oneof: one of s, i32, rs must be set";
    let several = " message.oneof: only one of s, i32, rs can be set";
    for (json, expected) in [
        ("{}", vec![none]),
        (r#"{"s":"ab"}"#, vec![]),
        (r#"{"i32":1}"#, vec![]),
        (r#"{"s":"","i32":0,"rs":["a"]}"#, vec![]),
        (r#"{"s":"a","rs":["a"]}"#, vec![several, "s string.min_len: expected at least 2 characters"]),
        (r#"{"i32":1,"os":"","leaf":{}}"#, vec![" message.oneof: only one of os, leaf can be set"]),
    ] {
        assert_eq!(lines(&checks.violations(&wire(&schema, json))), expected, "{json}");
    }
    for (oneof, problem) in [
        (r#"[{"fields":["x"]}]"#, "oneof: message t.All has no field `x`"),
        (r#"[{"fields":["s","s"]}]"#, "oneof: field `s` is listed twice"),
        (r#"[{"required":true}]"#, "oneof: expected `fields`"),
    ] {
        let rules = format!(r#"{{"t.All":{{"(message)":{{"oneof":{oneof}}}}}}}"#);
        let problems = compiled(&schema, &rules).unwrap_err();
        assert!(problems[0].to_string().contains(problem), "{problems:?}");
    }
}

/// The worst that an expression of the permitted length can do, with the largest message that is made into values.
#[test]
fn the_work_of_expressions_is_limited() {
    let schema = schema_of(PROTO).unwrap();
    let many = format!(r#"{{"ri":[{}1],"rs":["{}"]}}"#, "1,".repeat(9_999), "a".repeat(100_000));
    for expression in [
        "this.ri.all(a, this.ri.all(b, this.ri.all(c, a == b && b == c)))",
        "this.ri.map(a, this.ri).map(l, l.map(x, this.ri)).size() > 0",
        "this.ri.all(a, this.rs.all(s, !s.contains('b')))",
        "this.ri.all(a, this.rs[0].matches('^a*$'))",
        "this.ri.all(a, this.rs[0] + 'b' != this.rs[0] + 'c')",
        "this.ri.exists(a, this.ri == this.ri && a > 1)",
        "this.ri.all(a, a == 2 || this.ri.exists(b, b == 2) || this.ri.exists(b, b == 3)) || true",
    ] {
        let started = std::time::Instant::now();
        assert_eq!(outcome(&schema, "(message)", expression, &many), "violated", "{expression}");
        // Debug builds are some 10 times slower than what is shipped.
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{expression}: {:?}", started.elapsed());
    }
    let few = format!(r#"{{"ri":[{}1]}}"#, "1,".repeat(999));
    assert_eq!(outcome(&schema, "(message)", "this.ri.all(a, a > 0 && a < 5)", &few), "passes");
}
