//! `towbar demo` as a new user meets it: every printed curl line is run exactly as it is printed.

use std::process::Command;

use crate::support::process;
use crate::support::process::{Ended, Gateway, Process};
use crate::support::programs::{Package, installed};

/// What the user sees of each line, in the order of the lines.
const ANSWERS: [&str; 9] = [
    r#"{"current":{"currency":"EUR","value":"123.45"},"available":{"currency":"EUR","value":"123.45"}}"#,
    concat!(
        r#"{"transactions":[{"id":"dd29e7b6ab953d5b3fb44c1dd9ac7efd","type":"DEBIT","status":"PROCESSING","#,
        r#""amount":{"currency":"EUR","value":"12.34"},"description":"Sample transaction","#,
        r#""tokenId":"tt:gOkIOWYHK:5mXpRAcI","tokenTransferId":"t:UpoJIJbvdOKXQWka:5mXpRAcI","#,
        r#""createdAtMs":"1499301354256"}]}"#
    ),
    concat!(
        r#"{"transaction":{"id":"dd29e7b6ab953d5b3fb44c1dd9ac7efd","type":"DEBIT","status":"PROCESSING","#,
        r#""amount":{"currency":"EUR","value":"12.34"},"description":"Sample transaction","#,
        r#""tokenId":"tt:gOkIOWYHK:5mXpRAcI","tokenTransferId":"t:UpoJIJbvdOKXQWka:5mXpRAcI","#,
        r#""createdAtMs":"1499301354256"}}"#
    ),
    TRANSFER,
    r#"{"previous":"YjI1bElIUjNieUIwYUhKbFpRbz0="}"#,
    r#"{"value":"Wm05MWNpQm1hWFpsSUhOcGVBbz0="}"#,
    "{}",
    concat!(
        r#"{"code":3,"message":"field \"destinations[0].account.sepa.iban\": expected text that matches ^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$","#,
        r#""details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"VALIDATION_FAILED","domain":"towbar"},"#,
        r#"{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":["#,
        r#"{"field":"destinations[0].account.sepa.iban","description":"expected text that matches ^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$","#,
        r#""reason":"STRING_PATTERN"}]}]}"#
    ),
    concat!(
        r#"{"code":3,"message":"query parameter \"account.iban.iban\": only one field of the oneof \"account\" can be set, and \"swift\" already is","#,
        r#""details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_QUERY_PARAMETER","domain":"towbar"},"#,
        r#"{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":["#,
        r#"{"field":"account.iban.iban","description":"only one field of the oneof \"account\" can be set, and \"swift\" already is"}]}]}"#
    ),
];

const TRANSFER: &str =
    r#"{"transactionId":"4c92f6fd033bd505c4fa8fdf02294475","status":"PROCESSING","statusDescription":"PROCESSING"}"#;

fn demo() -> Gateway {
    Gateway::start(&["demo", "--listen", "127.0.0.1:0"])
}

/// What `bash` makes of a line that was pasted.
fn pasted(line: &str) -> String {
    let Ended { code, stdout, stderr } = Process::start(Command::new("bash").args(["-c", line])).wait();
    assert_eq!(code, Some(0), "{line}\n{stderr}");
    stdout
}

fn is_curl(line: &&str) -> bool {
    line.starts_with("curl ")
}

#[test]
fn every_printed_curl_line_works_when_pasted() {
    if installed("curl", Package::Debian("curl")).is_none() {
        return;
    }
    let mut demo = demo();
    demo.process.read_until("curl -i ");
    let printed = demo.process.stdout.join("\n");
    let lines: Vec<&str> = printed.lines().filter(is_curl).collect();
    assert_eq!(lines.len(), ANSWERS.len(), "{printed}");
    for (line, answer) in lines.iter().zip(ANSWERS) {
        let seen = pasted(line);
        let body = seen.lines().last().unwrap_or_default();
        assert_eq!(body, answer, "{line}");
        // Only the line that fails shows its head.
        let head = seen.strip_suffix(&format!("{body}\n")).unwrap();
        assert_eq!(head.is_empty(), !line.starts_with("curl -i "), "{seen}");
    }
    let failed = pasted(lines[8]);
    assert!(failed.starts_with("HTTP/1.1 400 Bad Request\n"), "{failed}");
    assert!(failed.contains("\ncontent-type: application/json\n"), "{failed}");
    assert_eq!(pasted(lines[3]).trim_end(), TRANSFER, "sent again, it is the same transfer");

    let whole = demo.stop();
    assert_eq!(whole.code, Some(0));
    // The lines that fail, one of them pasted twice; a second may pass between them.
    let refused = "towbar::gateway::telemetry: a request was refused method=GET rpc=\"io.token.proto.bankapi.AccountService.GetBalance\" \
                   status=400 code=3";
    let invalid = "towbar::gateway::telemetry: a request was refused method=POST rpc=\"io.token.proto.bankapi.TransferService.Transfer\" \
                   status=400 code=3";
    assert!((1..=3).contains(&whole.stderr.lines().count()), "{}", whole.stderr);
    let is_known = |line: &str| line.contains(refused) || line.contains(invalid);
    assert!(whole.stderr.lines().all(is_known), "{}", whole.stderr);
    assert_eq!(whole.stdout.lines().filter(is_curl).collect::<Vec<_>>(), lines);
}

#[test]
fn the_demo_says_what_it_serves_and_what_to_try() {
    let mut demo = demo();
    demo.process.read_until("curl -i ");
    let bank = demo.process.stdout[1].strip_prefix("a sample bank on https://").unwrap();
    let bank = bank.strip_suffix(", client certificate required").unwrap().to_owned();
    let address = demo.address;
    let stdout = demo.stop().stdout;
    let lines: Vec<&str> = stdout.lines().filter(|line| !is_curl(line)).collect();
    let expected = [
        &format!("a page to read the API and try calls: http://{address}/docs"),
        &format!("a sample bank on https://{bank}, client certificate required"),
        &format!("listening on http://{address}"),
        &format!("serving 18 routes, calling https://{bank}"),
        "",
        "Try it, in another terminal:",
        "",
        "# a balance",
        "# the transactions of the account",
        "# one of them",
        "# a transfer: sent again, it is the same transfer",
        "# a value put into the bank's storage, read and removed",
        "# one that fails as it should: a malformed IBAN",
        "# another: two ways to name one account",
        "",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_port_in_use_is_reported_with_the_flag_that_chooses_another() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = process::run(&["demo", "--listen", &address]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    let expected = "cannot listen on this address: Address already in use (os error 98); choose another address with `--listen ADDR`";
    assert_eq!(ended.stderr, format!("{address}: {expected}\ntowbar: 1 problem, nothing was started\n"));
}
