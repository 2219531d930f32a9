//! Validation rules: what violates them is answered with every field, and the bank gets no call.

use std::fs;
use std::path::Path;

use serde_json::Value;
use towbar::config::{self, Overrides};
use towbar::format::problem::Problem;

use crate::support::Gateway;
use crate::support::folder::Folder;
use crate::support::grpc;
use crate::support::http::{self, Answer};
use crate::support::raw::{Does, RawBank};
use crate::support::{messages, socket, talk};

const TRANSFER: &str = "io.token.proto.bankapi.TransferService.Transfer";

/// The rules file that docs/validation.md shows.
fn documented() -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/validation.md")).unwrap();
    page.split("```yml\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

/// A gateway in front of this bank with these lines about validation; `rules.yaml` has the documented rules.
fn gateway(bank: &RawBank, folder: &Folder, lines: &str) -> Gateway {
    folder.write("rules.yaml", documented());
    let lines = lines.replace("RULES", &folder.path("rules.yaml").display().to_string());
    Gateway::start(&format!("schema: proto\nupstream: '{}'\n{lines}", bank.url()), None)
}

fn bank() -> RawBank {
    RawBank::start(|_, _| Does::Answers)
}

fn pay(gateway: &Gateway, body: &str) -> Answer {
    http::send_json(gateway.address, "POST", "/transfers", body)
}

/// Field and reason of each violation.
fn fields(answer: &Answer) -> Vec<(String, String)> {
    let body = answer.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let violations = body["details"][1]["fieldViolations"].as_array().cloned().unwrap_or_default();
    violations.iter().map(|violation| (text(&violation["field"]), text(&violation["reason"]))).collect()
}

const GOOD: &str = r#"{"transferId":"t","transactionAmount":{"currency":"EUR","value":"1.50"}}"#;

const INCOMPLETE: &str = r#"{"transferId":"t"}"#;

#[test]
fn the_documented_request_is_answered_as_documented_and_the_bank_gets_no_call() {
    let (bank, folder) = (bank(), Folder::new());
    let gateway = gateway(&bank, &folder, "validation: {rules: 'RULES'}");
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/validation.md")).unwrap();
    let expected = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let request = page.split("-d '").nth(1).unwrap().split('\'').next().unwrap();
    let answer = pay(&gateway, request);
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json(), serde_json::from_str::<Value>(expected).unwrap());
    assert_eq!(bank.total().seen, 0);
    assert_eq!(pay(&gateway, GOOD).status, 200);
    assert_eq!(bank.total().seen, 1);
}

