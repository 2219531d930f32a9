//! The bank API as it is documented, over REST, answered by the sample bank behind mutual TLS.

use std::collections::BTreeSet;

use serde_json::Value;
use towbar::cli::demo::bank::SampleBank;
use towbar::cli::demo::generated::DESCRIPTORS;
use towbar::schema::Schema;

use crate::support::{Stage, assert_refused, assert_reply};

const SWIFT: &str = "account.swift.bic=IRONUSCA000&account.swift.account=iban:3814827";
const IBAN: &str = "account.iban.iban=DE89370400440532013000";

// The document's samples, as it prints them.
const TRANSACTION: &str = r#"{
  "transaction": {
    "id": "dd29e7b6ab953d5b3fb44c1dd9ac7efd",
    "type": "DEBIT",
    "status": "PROCESSING",
    "amount": {
      "currency": "EUR",
      "value": "12.34"
    },
    "description": "Sample transaction",
    "tokenId": "tt:gOkIOWYHK:5mXpRAcI",
    "tokenTransferId": "t:UpoJIJbvdOKXQWka:5mXpRAcI",
    "createdAtMs": "1499301354256"
  }
}"#;
const TRANSACTIONS: &str = r#"{
  "transactions": [{
    "id": "dd29e7b6ab953d5b3fb44c1dd9ac7efd",
    "type": "DEBIT",
    "status": "PROCESSING",
    "amount": {
      "currency": "EUR",
      "value": "12.34"
    },
    "description": "Sample transaction",
    "tokenId": "tt:gOkIOWYHK:5mXpRAcI",
    "tokenTransferId": "t:UpoJIJbvdOKXQWka:5mXpRAcI",
    "createdAtMs": "1499301354256"
  }]
}"#;
const BALANCE: &str = r#"{
  "current": {
    "currency": "EUR",
    "value": "123.45"
  },
  "available": {
    "currency": "EUR",
    "value": "123.45"
  }
}"#;
const TRANSFER: &str = r#"{
  "transferId": "t:I58bxf:5mXpRAcI",
  "requestedAmount": {
    "currency": "USD",
    "value": "100.00"
  },
  "transactionAmount": {
    "currency": "USD",
    "value": "100.00"
  },
  "source": {
    "swift": {
      "bic": "IRONUSCA000",
      "account": "iban:3814827"
    }
  },
  "destinations": [{
    "account": {
      "swift": {
        "bic": "IRONUSCA000",
        "account": "iban:3814827"
      }
    },
    "customerData": {
      "legalNames": ["John Smith"],
      "address": {
        "houseNumber": "332C",
        "street": "Cook St"
      }
    }
  }],
  "feeResponsibility": "SHARED_FEE",
  "description": "Sample Transfer"
}"#;
const TRANSFERRED: &str = r#"{
  "transactionId": "458b10fd2a637fc289372baa428e8747",
  "status": "PROCESSING",
  "statusDescription": "PROCESSING"
}"#;
const SET_VALUE: &str = r#"{
  "key": "m:88Enz2:5zKtXEAq/a:UP4PwzxDuKbK:5zKcENpV",
  "value": "Wm05MWNpQm1hWFpsSUhOcGVBbz0=",
  "category": "ACCOUNT_INFO"
}"#;
const NOTIFICATION: &str = r#"{
  "notification": {
    "id": "ZVPhQLaYnQMcWYcNjMYT",
    "subscriberId": "5MDo6YbGu6M0qRRBZECl",
    "content": {
      "type": "LINK_ACCOUNTS",
      "title": "Add accounts to Token",
      "body": "Confirm adding your Iron Bank accounts to Token",
      "payload": "Zm91ciBmaXZlIHNpeAo=",
      "createdAtMs": "1499301354256",
      "locKey": "LINK_ACCOUNTS",
      "locArgs": ["Iron Bank"]
    },
    "status": "PENDING"
  }
}"#;

/// The key of [`SET_VALUE`] in a path.
const STORAGE: &str = "/storage/m:88Enz2:5zKtXEAq%2Fa:UP4PwzxDuKbK:5zKcENpV";

/// A sample without the white space between its tokens.
fn compact(sample: &str) -> String {
    serde_json::from_str::<Value>(sample).unwrap().to_string()
}

