//! Every request that the gateway itself refuses: status, body and headers, to the byte where they are short.

use std::io::{ErrorKind, Write as _};

use towbar::cli::demo::bank::SampleBank;

use crate::support;
use crate::support::{Stage, assert_field_refused, assert_refused, assert_reply, http};

const SWIFT: &str = "account.swift.bic=IRONUSCA000&account.swift.account=iban:3814827";

fn sample_altered(alter: impl FnOnce(String) -> String) -> Stage {
    Stage::altered(SampleBank::new().routes().into_axum_router(), alter)
}

/// A refusal without details.
fn plain(code: i64, message: &str) -> String {
    serde_json::json!({ "code": code, "message": message }).to_string()
}

#[test]
fn query_parameters_of_different_rpcs_cannot_be_combined() {
    let stage = Stage::sample();
    for (query, keys) in [
        ("transaction_id=t1&limit=5", ["transaction_id", "limit"].as_slice()),
        ("limit=5&transactionId=t1", &["limit", "transactionId"]),
        ("transaction_id=t1&offset=tx-3&limit=5", &["transaction_id", "offset", "limit"]),
    ] {
        let names: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
        let message = format!(
            "the query parameters {} cannot be combined: they belong to different operations of this path",
            names.join(", ")
        );
        let violations: Vec<_> = keys
            .iter()
            .map(|key| serde_json::json!({ "field": key, "description": "cannot be combined with the others" }))
            .collect();
        let detail = serde_json::json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": violations,
        });
        let body = serde_json::json!({ "code": 3, "message": message, "details": [detail] }).to_string();
        let answer = stage.get(&format!("/accounts/transactions?{query}&{SWIFT}"));
        assert_refused(&answer, 400, &body, query);
    }
}

#[test]
fn an_invalid_query_parameter_is_refused_by_name_with_the_reason() {
    let stage = Stage::sample();
    for (target, key, problem) in [
        (
            "/accounts/balance?account.sepa.iban=a&account.sepa.iban=b",
            "account.sepa.iban",
            "repeated, but it takes only one value",
        ),
        (
            "/accounts/balance?account.sepa.iban=a&account.sepa.iban=a",
            "account.sepa.iban",
            "repeated, but it takes only one value",
        ),
        (
            "/accounts/balance?account.sepa.iban=&account.sepa.iban=b",
            "account.sepa.iban",
            "repeated, but it takes only one value",
        ),
        (
            "/accounts/transactions?transaction_id=a&transactionId=b",
            "transactionId",
            "repeated, but it takes only one value",
        ),
        ("/accounts/transactions?start_date=a&startDate=b", "startDate", "repeated, but it takes only one value"),
        (
            "/accounts/balance?account.swift.bic=a&account.iban.iban=b",
            "account.iban.iban",
            "only one field of the oneof \"account\" can be set, and \"swift\" already is",
        ),
        (
            "/accounts/balance?account.faster_payments.sort_code=a&account.sepa.iban=b",
            "account.sepa.iban",
            "only one field of the oneof \"account\" can be set, and \"fasterPayments\" already is",
        ),
        ("/accounts/balance?colour=red", "colour", "no such field"),
        ("/accounts/balance?colour=", "colour", "no such field"),
        ("/accounts/balance?account.swift.colour=red", "account.swift.colour", "no such field"),
        ("/accounts/balance?account.swift.bic.x=red", "account.swift.bic.x", "no such field"),
        ("/accounts/balance?Account.swift.bic=a", "Account.swift.bic", "no such field"),
        (
            "/accounts/balance?account.swift=a",
            "account.swift",
            "this is a message; set one of its fields instead, for example account.swift.bic",
        ),
        (
            "/accounts/balance?account.metadata=a",
            "account.metadata",
            "this is a map; write one of its keys in brackets, for example account.metadata[key]",
        ),
        ("/accounts/transactions?limit=two", "limit", "expected an int32, got \"two\""),
        ("/accounts/transactions?limit=2147483648", "limit", "expected an int32, got \"2147483648\""),
        ("/accounts/transactions?limit=1.5", "limit", "expected an int32, got \"1.5\""),
        ("/accounts/transactions?limit=0x10", "limit", "expected an int32, got \"0x10\""),
        ("/accounts/transactions?limit=+1", "limit", "expected an int32, got \" 1\""),
        ("/accounts/transactions?integer_offset=", "integer_offset", "expected an int32, got \"\""),
        (
            "/accounts/balance?account.account_features.supports_payment=yes",
            "account.account_features.supports_payment",
            "expected true or false, got \"yes\"",
        ),
    ] {
        let message = match problem.strip_prefix("no such field") {
            Some(near) => format!("unknown query parameter \"{key}\"{near}"),
            None => format!("query parameter \"{key}\": {problem}"),
        };
        assert_field_refused(&stage.get(target), &message, key, problem);
    }
    for (target, key, problem) in [
        ("/storage/k?category=COLOUR", "category", "expected one of INVALID, ACCOUNT_INFO, TOKEN_INFO, got \"COLOUR\""),
        (
            "/storage/k?category=account_info",
            "category",
            "expected one of INVALID, ACCOUNT_INFO, TOKEN_INFO, got \"account_info\" (did you mean \"ACCOUNT_INFO\"?)",
        ),
        ("/storage/k?value=%21", "value", "expected base64, got another text"),
        (
            "/storage/k?key=other",
            "key",
            "the path has a different value for it; leave it out of the query, or send the same value",
        ),
        (
            "/storage/k?key=",
            "key",
            "the path has a different value for it; leave it out of the query, or send the same value",
        ),
    ] {
        let message = format!("query parameter \"{key}\": {problem}");
        assert_field_refused(&stage.send("PUT", target, &[], None), &message, key, problem);
    }
    for key in ["description", "transfer_id"] {
        let message = format!("query parameter \"{key}\": send it in the body, not in the query");
        let answer = stage.send_json("POST", &format!("/transfers?{key}=a"), "{}");
        assert_field_refused(&answer, &message, key, "send it in the body, not in the query");
    }
}