#[test]
fn violations_are_named_as_the_caller_spells_the_fields() {
    let (bank, folder) = (bank(), Folder::new());
    let gateway = gateway(&bank, &folder, "validation: {mode: enforce, rules: 'RULES'}");
    for (body, expected) in [
        (r#"{"transfer_id":"t"}"#, &[("transactionAmount", "REQUIRED")][..]),
        (
            r#"{"transfer_id":"","transaction_amount":{"currency":"E"}}"#,
            &[
                ("transfer_id", "REQUIRED"),
                ("transaction_amount.currency", "STRING_PATTERN"),
                ("transaction_amount.value", "REQUIRED"),
            ],
        ),
        (
            r#"{"transferId":"t","transactionAmount":{"currency":"EUR","value":"1"},"destinations":[{},{}]}"#,
            &[("destinations", "REPEATED_MAX_ITEMS")],
        ),
    ] {
        let answer = pay(&gateway, body);
        let expected: Vec<_> = expected.iter().map(|(field, reason)| (field.to_string(), reason.to_string())).collect();
        assert_eq!((answer.status, fields(&answer)), (400, expected), "{body}");
    }
    assert_eq!(bank.total().seen, 0);
}

#[test]
fn the_rules_of_the_bank_api_pass_a_sample_transfer_and_refuse_wrong_accounts_and_amounts() {
    let bank = bank();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/bank-rules.yaml");
    let lines = format!("schema: proto\nupstream: '{}'\nvalidation: {{rules: '{}'}}", bank.url(), rules.display());
    let gateway = Gateway::start(&lines, None);
    let swift = r#"{"swift":{"bic":"IRONUSCA000","account":"iban:3814827"}}"#;
    let transfer = |id: &str, value: &str, account: &str| {
        format!(
            r#"{{"transferId":"{id}","transactionAmount":{{"currency":"EUR","value":"{value}"}},"source":{swift},"destinations":[{{"account":{account}}}],"description":"Café"}}"#
        )
    };
    assert_eq!(pay(&gateway, &transfer("t:demo-1", "10.00", swift)).status, 200);
    let iban = r#"{"sepa":{"iban":"IE64BOFI90583812345678"}}"#;
    assert_eq!(pay(&gateway, &transfer("t:2", "10", iban)).status, 200);
    for (body, field, reason) in [
        (transfer("t 1", "10.00", swift), "transferId", "STRING_PATTERN"),
        (transfer("t1", "-10.00", swift), "transactionAmount.value", "STRING_PATTERN"),
        (transfer("t1", "1e3", swift), "transactionAmount.value", "STRING_PATTERN"),
        (
            transfer("t1", "1", r#"{"sepa":{"iban":"ie64 BOFI"}}"#),
            "destinations[0].account.sepa.iban",
            "STRING_PATTERN",
        ),
        (
            transfer("t1", "1", r#"{"swift":{"bic":"IRON","account":"1"}}"#),
            "destinations[0].account.swift.bic",
            "STRING_PATTERN",
        ),
    ] {
        let answer = pay(&gateway, &body);
        let expected = vec![(field.to_owned(), reason.to_owned())];
        assert_eq!((answer.status, fields(&answer)), (400, expected), "{body}");
    }
    assert_eq!(bank.total().seen, 2);
    let query = http::get(gateway.address, "/transfers?transfer_id=t%201&account.sepa.iban=x");
    let expected = [("account.sepa.iban", "STRING_PATTERN"), ("transfer_id", "STRING_PATTERN")];
    let mut found = fields(&query);
    found.sort();
    assert_eq!(found, expected.map(|(field, reason)| (field.to_owned(), reason.to_owned())), "{query:?}");
}

#[test]
fn messages_of_grpc_are_validated_and_their_fields_have_the_names_of_the_proto_file() {
    let (bank, folder) = (bank(), Folder::new());
    folder.write("rules.yaml", documented());
    let config = format!(
        "listen: {{address: '127.0.0.1:0', protocols: [rest, grpc]}}\nschema: proto\nupstream: '{}'\nvalidation: {{rules: '{}'}}",
        bank.url(),
        folder.path("rules.yaml").display()
    );
    let gateway = Gateway::with(&config, &Overrides::default(), Ok(messages::bank()), None);
    let path = "/io.token.proto.bankapi.TransferService/Transfer";
    let answer = grpc::call(gateway.address, path, &[], &grpc::frame(b"\x0a\x01t"));
    let message = "field \"transaction_amount\": this field is required".to_owned();
    assert_eq!(answer.told(), (3, message));
    assert_eq!(answer.reason().as_deref(), Some("VALIDATION_FAILED"));
    // The second of two pieces of the amount has what the first lacks; the second transfer id counts.
    let pieces = b"\x0a\x00\x1a\x05\x0a\x03EUR\x0a\x01t\x1a\x03\x12\x011";
    let answer = grpc::call(gateway.address, path, &[], &grpc::frame(pieces));
    assert_eq!(answer.told().0, 0, "{answer:?}");
    let malformed = grpc::call(gateway.address, path, &[], &grpc::frame(b"\x0a\x05t"));
    let message = "field \"transfer_id\": not a message of its type: the message ends inside a value".to_owned();
    assert_eq!(malformed.told(), (3, message));
    assert_eq!(bank.total().seen, 1);
}

#[test]
fn each_message_of_a_stream_or_a_websocket_is_validated_before_it_is_sent() {
    let folder = Folder::new();
    folder.write("rules.yaml", "talk.Note: {number: {int32: {lt: 100}}}");
    let (backend, received) = talk::collecting(talk::got);
    let lines = format!(
        "validation: {{rules: '{}'}}\nrpcs: {{talk.Talk.Chat: {{websocket: {{}}}}, talk.Talk.Texts: {{websocket: {{}}}}}}",
        folder.path("rules.yaml").display()
    );
    let gateway = talk::gateway(&backend, &lines);
    let is_refused = |input: &str, text: &str| {
        assert!(text.contains("expected a number less than 100"), "{input}: {text}");
    };
    // One message, before the call is opened.
    let watch = http::get(gateway.address, "/notes/a?number=100");
    assert_eq!(watch.status, 400);
    is_refused("Watch", &watch.body);
    assert_eq!(received.lock().unwrap().len(), 0);
    // The second of several, and one that is so long that it is checked outside the worker thread.
    for text in ["", &"x".repeat(200_000)] {
        let body = format!(r#"[{{"number":1}},{{"number":100,"text":"{text}"}}]"#);
        let collect = http::send_json(gateway.address, "POST", "/notes/a", &body);
        assert_eq!(collect.status, 400);
        is_refused("Collect", &collect.body);
    }
    // WebSockets of rpcs that take several messages, and one.
    for target in ["/chat", "/texts"] {
        let mut socket = socket::open(gateway.address, target, &[]).unwrap_or_else(|answer| panic!("{answer:?}"));
        socket.send(r#"{"number":100}"#);
        is_refused(target, &format!("{:?}", socket.rest()));
    }
    let sent: Vec<Vec<u8>> = received.lock().unwrap().clone();
    assert!(sent.iter().all(|message| !message.ends_with(&[0x18, 100])), "{sent:?}");
}

/// The rules with expressions that docs/validation.md shows.
fn expressions() -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/validation.md")).unwrap();
    page.split("```yml\n").nth(2).unwrap().split("```").next().unwrap().to_owned()
}

#[test]
fn cel_expressions_are_rules_and_one_without_a_result_is_an_internal_error() {
    let (bank, folder) = (bank(), Folder::new());
    folder.write("cel.yaml", expressions());
    let line = format!("validation: {{rules: '{}'}}\n", folder.path("cel.yaml").display());
    let gateway = Gateway::start(&format!("schema: proto\nupstream: '{}'\n{line}", bank.url()), None);
    let transfer = |currency: &str, value: &str, rest: &str| {
        let amount = format!(r#"{{"currency":"{currency}","value":"{value}"}}"#);
        format!(r#"{{"transferId":"t","transactionAmount":{amount}{rest}}}"#)
    };
    assert_eq!(pay(&gateway, &transfer("EUR", "1.50", "")).status, 200);
    let answer = pay(&gateway, &transfer("JPY", "1.50", ""));
    let expected = vec![("transactionAmount".to_owned(), "MONEY_YEN".to_owned())];
    assert_eq!((answer.status, fields(&answer)), (400, expected));
    let message = answer.json()["message"].clone();
    assert_eq!(message, "field \"transactionAmount\": yen have no decimals");
    // More than 8 KiB: checked outside the worker.
    let long = format!(r#","description":"{}""#, "x".repeat(20_000));
    assert_eq!(pay(&gateway, &transfer("JPY", "1.50", &long)).status, 400);
    let two = r#","destinations":[{},{}]"#;
    let answer = pay(&gateway, &transfer("EUR", "1", two));
    let expected = vec![("destinations".to_owned(), "CEL_EXPRESSION".to_owned())];
    assert_eq!((answer.status, fields(&answer)), (400, expected));
    let both = r#","destinations":[{}],"transferDestinations":[{}]"#;
    let answer = pay(&gateway, &transfer("EUR", "1", both));
    let expected = vec![(String::new(), "MESSAGE_ONEOF".to_owned())];
    assert_eq!((answer.status, fields(&answer)), (400, expected), "{answer:?}");
    assert_eq!(bank.total().seen, 1);

    let rule = "io.token.proto.bankapi.TransferRequest: {(message): {cel: [{id: first, expression: 'this.destinations[0] != null'}]}}";
    folder.write("cel.yaml", rule);
    for (mode, status) in [("enforce", 500), ("report", 200)] {
        let config = format!(
            "schema: proto\nupstream: '{}'\nvalidation: {{mode: {mode}, rules: '{}'}}\n",
            bank.url(),
            folder.path("cel.yaml").display()
        );
        let gateway = Gateway::start(&config, None);
        let answer = pay(&gateway, GOOD);
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 500 {
            assert_eq!(answer.json()["message"], "the request cannot be validated; the call was not sent");
            assert_eq!(answer.json()["details"][0]["reason"], "VALIDATION_NOT_POSSIBLE");
        }
    }
    assert_eq!(bank.total().seen, 2);
}

#[test]
fn violations_are_also_told_as_buf_validate_has_them_if_that_is_configured() {
    let (bank, folder) = (bank(), Folder::new());
    let gateway = gateway(&bank, &folder, "validation: {rules: 'RULES', buf_violations: true}");
    let body = r#"{"transactionAmount":{"currency":"eur","value":"1"},"destinations":[{},{}]}"#;
    let detail = pay(&gateway, body).json()["details"][2].clone();
    assert_eq!(detail["@type"], "type.googleapis.com/buf.validate.Violations");
    let element = |number: u32, name: &str, kind: &str| serde_json::json!({ "fieldNumber": number, "fieldName": name, "fieldType": kind });
    let expected = [
        ("required", vec![element(1, "transfer_id", "TYPE_STRING")]),
        (
            "string.pattern",
            vec![element(3, "transaction_amount", "TYPE_MESSAGE"), element(1, "currency", "TYPE_STRING")],
        ),
    ];
    for (rule, elements) in expected {
        let violations = detail["violations"].as_array().unwrap();
        let found = violations.iter().find(|violation| violation["ruleId"] == rule).unwrap();
        assert_eq!(found["field"]["elements"], serde_json::json!(elements), "{detail}");
    }
    // The details of the documented answer are as they are without the key.
    assert_eq!(pay(&gateway, body).json()["details"].as_array().unwrap().len(), 3);
}

#[test]
fn a_call_whose_violations_are_only_reported_is_made() {
    let (bank, folder) = (bank(), Folder::new());
    let reporting = gateway(&bank, &folder, "validation: {mode: report, rules: 'RULES'}");
    assert_eq!(pay(&reporting, INCOMPLETE).status, 200);
    assert_eq!(bank.total().seen, 1);
    let one = format!("validation: {{mode: off, rules: 'RULES'}}\nrpcs: {{{TRANSFER}: {{validation: enforce}}}}");
    let enforcing = gateway(&bank, &folder, &one);
    assert_eq!(pay(&enforcing, INCOMPLETE).status, 400);
    let off = format!("validation: {{rules: 'RULES'}}\nrpcs: {{{TRANSFER}: {{validation: off}}}}");
    assert_eq!(pay(&gateway(&bank, &folder, &off), INCOMPLETE).status, 200);
    assert_eq!(bank.total().seen, 2);
}

#[test]
fn invalid_validation_settings_stop_the_start() {
    for (text, problem) in [
        ("validation: enforce", "t.yaml:1:13: validation: expected a map, found `enforce`"),
        ("validation: {mode: on}", "t.yaml:1:20: mode: expected `off`, `report` or `enforce`, found `on`"),
        (
            "validation: {mode: report}",
            "t.yaml:1:1: validation: there are no rules to validate by; list their files in `validation.rules`",
        ),
        (
            "rpcs: {a.B.C: {validation: report}}",
            "t.yaml:1:8: validation: there are no rules to validate by; list their files in `validation.rules`",
        ),
        ("validation: {rules: t.txt}", "t.txt: No such file or directory (os error 2)"),
    ] {
        let overrides = Overrides {
            proto: vec!["proto".into()],
            backend: Some("http://127.0.0.1:1".into()),
            listen: Some("127.0.0.1:0".into()),
            ..Overrides::default()
        };
        let (_, problems) = config::load_text(text, Path::new("t.yaml"), &overrides);
        assert_eq!(problems.iter().map(Problem::to_string).collect::<Vec<_>>(), [problem], "{text}");
    }
}