/// The ids in a list, and the offset of the next page.
fn page(stage: &Stage, target: &str, list: &str) -> (String, String) {
    let answer = stage.get(target);
    assert_eq!(answer.status, 200, "{target}: {}", answer.body);
    let json = answer.json();
    let items = json[list].as_array().map_or(&[][..], Vec::as_slice);
    let ids: Vec<&str> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    (ids.join(" "), json["offset"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn the_documented_queries_have_the_documented_replies() {
    let stage = Stage::sample();
    for (target, reply) in [
        (format!("/accounts/balance?{SWIFT}"), BALANCE),
        (format!("/accounts/transactions?transaction_id=dd29e7b6ab953d5b3fb44c1dd9ac7efd&{SWIFT}"), TRANSACTION),
        (format!("/accounts/transactions?offset=&limit=10&{SWIFT}"), TRANSACTIONS),
    ] {
        assert_reply(&stage.get(&target), &compact(reply), &target);
    }
}

#[test]
fn the_documented_transfer_has_the_documented_reply_and_is_executed_once() {
    let bank = SampleBank::new();
    let stage = Stage::of(bank.routes().into_axum_router());
    for _ in 0..2 {
        assert_reply(&stage.send_json("POST", "/transfers", TRANSFER), &compact(TRANSFERRED), "POST /transfers");
    }
    assert_eq!(bank.transfers_executed("t:I58bxf:5mXpRAcI"), 1);

    let transaction =
        stage.get(&format!("/accounts/transactions?transaction_id=458b10fd2a637fc289372baa428e8747&{SWIFT}"));
    let transaction = &transaction.json()["transaction"];
    assert_eq!(transaction["amount"].to_string(), r#"{"currency":"USD","value":"100.00"}"#);
    assert_eq!(transaction["description"], "Sample Transfer");
    assert_eq!(transaction["tokenTransferId"], "t:I58bxf:5mXpRAcI");
}

#[test]
fn the_documented_storage_calls_have_the_documented_replies() {
    // The bank's Java HTTP client names its JSON `application/x-protobuf`.
    for content_type in ["application/json", "application/x-protobuf", "application/json; charset=utf-8"] {
        let stage = Stage::sample();
        let put = stage.send("PUT", STORAGE, &[("Content-Type", content_type)], Some(SET_VALUE.as_bytes()));
        assert_reply(&put, r#"{"previous":"YjI1bElIUjNieUIwYUhKbFpRbz0="}"#, content_type);
        assert_reply(&stage.get(STORAGE), r#"{"value":"Wm05MWNpQm1hWFpsSUhOcGVBbz0="}"#, content_type);
        assert_reply(&stage.send("DELETE", STORAGE, &[], None), "{}", content_type);
        let gone = stage.get(STORAGE);
        assert_eq!((gone.status, gone.refusal()), (404, (5, "no such key".to_owned())), "{content_type}");
    }
}

#[test]
fn a_storage_key_is_one_path_segment_and_is_percent_decoded_once() {
    let stage = Stage::sample();
    for (path, key) in [
        ("/storage/a%2Fb", "a/b"),
        ("/storage/a%252Fb", "a%2Fb"),
        ("/storage/a+b", "a+b"),
        ("/storage/a%20b:c", "a b:c"),
        ("/storage/%C3%A9", "é"),
        ("/storage/a:b", "a:b"),
        ("/storage/%3Fx%3D1%26y", "?x=1&y"),
    ] {
        let body = serde_json::json!({ "key": key, "value": "AA==" }).to_string();
        assert_reply(&stage.send_json("PUT", path, &body), "{}", path);
        assert_reply(&stage.get(path), r#"{"value":"AA=="}"#, path);
    }
    assert_eq!(stage.get("/storage/a/b").status, 404);
}

#[test]
fn the_documented_notification_is_accepted() {
    let bank = SampleBank::new();
    let stage = Stage::of(bank.routes().into_axum_router());
    assert_reply(&stage.send_json("POST", "/notifications", NOTIFICATION), "{}", "POST /notifications");
    assert_eq!(bank.notifications_accepted(), 1);
}

#[test]
fn every_rpc_of_the_bank_api_answers() {
    let bulk = r#"{"bulkTransferId":"b:1","source":{"account":{"swift":{"bic":"IRONUSCA000","account":"iban:3814827"}}},
        "transfers":[{"transferRefId":"r1","amount":{"currency":"USD","value":"1.00"}},
                     {"transferRefId":"r2","amount":{"currency":"USD","value":"2.50"}}],
        "totalAmount":{"currency":"USD","value":"3.50"}}"#;
    let batch =
        format!(r#"{{"transfers":[{}]}}"#, compact(TRANSFER).replace(r#""feeResponsibility":"SHARED_FEE","#, ""));
    let order = r#"{"tokenSubmissionId":"ts:1","tokenId":"tt:1","amount":{"currency":"EUR","value":"25.00"},
        "frequency":"MNTH","startDate":"2027-01-01","transferInstructions":{
        "source":{"account":{"iban":{"iban":"DE89370400440532013000"}}},
        "transferDestinations":[{"sepa":{"iban":"IE64BOFI90583812345678"}}]}}"#;
    let balance = compact(BALANCE);
    let (transaction, transactions, transferred) = (compact(TRANSACTION), compact(TRANSACTIONS), compact(TRANSFERRED));
    let calls = [
        ("AccountService.GetBalance", "GET", format!("/accounts/balance?{SWIFT}"), None, balance.as_str()),
        (
            "AccountService.GetTransaction",
            "GET",
            format!("/accounts/transactions?{SWIFT}&transaction_id=dd29e7b6ab953d5b3fb44c1dd9ac7efd"),
            None,
            &transaction,
        ),
        ("AccountService.GetTransactions", "GET", format!("/accounts/transactions?{SWIFT}"), None, &transactions),
        (
            "AccountService.ResolveTransferDestinations",
            "GET",
            format!("/accounts/transfer-destination?{SWIFT}"),
            None,
            concat!(
                r#"{"destinations":[{"account":{"swift":{"bic":"IRONUSCA000","account":"iban:3814827"}},"#,
                r#""customerData":{"legalNames":["John Smith"],"address":{"houseNumber":"332C","street":"Cook St"}},"#,
                r#""bankId":"iron"}]}"#
            ),
        ),
        (
            "AccountService.GetAccountDetails",
            "GET",
            format!("/accounts/account-details?{SWIFT}"),
            None,
            concat!(
                r#"{"account":{"swift":{"bic":"IRONUSCA000","account":"iban:3814827"},"accountFeatures":"#,
                r#"{"supportsPayment":true,"supportsInformation":true,"supportsSendPayment":true,"#,
                r#""supportsReceivePayment":true}},"name":"Checking","currency":"EUR","holders":"#,
                r#"{"legalNames":["John Smith"],"address":{"houseNumber":"332C","street":"Cook St"}}}"#
            ),
        ),
        (
            "AccountService.GetStandingOrder",
            "GET",
            format!("/accounts/standing-orders?{IBAN}&standing_order_id=so-1"),
            None,
            r#"{"standingOrder":{"id":"so-1","status":"INACTIVE","createdAtMs":"1491525354256"}}"#,
        ),
        (
            "AccountService.GetStandingOrders",
            "GET",
            format!("/accounts/standing-orders?{IBAN}&limit=1"),
            None,
            r#"{"standingOrders":[{"id":"so-3","status":"ACTIVE","createdAtMs":"1496709354256"}],"offset":"so-3"}"#,
        ),
        (
            "AccountLinkingService.GetBankAuthorization",
            "GET",
            "/bank-authorization?access_token=ZmpkCmF".to_owned(),
            None,
            r#"{"authorization":{"bankId":"iron","accounts":[{"ciphertext":"CBiZSBlbmNpcGhlcmVkIGF1dGggZGF0YQo="}]}}"#,
        ),
        ("TransferService.Transfer", "POST", "/transfers".to_owned(), Some(TRANSFER), &transferred),
        (
            "TransferService.GetTransferStatus",
            "GET",
            format!("/transfers?transfer_id=t:I58bxf:5mXpRAcI&{SWIFT}"),
            None,
            &transferred,
        ),
        (
            "TransferService.CreateBulkTransfer",
            "POST",
            "/bulk-transfers".to_owned(),
            Some(bulk),
            r#"{"bankBulkTransferId":"2d5e3787a5f52e63922947210c7837c3","status":"PROCESSING","statusDescription":"PROCESSING"}"#,
        ),
        (
            "TransferService.BatchTransfer",
            "POST",
            "/batch/transfers".to_owned(),
            Some(&batch),
            concat!(
                r#"{"responses":[{"transactionId":"458b10fd2a637fc289372baa428e8747","status":"PROCESSING","#,
                r#""statusDescription":"PROCESSING"}]}"#
            ),
        ),
        (
            "TransferService.CreateStandingOrder",
            "POST",
            "/standing-orders".to_owned(),
            Some(order),
            r#"{"standingOrderId":"3f65e1a3d0f1303759cbab0b3670ed03","status":"SUCCESS","statusDescription":"SUCCESS"}"#,
        ),
        (
            "StorageService.SetValue",
            "PUT",
            STORAGE.to_owned(),
            Some(SET_VALUE),
            r#"{"previous":"YjI1bElIUjNieUIwYUhKbFpRbz0="}"#,
        ),
        ("StorageService.GetValue", "GET", STORAGE.to_owned(), None, r#"{"value":"Wm05MWNpQm1hWFpsSUhOcGVBbz0="}"#),
        ("StorageService.RemoveValue", "DELETE", STORAGE.to_owned(), None, "{}"),
        ("NotificationService.Notify", "POST", "/notifications".to_owned(), Some(NOTIFICATION), "{}"),
        (
            "HealthCheckService.HealthCheck",
            "GET",
            "/health-check?bank_id=iron".to_owned(),
            None,
            r#"{"status":"SERVING"}"#,
        ),
    ];
    let stage = Stage::sample();
    for (rpc, method, target, body, reply) in &calls {
        let answer = match body {
            Some(body) => stage.send_json(method, target, body),
            None => stage.send(method, target, &[], None),
        };
        assert_reply(&answer, reply, rpc);
    }
    let called: BTreeSet<String> = calls.iter().map(|call| format!("io.token.proto.bankapi.{}", call.0)).collect();
    let schema = Schema::decode("the bank API", DESCRIPTORS).unwrap();
    let all: BTreeSet<String> = schema.rpcs().iter().map(|rpc| rpc.name.clone()).collect();
    assert_eq!(called, all);
}

/// A reference to each kind of account: its query, and its balance.
const ACCOUNTS: [(&str, &str); 9] = [
    (SWIFT, r#"{"current":{"currency":"EUR","value":"123.45"},"available":{"currency":"EUR","value":"123.45"}}"#),
    (
        "account.sepa.iban=IE64BOFI90583812345678&account.sepa.bic=BOFIIE2D",
        concat!(
            r#"{"current":{"currency":"EUR","value":"2500.00"},"available":{"currency":"EUR","value":"2400.50"},"#,
            r#""updatedAtMs":"1499301354256"}"#
        ),
    ),
    (
        "account.ach.routing=067014822&account.ach.account=2589016585911",
        concat!(
            r#"{"current":{"currency":"USD","value":"980.10"},"available":{"currency":"USD","value":"980.10"},"#,
            r#""updatedAtMs":"1499301354256"}"#
        ),
    ),
    (
        "account.faster_payments.sort_code=040004&account.faster_payments.account_number=31926819",
        concat!(
            r#"{"current":{"currency":"GBP","value":"75.00"},"available":{"currency":"GBP","value":"50.00"},"#,
            r#""updatedAtMs":"1499301354256"}"#
        ),
    ),
    (
        "account.custom.bank_id=iron&account.custom.payload=safe-7f3a",
        concat!(
            r#"{"current":{"currency":"CHF","value":"10.00"},"available":{"currency":"CHF","value":"10.00"},"#,
            r#""updatedAtMs":"1499301354256"}"#
        ),
    ),
    (
        IBAN,
        concat!(
            r#"{"current":{"currency":"EUR","value":"5230.99"},"available":{"currency":"EUR","value":"5200.00"},"#,
            r#""updatedAtMs":"1499301354256","otherBalances":["#,
            r#"{"type":"CREDIT_LIMIT","amount":{"currency":"EUR","value":"1000.00"},"updatedAtMs":"1499301354256"},"#,
            r#"{"type":"OPENING_BOOKED","amount":{"currency":"EUR","value":"5190.99"},"updatedAtMs":"1499301354256"}]}"#
        ),
    ),
    (
        "account.domestic.bank_code=200000&account.domestic.account_number=55779911&account.domestic.country=GB",
        concat!(
            r#"{"current":{"currency":"GBP","value":"18204.37"},"available":{"currency":"GBP","value":"18204.37"},"#,
            r#""updatedAtMs":"1499301354256"}"#
        ),
    ),
    (
        "account.token.member_id=m:2xIIp:5mXgKRNd&account.token.account_id=a:7LAe9:5mXpRAcI",
        concat!(
            r#"{"current":{"currency":"EUR","value":"42.00"},"available":{"currency":"EUR","value":"42.00"},"#,
            r#""updatedAtMs":"1499301354256"}"#
        ),
    ),
    // The customer has no BIC at hand: it is optional.
    (
        "account.sepa.iban=IE64BOFI90583812345678",
        concat!(
            r#"{"current":{"currency":"EUR","value":"2500.00"},"available":{"currency":"EUR","value":"2400.50"},"#,
            r#""updatedAtMs":"1499301354256"}"#
        ),
    ),
];

#[test]
fn every_kind_of_account_is_found_by_its_query_parameters() {
    let stage = Stage::sample();
    for (account, balance) in ACCOUNTS {
        assert_reply(&stage.get(&format!("/accounts/balance?{account}")), balance, account);
    }
}

#[test]
fn query_parameters_can_use_the_proto_or_the_json_name_of_a_field() {
    let stage = Stage::sample();
    let (.., pounds) = ACCOUNTS[3];
    for (query, balance) in [
        ("account.fasterPayments.sortCode=040004&account.fasterPayments.accountNumber=31926819", pounds),
        ("account.faster_payments.sortCode=040004&account.fasterPayments.account_number=31926819", pounds),
        ("account.custom.bankId=iron&account.custom.payload=safe-7f3a", ACCOUNTS[4].1),
        (
            "account.domestic.bankCode=200000&account.domestic.accountNumber=55779911&account.domestic.country=GB",
            ACCOUNTS[6].1,
        ),
        ("account.token.memberId=m:2xIIp:5mXgKRNd&account.token.accountId=a:7LAe9:5mXpRAcI", ACCOUNTS[7].1),
        ("account%2Eswift%2Ebic=IRONUSCA000&account.swift.account=iban%3A3814827", ACCOUNTS[0].1),
    ] {
        assert_reply(&stage.get(&format!("/accounts/balance?{query}")), balance, query);
    }
    let transaction = format!("/accounts/transactions?transactionId=dd29e7b6ab953d5b3fb44c1dd9ac7efd&{SWIFT}");
    assert_reply(&stage.get(&transaction), &compact(TRANSACTION), &transaction);
}

/// The whole template of an rpc with these values, and with empty ones for its other variables.
fn expand(rpc: &str, values: &str) -> String {
    let schema = Schema::decode("the bank API", DESCRIPTORS).unwrap();
    let rpc = schema.rpcs().iter().find(|found| found.name.ends_with(rpc)).unwrap();
    let (path, query) = rpc.rules.as_ref().unwrap()[0].pattern.template.split_once('?').unwrap();
    let value_of =
        |key: &str| values.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')).unwrap_or("");
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap().0);
    let pairs: Vec<String> = pairs.map(|key| format!("{key}={}", value_of(key))).collect();
    format!("{path}?{}", pairs.join("&"))
}

#[test]
fn unused_query_parameters_of_a_template_may_be_sent_empty() {
    let stage = Stage::sample();
    for (account, balance) in &ACCOUNTS[..5] {
        let target = expand(".GetBalance", account);
        assert!(target.matches("=&").count() >= 7, "{target}");
        assert_reply(&stage.get(&target), balance, &target);
    }
    for (rpc, values, reply) in [
        (".GetTransactions", SWIFT.to_owned(), TRANSACTIONS),
        (".GetTransactions", format!("limit=5&{SWIFT}"), TRANSACTIONS),
        (".GetTransaction", SWIFT.to_owned(), TRANSACTIONS),
        (".GetTransaction", format!("transaction_id=dd29e7b6ab953d5b3fb44c1dd9ac7efd&{SWIFT}"), TRANSACTION),
    ] {
        let target = expand(rpc, &values);
        assert_reply(&stage.get(&target), &compact(reply), &target);
    }
    // A template expanded for no account at all names none: the bank says so, not the gateway.
    let nothing = stage.get(&expand(".GetBalance", ""));
    assert_eq!(nothing.refusal(), (3, "account: expected an account".to_owned()));
}

#[test]
fn query_parameters_choose_between_one_transaction_and_the_list() {
    let stage = Stage::sample();
    let (one, list) = (compact(TRANSACTION), compact(TRANSACTIONS));
    for (query, reply) in [
        ("transaction_id=dd29e7b6ab953d5b3fb44c1dd9ac7efd", &one),
        ("transaction_id=dd29e7b6ab953d5b3fb44c1dd9ac7efd&offset=&limit=", &one),
        ("offset=&limit=10", &list),
        ("limit=10", &list),
        ("", &list),
        ("transaction_id=", &list),
        ("transaction_id", &list),
        ("transaction_id=&limit=10", &list),
        ("start_date=2017-07-06", &list),
        ("end_date=2017-07-06&startDate=2017-07-06", &list),
    ] {
        assert_reply(&stage.get(&format!("/accounts/transactions?{SWIFT}&{query}")), reply, query);
        assert_reply(&stage.get(&format!("/accounts/transactions?{query}&{SWIFT}")), reply, query);
    }
}

#[test]
fn query_parameters_choose_between_one_standing_order_and_the_list() {
    let stage = Stage::sample();
    let keys = |query: &str| stage.get(&format!("/accounts/standing-orders?{IBAN}&{query}")).json();
    let first = |json: Value| json.as_object().unwrap().keys().next().cloned();
    for (query, member) in [
        ("standing_order_id=so-2", "standingOrder"),
        ("standingOrderId=so-2", "standingOrder"),
        ("standing_order_id=", "standingOrders"),
        ("limit=2", "standingOrders"),
        ("", "standingOrders"),
    ] {
        assert_eq!(first(keys(query)).as_deref(), Some(member), "{query}");
    }
}

#[test]
fn a_post_route_and_a_get_route_can_share_a_path() {
    let stage = Stage::sample();
    assert_eq!(stage.get("/transfers?transfer_id=t:I58bxf:5mXpRAcI").refusal(), (5, "no such transfer".to_owned()));
    assert_reply(&stage.send_json("POST", "/transfers", TRANSFER), &compact(TRANSFERRED), "POST");
    for account in ["", &format!("&{SWIFT}")] {
        let target = format!("/transfers?transfer_id=t:I58bxf:5mXpRAcI{account}");
        assert_reply(&stage.get(&target), &compact(TRANSFERRED), &target);
    }
}

#[test]
fn fields_missing_from_the_template_are_accepted_as_query_parameters() {
    let stage = Stage::sample();
    for (query, ids) in [
        ("start_date=2017-07-06", "tx-25"),
        ("startDate=2017-07-05&endDate=2017-07-05", "tx-24 tx-23"),
        ("end_date=2017-06-24", "tx-02 tx-01"),
        ("start_date=2018-01-01", ""),
    ] {
        let target = format!("/accounts/transactions?{IBAN}&{query}");
        assert_eq!(page(&stage, &target, "transactions"), (ids.to_owned(), String::new()), "{query}");
    }
    let refused = stage.get(&format!("/accounts/transactions?{IBAN}&integer_offset=3"));
    assert_eq!(refused.refusal(), (3, "integer_offset: expected nothing: offset is used instead".to_owned()));
}

#[test]
fn following_the_page_offsets_returns_every_transaction_once() {
    let stage = Stage::sample();
    let (mut offset, mut found) = (String::new(), Vec::new());
    for size in [10, 10, 5] {
        let target = format!("/accounts/transactions?limit=10&offset={offset}&{IBAN}");
        let (ids, next) = page(&stage, &target, "transactions");
        assert_eq!(ids.split(' ').count(), size, "{target}");
        found.extend(ids.split(' ').map(str::to_owned));
        offset = next;
    }
    assert_eq!(offset, "");
    let all: Vec<String> = (1..=25).rev().map(|number| format!("tx-{number:02}")).collect();
    assert_eq!(found, all);

    let target = format!("/accounts/transactions?limit=1e1&{IBAN}");
    assert_eq!(page(&stage, &target, "transactions").0.split(' ').count(), 10, "{target}");
}

#[test]
fn an_error_of_the_bank_reaches_the_caller_with_its_details() {
    let stage = Stage::sample();
    for (target, status, body) in [
        (
            "/accounts/balance?account.iban.iban=DE00",
            404,
            concat!(
                r#"{"code":5,"message":"no such account","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","#,
                r#""reason":"ACCOUNT_NOT_FOUND","domain":"bank.sample"}]}"#
            ),
        ),
        (
            "/bank-authorization?access_token=stolen",
            401,
            concat!(
                r#"{"code":16,"message":"the access token is not known","details":[{"@type":"#,
                r#""type.googleapis.com/google.rpc.ErrorInfo","reason":"ACCESS_TOKEN_UNKNOWN","domain":"bank.sample"}]}"#
            ),
        ),
        (
            "/health-check",
            400,
            concat!(
                r#"{"code":3,"message":"bank_id: expected the id of a bank","details":[{"@type":"#,
                r#""type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"bank_id","#,
                r#""description":"expected the id of a bank"}]}]}"#
            ),
        ),
    ] {
        assert_refused(&stage.get(target), status, body, target);
    }
}