#[test]
fn invalid_percent_encoding_is_refused() {
    let stage = Stage::sample();
    for (escape, problem) in [
        ("%zz", "invalid percent-encoding: expected two hexadecimal digits after \"%\"; write %25 for a literal \"%\""),
        ("%4", "invalid percent-encoding: expected two hexadecimal digits after \"%\"; write %25 for a literal \"%\""),
        ("%", "invalid percent-encoding: expected two hexadecimal digits after \"%\"; write %25 for a literal \"%\""),
        ("%FF", "the percent-encoded bytes are not valid UTF-8"),
        ("%C3%28", "the percent-encoded bytes are not valid UTF-8"),
        ("a%00b", "a NUL character (%00) is not allowed"),
    ] {
        let message = format!("path variable \"key\": {problem}");
        assert_field_refused(&stage.get(&format!("/storage/{escape}")), &message, "key", problem);
        let message = format!("query parameter number 2: {problem}");
        let answer = stage.get(&format!("/accounts/balance?account.swift.bic=a&account.swift.account={escape}"));
        assert_refused(&answer, 400, &plain(3, &message), escape);
        let answer = stage.get(&format!("/accounts/balance?account.swift.bic=a&{escape}=b"));
        assert_refused(&answer, 400, &plain(3, &message), escape);
    }
    let many = "a=b&".repeat(513);
    let message = "too many query parameters: at most 512 are allowed";
    assert_refused(&stage.get(&format!("/accounts/balance?{many}")), 400, &plain(3, message), "513 pairs");
}

#[test]
fn query_and_body_may_repeat_a_path_variable_but_not_change_it() {
    let stage = Stage::sample();
    for (target, body) in [
        ("/storage/k%2F1", r#"{"key":"other","value":"AA=="}"#),
        ("/storage/k%2F1", r#"{"key":"","value":"AA=="}"#),
        ("/storage/k%2F1", r#"{"key":"k%2F1","value":"AA=="}"#),
        ("/storage/k%2F1?key=k/1", r#"{"key":"other","value":"AA=="}"#),
    ] {
        let problem =
            "the path and the body have different values for it; leave it out of the body, or send the same value";
        let answer = stage.send_json("PUT", target, body);
        assert_field_refused(&answer, &format!("field \"key\": {problem}"), "key", problem);
    }
    let none = stage.get("/storage/k%2F1");
    assert_eq!(none.status, 404, "what was refused has not reached the bank: {}", none.body);
    for (target, body) in [
        ("/storage/k%2F1", r#"{"key":"k/1","value":"AQ=="}"#),
        ("/storage/k%2F1?key=k/1", r#"{"key":"k/1","value":"AQ=="}"#),
        ("/storage/k%2F1?key=k%2F1", r#"{"value":"AQ=="}"#),
        ("/storage/k%2F1", r#"{"key":null,"value":"AQ=="}"#),
    ] {
        assert_eq!(stage.send_json("PUT", target, body).status, 200, "{target} {body}");
        assert_reply(&stage.get("/storage/k%2F1"), r#"{"value":"AQ=="}"#, target);
        assert_reply(&stage.send("DELETE", "/storage/k%2F1", &[], None), "{}", target);
    }
}

#[test]
fn a_body_is_refused_where_the_rule_has_none() {
    let stage = sample_altered(|config| {
        let set_value = "  io.token.proto.bankapi.StorageService.SetValue:\n    accept_body: true\n";
        support::replaced(config, set_value, "")
    });
    for (method, target, path) in [
        ("GET", format!("/accounts/balance?{SWIFT}"), "/accounts/balance"),
        ("DELETE", "/storage/k".to_owned(), "/storage/{key}"),
        ("GET", "/storage/k".to_owned(), "/storage/{key}"),
        ("PUT", "/storage/k".to_owned(), "/storage/{key}"),
    ] {
        let body = plain(
            3,
            &format!(
                "{method} {path} takes no body, but the request has one; send the values as query parameters instead"
            ),
        );
        let input = format!("{method} {target}");
        for text in ["{}", "x", r#"{"key":"k"}"#] {
            assert_refused(&stage.send_json(method, &target, text), 400, &body, &input);
            assert_refused(&stage.send(method, &target, &[], Some(text.as_bytes())), 400, &body, &input);
        }
    }
    // `Content-Length: 0` is no body.
    assert_eq!(stage.send("GET", &format!("/accounts/balance?{SWIFT}"), &[], Some(b"")).status, 200);
    assert_eq!(stage.send("PUT", "/storage/k?value=AA==&category=ACCOUNT_INFO", &[], Some(b"")).status, 200);
}

#[test]
fn a_missing_body_is_refused_where_the_rule_needs_one() {
    let stage = Stage::sample();
    let body = plain(3, "the request needs a JSON body; send {} to leave every field unset");
    for target in ["/transfers", "/batch/transfers", "/notifications"] {
        assert_refused(&stage.send("POST", target, &[], None), 400, &body, target);
        assert_refused(&stage.send_json("POST", target, ""), 400, &body, target);
    }
}

/// A body without the mark `▸`, and the place of the mark.
fn marked(text: &str) -> (String, String) {
    let (before, after) = text.split_once('▸').unwrap();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
    (format!("{before}{after}"), format!("(line {line}, column {column})"))
}

#[test]
fn an_invalid_body_field_is_refused_with_its_path_position_and_reason() {
    let stage = Stage::sample();
    for (target, text, field, problem) in [
        ("/transfers", r#"{"colour":▸"red"}"#, "colour", "no such field"),
        ("/transfers", r#"{"source":{"swift":{"colour":▸"red"}}}"#, "source.swift.colour", "no such field"),
        (
            "/transfers",
            "{\n  \"destinations\": [\n    {},\n    {\"customerData\": {\"name\":▸ 1}}\n  ]\n}",
            "destinations[1].customerData.name",
            "no such field",
        ),
        // The configuration lets it pass for one rpc, at one place, in one spelling.
        ("/bulk-transfers", r#"{"feeResponsibility":▸"SHARED_FEE"}"#, "feeResponsibility", "no such field"),
        (
            "/transfers",
            r#"{"source":{"feeResponsibility":▸"SHARED_FEE"}}"#,
            "source.feeResponsibility",
            "no such field",
        ),
        ("/transfers", r#"{"fee_responsibility":▸"SHARED_FEE"}"#, "fee_responsibility", "no such field"),
        (
            "/transfers",
            r#"{"transferId":"a","transferId":▸"a"}"#,
            "transferId",
            "repeated, but it takes only one value",
        ),
        (
            "/transfers",
            r#"{"transferId":"a","transfer_id":▸"b"}"#,
            "transfer_id",
            "repeated, but it takes only one value",
        ),
        (
            "/transfers",
            r#"{"transferId":null,"transfer_id":▸"b"}"#,
            "transfer_id",
            "repeated, but it takes only one value",
        ),
        (
            "/transfers",
            r#"{"source":{"swift":{},"iban":▸{}}}"#,
            "source.iban",
            "only one field of the oneof \"account\" can be set, and \"swift\" already is",
        ),
        (
            "/transfers",
            r#"{"transferDestinations":[{"sepa":{}},{"sepa":{},"fasterPayments":▸{}}]}"#,
            "transferDestinations[1].fasterPayments",
            "only one field of the oneof \"destination\" can be set, and \"sepa\" already is",
        ),
        ("/transfers", r#"{"confirmFunds":▸"yes"}"#, "confirmFunds", "expected true or false, got \"yes\""),
        ("/transfers", r#"{"confirmFunds":▸1}"#, "confirmFunds", "expected true or false, got 1"),
        ("/transfers", r#"{"description":▸5}"#, "description", "expected a string, got 5; put it in quotes: \"5\""),
        (
            "/transfers",
            r#"{"description":▸true}"#,
            "description",
            "expected a string, got true; put it in quotes: \"true\"",
        ),
        (
            "/transfers",
            r#"{"transactionAmount":{"value":▸1.5}}"#,
            "transactionAmount.value",
            "expected a string, got 1.5; put it in quotes: \"1.5\"",
        ),
        (
            "/transfers",
            r#"{"transactionAmount":▸"1.5 EUR"}"#,
            "transactionAmount",
            "expected an object (io.token.proto.common.money.Money), got \"1.5 EUR\"",
        ),
        (
            "/batch/transfers",
            r#"{"transfers":▸{}}"#,
            "transfers",
            "expected an array, each element an object (io.token.proto.bankapi.TransferRequest), got an object",
        ),
        (
            "/batch/transfers",
            r#"{"transfers":[▸null]}"#,
            "transfers[0]",
            "expected an object (io.token.proto.bankapi.TransferRequest), got null",
        ),
        (
            "/notifications",
            r#"{"notification":{"content":{"createdAtMs":▸"noon"}}}"#,
            "notification.content.createdAtMs",
            "expected an int64, got \"noon\"",
        ),
        (
            "/notifications",
            r#"{"notification":{"content":{"createdAtMs":▸9223372036854775808}}}"#,
            "notification.content.createdAtMs",
            "expected an int64, got 9223372036854775808",
        ),
        (
            "/notifications",
            r#"{"notification":{"status":▸"GONE"}}"#,
            "notification.status",
            "expected one of INVALID, PENDING, DELIVERED, COMPLETED, INVALIDATED, NO_ACTION_REQUIRED, DECLINED, got \"GONE\"",
        ),
        (
            "/notifications",
            r#"{"notification":{"content":{"locArgs":["a",▸2]}}}"#,
            "notification.content.locArgs[1]",
            "expected a string, got 2; put it in quotes: \"2\"",
        ),
        (
            "/transfers",
            r#"{"description":"▸\q"}"#,
            "description",
            "unknown escape sequence in a string; JSON has \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with four hexadecimal digits",
        ),
        (
            "/transfers",
            r#"{"description":"▸\ud800"}"#,
            "description",
            "a \\u escape is one half of a surrogate pair; write both halves, or the character itself",
        ),
        (
            "/transfers",
            "{\"description\":\"a▸\tb\"}",
            "description",
            "a string contains a control character; escape it, for example \\n for a line feed",
        ),
        ("/transfers", r#"{"description":▸tru}"#, "description", "expected `true` or `false`, got `t`"),
        ("/transfers", r#"{"description":▸nil}"#, "description", "expected `null`, got `n`"),
        ("/transfers", r#"{"confirmFunds":▸}"#, "confirmFunds", "expected a JSON value, got `}`"),
    ] {
        let (body, place) = marked(text);
        let answer = stage.send_json("POST", target, &body);
        let message = match problem.strip_prefix("no such field") {
            Some(near) => format!("unknown field \"{field}\"{near} {place}"),
            None => format!("field \"{field}\": {problem} {place}"),
        };
        assert_field_refused(&answer, &message, field, problem);
    }
}

#[test]
fn a_body_that_is_not_a_json_object_is_refused_with_the_position() {
    let stage = Stage::sample();
    let expected = "expected an object (io.token.proto.bankapi.TransferRequest)";
    let deep = format!(r#"{{"feeResponsibility":{}▸[{}}}"#, "[".repeat(63), "]".repeat(64));
    for (text, problem) in [
        ("{▸", "expected a member name in double quotes, got the end of the JSON"),
        ("▸nonsense", "expected `null`, got `n`"),
        ("▸[]", &format!("{expected}, got an array")),
        ("▸null", &format!("{expected}, got null")),
        ("▸\"{}\"", &format!("{expected}, got \"{{}}\"")),
        ("{▸'a':1}", "JSON strings and names need double quotes, not single quotes"),
        ("{\"description\":\"a\",▸}", "trailing comma before `}`; remove the comma"),
        ("{\n\"description\":\n\"ä\" ▸\"b\"}", "expected `,` or `}`, got `\"`"),
        ("{} ▸{}", "expected the end of the body, got `{`"),
        ("{}▸x", "expected the end of the body, got `x`"),
        ("▸a=b&c=d", "expected a JSON value, got `a`"),
        (" \r\n\t▸", "expected a JSON value, got an empty body"),
        ("▸\u{feff}{}", "it begins with a byte order mark (U+FEFF); send it without one"),
        (" ▸\u{feff}{}", "expected a JSON value, got `\u{feff}`"),
        (&deep, "nested deeper than the limit of 64 levels"),
    ] {
        let (body, place) = marked(text);
        let answer = stage.send_json("POST", "/transfers", &body);
        assert_refused(&answer, 400, &plain(3, &format!("the body: {problem} {place}")), text);
    }
    for (bytes, column) in [(&b"{\"description\":\"\xff\"}"[..], 17), (b"\xff\xfe{\0}\0", 1), (b"{}\x80", 3)] {
        let answer = stage.send("POST", "/transfers", &[("Content-Type", "application/json")], Some(bytes));
        let message = format!("the body: not valid UTF-8 (line 1, column {column})");
        assert_refused(&answer, 400, &plain(3, &message), &String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_body_without_a_json_content_type_is_refused() {
    let stage = Stage::sample();
    let put = |headers: &[(&str, &str)]| stage.send("PUT", "/storage/k", headers, Some(br#"{"value":"AA=="}"#));
    for (content_type, found) in [
        (None, "is missing"),
        (Some("multipart/mixed; boundary=a"), "multipart/mixed is not supported here"),
        (Some("text/plain; charset=utf-8"), "text/plain is not supported here"),
        (Some("Text/JSON"), "text/json is not supported here"),
        (Some("application/protobuf"), "application/protobuf is not supported here"),
        (Some("application/jsonp"), "application/jsonp is not supported here"),
        (Some("application/grpc"), "application/grpc is not supported here"),
        (Some(""), "is missing"),
    ] {
        let headers: Vec<_> = content_type.map(|content_type| ("Content-Type", content_type)).into_iter().collect();
        let body = plain(3, &format!("Content-Type {found}; send Content-Type: application/json"));
        assert_refused(&put(&headers), 415, &body, found);
    }
    let two = [("Content-Type", "application/json"), ("Content-Type", "application/json")];
    assert_refused(&put(&two), 400, &plain(3, "header content-type: repeated, but it takes only one value"), "two");
    let joined = "text/plain, application/vnd.bank+json";
    let body = plain(3, &format!("Content-Type {joined} is not supported here; send Content-Type: application/json"));
    assert_refused(&put(&[("Content-Type", joined)]), 415, &body, joined);
    let zipped = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")];
    let body =
        plain(3, "header content-encoding: compressed bodies are not accepted here; send the body not compressed");
    assert_refused(&put(&zipped), 415, &body, "gzip");
    assert_eq!(put(&[("Content-Type", "application/json"), ("Content-Encoding", "identity")]).status, 200);
    for content_type in [
        "application/json",
        "APPLICATION/JSON",
        "application/json;charset=utf-8",
        "application/vnd.bank+json; charset=utf-8",
        "application/problem+json",
        "application/x-protobuf",
        "application/x-protobuf; messageType=x",
    ] {
        assert_eq!(put(&[("Content-Type", content_type)]).status, 200, "{content_type}");
    }
}

#[test]
fn a_charset_that_is_not_compatible_with_utf_8_is_refused() {
    let stage = Stage::sample();
    let utf16: Vec<u8> = r#"{"value":"AA=="}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let json: &[u8] = br#"{"value":"AA=="}"#;
    for (content_type, body, found) in [
        ("application/json; charset=utf-16", &utf16[..], "`utf-16`"),
        ("application/json; charset=utf-16", json, "`utf-16`"),
        ("application/vnd.bank+json;charset=\"UTF-16LE\"", json, "`UTF-16LE`"),
        ("application/x-protobuf; charset=utf-7", json, "`utf-7`"),
        ("application/json; charset=iso-8859-1", json, "`iso-8859-1`"),
        ("application/json; charset=utf-8; Charset=utf-16", json, "two"),
        ("application/json; charset=utf-8; charset=utf-8", json, "two"),
        ("application/json; charset", json, "``"),
        ("application/x-www-form-urlencoded; charset=utf-16", b"value=AA%3D%3D", "`utf-16`"),
        ("multipart/form-data; boundary=b; charset=utf-16", b"--b--", "`utf-16`"),
    ] {
        let answer = stage.send("PUT", "/storage/k", &[("Content-Type", content_type)], Some(body));
        let message = format!("Content-Type: expected charset=utf-8, or no charset, got {found}");
        assert_refused(&answer, 415, &plain(3, &message), content_type);
    }
    for content_type in
        ["application/json; charset=US-ASCII", "application/json; charset=\"utf-8\"", "application/json;charset=utf8"]
    {
        assert_eq!(
            stage.send("PUT", "/storage/k", &[("Content-Type", content_type)], Some(json)).status,
            200,
            "{content_type}"
        );
    }
}

#[test]
fn an_early_answer_states_correctly_whether_the_connection_stays_open() {
    let stage = sample_altered(|config| support::replaced(config, "requests:\n", "requests:\n  body_limit: 64\n"));
    let many = "x".repeat(100);
    let json = "Content-Type: application/json\r\n";
    let whole = "2\r\n{}\r\n0\r\n\r\n";
    let chunk = format!("64\r\n{many}\r\n");
    // What is sent; the status, and whether the connection goes on.
    for (method, target, headers, sent, status, goes_on) in [
        ("GET", "/nothing", "", "", 404, true),
        ("POST", "/transfers", &format!("{json}Content-Length: 1\r\n"), "{", 400, true),
        ("POST", "/transfers", "Content-Type: text/html\r\nContent-Length: 2\r\n", "{}", 415, true),
        // The body is there: it is read, and the connection goes on.
        ("POST", "/nothing", "Content-Length: 2\r\n", "{}", 404, true),
        ("POST", "/nothing", "Transfer-Encoding: chunked\r\n", whole, 404, true),
        ("PUT", "/transfers", "Content-Length: 2\r\n", "{}", 405, true),
        ("POST", "/transfers", &format!("{json}Content-Length: 100\r\n"), &many, 413, true),
        // It is not, or not all of it.
        ("POST", "/nothing", "Content-Length: 2\r\n", "", 404, false),
        ("POST", "/nothing", "Content-Length: 200\r\n", &many, 404, false),
        ("POST", "/nothing", "Content-Length: 1000000000\r\n", &many, 404, false),
        ("POST", "/nothing", "Transfer-Encoding: chunked\r\n", &chunk, 404, false),
        ("PUT", "/transfers", "Content-Length: 2\r\n", "{", 405, false),
        ("POST", "/transfers?=a", &format!("{json}Content-Length: 20\r\n"), "", 400, false),
        ("POST", "/transfers", &format!("{json}Content-Length: 100\r\n"), "", 413, false),
        ("POST", "/transfers", &format!("{json}Transfer-Encoding: chunked\r\n"), &chunk, 413, false),
        (
            "POST",
            "/transfers",
            &format!("{json}Content-Length: 20\r\nAuthorization: a\r\nAuthorization: b\r\n"),
            "",
            400,
            false,
        ),
        // Whoever asks first is answered, and not told to go on.
        ("POST", "/transfers", &format!("{json}Content-Length: 100\r\nExpect: 100-continue\r\n"), "", 413, false),
        ("POST", "/nothing", "Content-Length: 2\r\nExpect: 100-continue\r\n", "", 404, false),
    ] {
        let case = format!("{method} {target} {headers}{sent}");
        let mut stream = http::connect(stage.address());
        stream.write_all(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n{sent}").as_bytes()).unwrap();
        let answer = http::read(&mut stream);
        assert_eq!((answer.status, answer.header("connection")), (status, (!goes_on).then_some("close")), "{case}");
        if goes_on {
            http::write(&mut stream, "GET", "/health-check?bank_id=iron", &[], None);
            assert_eq!(http::read(&mut stream).status, 200, "{case}");
        } else {
            // The end, or a reset where something was not read.
            let end = std::io::Read::read(&mut stream, &mut [0]);
            assert!(
                matches!(end, Ok(0)) || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset),
                "{case}"
            );
        }
    }
}

#[test]
fn an_unknown_path_is_answered_404() {
    let stage = Stage::sample();
    // What a GET was meant for, if that is clear. None of these paths takes a POST.
    for (target, near) in [
        ("/", ""),
        ("/nothing", ""),
        ("/accounts", ""),
        ("/accounts/balance/", "/accounts/balance"),
        ("//accounts/balance", ""),
        ("/Accounts/balance", "/accounts/balance"),
        ("/acounts/transaction", "/accounts/transactions"),
        ("/accounts/balances?account.swift.bic=IRONUSCA000", "/accounts/balance"),
        ("/accounts%2Fbalance", ""),
        ("/transactions/dd29e7b6ab953d5b3fb44c1dd9ac7efd", ""),
        ("/storage", ""),
        ("/storage/", ""),
        ("/storage/a/b", ""),
        ("/storrage/a%2Fb", "/storage/a%2Fb"),
        ("/io.token.proto.bankapi.StorageService/GetValue", ""),
    ] {
        let path = target.split('?').next().unwrap();
        let near = if near.is_empty() { String::new() } else { format!(" (did you mean \"{near}\"?)") };
        assert_refused(&stage.get(target), 404, &plain(5, &format!("no route matches GET {path}{near}")), target);
        let body = plain(5, &format!("no route matches POST {path}"));
        assert_refused(&stage.send_json("POST", target, "{}"), 404, &body, target);
    }
}

#[test]
fn system_parameters_are_applied_and_an_invalid_value_is_refused_by_name() {
    let stage = Stage::sample();
    let answer = stage.get("/health-check?$alt=json;enum-encoding=int&bank_id=iron&%24prettyPrint=true");
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\n  \"status\": 1\n}"));
    let problem = "expected json or json;enum-encoding=int, got \"xml\"";
    let answer = stage.get("/health-check?%24alt=xml&bank_id=iron");
    let message = format!("query parameter \"$alt\": {problem}");
    let detail = serde_json::json!({
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{ "field": "$alt", "description": problem }],
    });
    let body = serde_json::json!({ "code": 3, "message": message, "details": [detail] }).to_string();
    assert_refused(&answer, 400, &body, "$alt=xml");
}

#[test]
fn a_path_with_dot_segments_is_refused_not_normalized() {
    let stage = Stage::sample();
    let message =
        "the path contains \".\" or \"..\" as a segment; send the normalized path (RFC 3986, section 6.2.2.3)";
    for target in ["/accounts/./balance", "/x/../accounts/balance", "/storage/..", "/storage/%2e%2E", "/.%2e/storage/k"]
    {
        assert_refused(&stage.get(target), 400, &plain(3, message), target);
        assert_refused(&stage.send_json("PUT", target, "{}"), 400, &plain(3, message), target);
    }
}

#[test]
fn a_405_lists_the_methods_of_the_path() {
    let stage = Stage::sample();
    for (method, target, allow) in [
        ("POST", "/accounts/balance", "GET, HEAD, OPTIONS"),
        ("DELETE", "/transfers", "GET, HEAD, OPTIONS, POST"),
        ("PATCH", "/storage/k", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("GET", "/notifications", "OPTIONS, POST"),
        ("get", "/accounts/balance", "GET, HEAD, OPTIONS"),
        ("BREW", "/health-check", "GET, HEAD, OPTIONS"),
    ] {
        let answer = stage.send(method, target, &[], None);
        let body = plain(12, &format!("method {method} is not allowed for {target}; allowed: {allow}"));
        assert_refused(&answer, 405, &body, method);
        assert_eq!(answer.header("allow"), Some(allow), "{method} {target}");
    }
}

#[test]
fn a_body_over_the_limit_is_refused_with_content_length_or_chunked() {
    let stage = sample_altered(|config| support::replaced(config, "requests:\n", "requests:\n  body_limit: 1KiB\n"));
    let refusal = plain(8, "the body is larger than the limit of 1024 bytes");
    let body = |length: usize| format!(r#"{{"value":"{}"}}"#, "A".repeat(length - r#"{"value":""}"#.len()));
    for (length, status) in [(1024, 200), (1028, 413), (64 << 10, 413)] {
        let body = body(length);
        let whole = stage.send_json("PUT", "/storage/k", &body);
        let chunked = send_chunked(&stage, "PUT", "/storage/k", body.as_bytes(), 100);
        for (answer, how) in [(whole, "Content-Length"), (chunked, "chunked")] {
            assert_eq!(answer.status, status, "{length} bytes, {how}: {}", answer.body);
            if status == 413 {
                assert_refused(&answer, 413, &refusal, how);
            }
        }
    }
}

#[test]
fn a_caller_still_sending_a_too_large_body_receives_the_413() {
    let stage = Stage::sample();
    let refusal = plain(8, "the body is larger than the limit of 1048576 bytes");
    let body = vec![b' '; 16 << 20];
    let headers = [("Content-Type", "application/json")];
    for _ in 0..5 {
        assert_refused(&stage.send("PUT", "/storage/k", &headers, Some(&body)), 413, &refusal, "Content-Length");
        assert_refused(&send_chunked(&stage, "PUT", "/storage/k", &body, 64 << 10), 413, &refusal, "chunked");
    }
}

fn send_chunked(stage: &Stage, method: &str, target: &str, body: &[u8], size: usize) -> http::Answer {
    let mut stream = http::connect(stage.address());
    let headers = [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")];
    http::write(&mut stream, method, target, &headers, None);
    for chunk in body.chunks(size) {
        let sent = write!(stream, "{:x}\r\n", chunk.len())
            .and_then(|()| stream.write_all(chunk))
            .and_then(|()| stream.write_all(b"\r\n"));
        // A refusal may come, and the connection end, before all is written.
        if sent.is_err() {
            break;
        }
    }
    let _ = stream.write_all(b"0\r\n\r\n");
    http::read(&mut stream)
}

#[test]
fn a_redacted_value_never_appears_in_an_answer() {
    let stage = Stage::sample();
    let answers = [
        ("POST", "/transfers", r#"{"source":{"swift":{"bic":4711174}}}"#, 400),
        ("POST", "/transfers", r#"{"source":{"swift":{"bic":["4711174"]}}}"#, 400),
        ("POST", "/transfers", r#"{"source":{"swift":"4711174"}}"#, 400),
        ("POST", "/transfers", r#"{"source":{"swift":{"bic":"4711174\q"}}}"#, 400),
        ("POST", "/transfers", r#"{"source":{"swift":{"bic":"4711174","bic":"4711174"}}}"#, 400),
        ("POST", "/transfers", r#"{"source":{"swift":{"bic":"4711174","account":"4711174"}},"transferId":"t"}"#, 404),
        ("POST", "/transfers", r#"{"source":{"metadata":{"4711174":5}}}"#, 400),
        ("POST", "/transfers", r#"{"source":{"metadata":{"4711174":"a","4711174":"b"}}}"#, 400),
        ("POST", "/transfers", r#"{"destinations":[{"customerData":{"legalNames":"4711174"}}]}"#, 400),
        ("POST", "/transfers", r#"{"destinations":[{"customerData":{"legalNames":[4711174]}}]}"#, 400),
        ("POST", "/transfers", r#"{"destinations":[{"customerData":{"address":{"street":4711174}}}]}"#, 400),
        ("POST", "/transfers", r#"{"destinations":[{"customerData":4711174}]}"#, 400),
        ("POST", "/notifications", r#"{"subscriber":{"handlerInstructions":{"a":4711174}}}"#, 400),
        ("PUT", "/storage/k", r#"{"value":"4711174!"}"#, 400),
        ("PUT", "/storage/k", r#"{"value":4711174}"#, 400),
        ("PUT", "/storage/k?value=4711174!", "{}", 400),
        ("GET", "/accounts/balance?account.swift.bic=4711174&account.iban.iban=4711174", "", 400),
        ("GET", "/accounts/balance?account.iban.iban=4711174&account.iban.iban=4711174", "", 400),
        ("GET", "/accounts/balance?account.iban.iban=4711174", "", 404),
        ("GET", "/accounts/balance?account.iban.iban=4711174%FF", "", 400),
        ("GET", "/accounts/transactions?transaction_id=a&limit=1&account.iban.iban=4711174", "", 400),
        ("GET", "/bank-authorization?access_token=4711174", "", 401),
        ("GET", "/bank-authorization?access_token=4711174&access_token=4711174", "", 400),
        ("POST", "/bank-authorization?access_token=4711174", "", 405),
    ];
    for (method, target, body, status) in answers {
        let answer = match body {
            "" => stage.send(method, target, &[], None),
            body => stage.send_json(method, target, body),
        };
        assert_eq!(answer.status, status, "{method} {target} {body}: {}", answer.body);
        assert!(!format!("{answer:?}").contains("4711174"), "{method} {target} {body}: {answer:?}");
    }
}

/// What nobody knows stands in an answer once, and no more than 200 bytes of it.
#[test]
fn an_error_quotes_only_a_short_part_of_what_the_caller_sent() {
    let stage = Stage::sample();
    let long = "é".repeat(3000);
    let escaped = "%C3%A9".repeat(1000);
    let json = [("Content-Type", "application/json")];
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    for (what, method, target, headers, body) in [
        ("a member", "POST", "/transfers".to_owned(), &json[..], format!("{{\"{long}\":1}}")),
        ("a member in another", "POST", "/transfers".to_owned(), &json, format!("{{\"source\":{{\"{long}\":1}}}}")),
        (
            "a member twice",
            "POST",
            "/transfers".to_owned(),
            &json,
            format!("{{\"feeResponsibility\":{{\"{long}\":1,\"{long}\":1}}}}"),
        ),
        ("a query key", "GET", format!("/accounts/balance?{escaped}=1"), &[], String::new()),
        ("a value", "GET", format!("/accounts/transactions?limit={escaped}"), &[], String::new()),
        ("a system parameter", "GET", format!("/accounts/balance?${escaped}=1"), &[], String::new()),
        ("its value", "GET", format!("/accounts/balance?$alt={escaped}"), &[], String::new()),
        ("a field of a form", "POST", "/transfers".to_owned(), &form, format!("{escaped}=1")),
    ] {
        let body = (!body.is_empty()).then_some(body.as_bytes());
        let answer = http::send(stage.gateway.address, method, &target, headers, body);
        assert_eq!(answer.status, 400, "{what}: {}", answer.body);
        let quoted = answer.body.matches('é').count();
        assert!((1..=100).contains(&quoted), "{what}: {quoted} of its characters in {}", answer.body);
        // Of a value as much stands in the details again.
        let pieces = answer.body.split(|character| character != 'é').filter(|piece| !piece.is_empty()).count();
        assert_eq!(pieces, if what.ends_with("value") { 2 } else { 1 }, "{what}: {}", answer.body);
        assert!(answer.body.contains("..."), "{what}: {}", answer.body);
    }
}
