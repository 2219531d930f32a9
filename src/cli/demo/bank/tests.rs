//! Tests the bank through its routes, as a gRPC client uses it.

use prost::Message;
use tonic::service::Routes;
use tonic::{Code, Status};

use super::SampleBank;
use crate::cli::demo::generated::io::token::proto::{
    bankapi::{
        BatchTransferRequest, BulkTransferRequest, CreateStandingOrderRequest, GetAccountDetailsRequest,
        GetBalanceRequest, GetBankAuthorizationRequest, GetStandingOrderRequest, GetStandingOrdersRequest,
        GetTransactionRequest, GetTransactionsRequest, GetTransferStatusRequest, GetValueRequest, HealthCheckRequest,
        NotifyRequest, RemoveValueRequest, ResolveTransferDestinationsRequest, SetValueRequest, StatusCode,
        TransferRequest, account_linking_service_client::AccountLinkingServiceClient,
        account_service_client::AccountServiceClient, bulk_transfer_request, health_check_response,
        health_check_service_client::HealthCheckServiceClient, notification_service_client::NotificationServiceClient,
        storage_service_client::StorageServiceClient, transfer_service_client::TransferServiceClient,
    },
    common::{
        account::{
            BankAccount,
            bank_account::{Account, Ach, Custom, Domestic, FasterPayments, Iban, Sepa, Swift, Token},
        },
        money::Money,
        notification::Notification,
        transferinstructions::{TransferEndpoint, TransferInstructions},
    },
};
use crate::schema::generated::google::rpc;

fn account(account: Account) -> Option<BankAccount> {
    Some(BankAccount { account: Some(account), ..Default::default() })
}

fn swift() -> Option<BankAccount> {
    account(Account::Swift(Swift { bic: "IRONUSCA000".into(), account: "iban:3814827".into() }))
}

fn iban() -> Option<BankAccount> {
    account(Account::Iban(Iban { iban: "DE89370400440532013000".into(), bic: String::new() }))
}

fn money(currency: &str, value: &str) -> Option<Money> {
    Some(Money { currency: currency.into(), value: value.into() })
}

/// `USD 100.00`.
fn text(money: Option<Money>) -> String {
    money.map_or_else(|| "nothing".to_owned(), |money| format!("{} {}", money.currency, money.value))
}

fn accounts() -> AccountServiceClient<Routes> {
    AccountServiceClient::new(SampleBank::new().routes())
}

/// The reply, or a panic with the status: replies have no `Debug`.
fn reply<T>(result: Result<tonic::Response<T>, Status>) -> T {
    result.map(tonic::Response::into_inner).unwrap_or_else(|status| panic!("refused: {status}"))
}

/// Code, message, and the detail as `Type: what it says`.
fn refusal<T>(result: Result<tonic::Response<T>, Status>) -> (Code, String, String) {
    let Err(status) = result else { panic!("accepted") };
    let carried = rpc::Status::decode(status.details()).expect("details are a google.rpc.Status");
    assert_eq!((carried.code, carried.message.as_str()), (status.code().into(), status.message()));
    let [detail] = carried.details.as_slice() else { panic!("{} details", carried.details.len()) };
    let value = detail.value.clone();
    let said = match detail.type_url.as_str() {
        "type.googleapis.com/google.rpc.BadRequest" => {
            let bad = rpc::BadRequest::decode(value).expect("a BadRequest");
            format!("BadRequest: {}", bad.field_violations[0].field)
        }
        "type.googleapis.com/google.rpc.ErrorInfo" => {
            let info = rpc::ErrorInfo::decode(value).expect("an ErrorInfo");
            format!("ErrorInfo: {} {}", info.domain, info.reason)
        }
        "type.googleapis.com/google.rpc.PreconditionFailure" => {
            let failure = rpc::PreconditionFailure::decode(value).expect("a PreconditionFailure");
            format!("PreconditionFailure: {}", failure.violations[0].r#type)
        }
        other => panic!("{other}"),
    };
    (status.code(), status.message().to_owned(), said)
}

#[tokio::test]
async fn every_kind_of_account_has_a_balance() {
    let sepa = |bic: &str| Account::Sepa(Sepa { iban: "IE64BOFI90583812345678".into(), bic: bic.into() });
    let mut client = accounts();
    for (reference, balance) in [
        (swift(), "EUR 123.45"),
        (account(sepa("")), "EUR 2500.00"),
        (account(sepa("BOFIIE2D")), "EUR 2500.00"),
        (account(Account::Ach(Ach { routing: "067014822".into(), account: "2589016585911".into() })), "USD 980.10"),
        (
            account(Account::FasterPayments(FasterPayments {
                sort_code: "040004".into(),
                account_number: "31926819".into(),
            })),
            "GBP 75.00",
        ),
        (account(Account::Custom(Custom { bank_id: "iron".into(), payload: "safe-7f3a".into() })), "CHF 10.00"),
        (iban(), "EUR 5230.99"),
        (
            account(Account::Domestic(Domestic {
                bank_code: "200000".into(),
                account_number: "55779911".into(),
                country: "GB".into(),
            })),
            "GBP 18204.37",
        ),
        (
            account(Account::Token(Token {
                member_id: "m:2xIIp:5mXgKRNd".into(),
                account_id: "a:7LAe9:5mXpRAcI".into(),
            })),
            "EUR 42.00",
        ),
    ] {
        let found = reply(client.get_balance(GetBalanceRequest { account: reference }).await);
        assert_eq!(text(found.current), balance);
    }
}

#[tokio::test]
async fn the_sample_balance_has_only_a_current_and_an_available_amount() {
    let balance = reply(accounts().get_balance(GetBalanceRequest { account: swift() }).await);
    assert_eq!(text(balance.current), "EUR 123.45");
    assert_eq!(text(balance.available), "EUR 123.45");
    assert_eq!(balance.updated_at_ms, 0);
    assert!(balance.other_balances.is_empty());
}

#[tokio::test]
async fn metadata_of_the_account_selects_its_currency() {
    let tagged = |currency: &str| {
        let mut account = swift().unwrap_or_default();
        account.metadata.insert("currency".into(), currency.into());
        Some(account)
    };
    let mut client = accounts();
    let dollars = reply(client.get_balance(GetBalanceRequest { account: tagged("USD") }).await);
    assert_eq!(text(dollars.current), "USD 50000.00");
    let request = GetTransactionsRequest { account: tagged("USD"), ..Default::default() };
    assert!(reply(client.get_transactions(request).await).transactions.is_empty());
    let (code, ..) = refusal(client.get_balance(GetBalanceRequest { account: tagged("GBP") }).await);
    assert_eq!(code, Code::NotFound);
}

#[tokio::test]
async fn an_unknown_account_is_not_found_and_the_error_does_not_name_it() {
    let other = account(Account::Swift(Swift { bic: "IRONUSCA000".into(), account: "iban:9999999".into() }));
    let wrong_bic = account(Account::Iban(Iban { iban: "DE89370400440532013000".into(), bic: "X".into() }));
    for reference in [other, wrong_bic] {
        assert_eq!(
            refusal(accounts().get_balance(GetBalanceRequest { account: reference }).await),
            (Code::NotFound, "no such account".into(), "ErrorInfo: bank.sample ACCOUNT_NOT_FOUND".into())
        );
    }
    for reference in [None, Some(BankAccount::default())] {
        assert_eq!(
            refusal(accounts().get_balance(GetBalanceRequest { account: reference }).await),
            (Code::InvalidArgument, "account: expected an account".into(), "BadRequest: account".into())
        );
    }
}

#[tokio::test]
async fn transactions_are_returned_by_id_and_in_pages() {
    let mut client = accounts();
    let all = reply(client.get_transactions(GetTransactionsRequest { account: swift(), ..Default::default() }).await);
    assert_eq!((all.transactions.len(), all.offset.as_str()), (1, ""));
    let request = GetTransactionRequest { transaction_id: "dd29e7b6ab953d5b3fb44c1dd9ac7efd".into(), account: swift() };
    let one = reply(client.get_transaction(request).await);
    assert!(one.transaction.as_ref() == all.transactions.first());
    let request = GetTransactionRequest { transaction_id: "tx-25".into(), account: swift() };
    let (.., said) = refusal(client.get_transaction(request).await);
    assert_eq!(said, "ErrorInfo: bank.sample TRANSACTION_NOT_FOUND", "another account's");

    let request = GetTransactionsRequest { account: iban(), offset: "tx-23".into(), limit: 2, ..Default::default() };
    let page = reply(client.get_transactions(request).await);
    let ids: Vec<&str> = page.transactions.iter().map(|transaction| transaction.id.as_str()).collect();
    assert_eq!((ids, page.offset.as_str()), (vec!["tx-22", "tx-21"], "tx-21"));
}

#[tokio::test]
async fn start_and_end_dates_of_transactions_are_inclusive() {
    let mut client = accounts();
    for (start_date, end_date, ids) in [
        ("2017-07-06", "", "tx-25"),
        ("2017-07-05", "2017-07-05", "tx-24 tx-23"),
        ("", "2017-06-24", "tx-02 tx-01"),
        ("2017-07-04", "2017-07-05", "tx-24 tx-23 tx-22 tx-21"),
        ("2018-01-01", "", ""),
    ] {
        let request = GetTransactionsRequest {
            account: iban(),
            start_date: start_date.into(),
            end_date: end_date.into(),
            ..Default::default()
        };
        let page = reply(client.get_transactions(request).await);
        let found: Vec<String> = page.transactions.into_iter().map(|transaction| transaction.id).collect();
        assert_eq!(found.join(" "), ids, "{start_date}..{end_date}");
    }
}

#[tokio::test]
async fn the_error_for_an_invalid_transactions_request_names_the_field() {
    let valid = || GetTransactionsRequest { account: iban(), ..Default::default() };
    for (request, field) in [
        (GetTransactionsRequest { start_date: "6.7.2017".into(), ..valid() }, "start_date"),
        (GetTransactionsRequest { end_date: "2017-02-30".into(), ..valid() }, "end_date"),
        (
            GetTransactionsRequest { start_date: "2017-07-06".into(), end_date: "2017-07-05".into(), ..valid() },
            "end_date",
        ),
        (GetTransactionsRequest { limit: -1, ..valid() }, "limit"),
        (GetTransactionsRequest { offset: "tx-99".into(), ..valid() }, "offset"),
        (GetTransactionsRequest { integer_offset: 1, ..valid() }, "integer_offset"),
    ] {
        let (code, _, said) = refusal(accounts().get_transactions(request).await);
        assert_eq!((code, said), (Code::InvalidArgument, format!("BadRequest: {field}")));
    }
}

#[tokio::test]
async fn account_details_and_transfer_destinations_are_returned() {
    let mut client = accounts();
    let details = reply(client.get_account_details(GetAccountDetailsRequest { account: iban() }).await);
    assert_eq!((details.name.as_str(), details.currency.as_str()), ("Household", "EUR"));
    let request = ResolveTransferDestinationsRequest { account: iban() };
    assert_eq!(reply(client.resolve_transfer_destinations(request).await).destinations.len(), 2);
}

/// The document's sample, without its customer data.
fn sample_transfer() -> TransferRequest {
    TransferRequest {
        transfer_id: "t:I58bxf:5mXpRAcI".into(),
        requested_amount: money("USD", "100.00"),
        transaction_amount: money("USD", "100.00"),
        source: swift(),
        destinations: vec![TransferEndpoint { account: swift(), ..Default::default() }],
        description: "Sample Transfer".into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_transfer_is_executed_once_per_transfer_id() {
    let bank = SampleBank::new();
    let mut client = TransferServiceClient::new(bank.routes());
    for _ in 0..3 {
        let done = reply(client.transfer(sample_transfer()).await);
        assert_eq!(done.transaction_id, "458b10fd2a637fc289372baa428e8747");
        assert_eq!((done.status(), done.status_description.as_str()), (StatusCode::Processing, "PROCESSING"));
    }
    assert_eq!(bank.transfers_executed("t:I58bxf:5mXpRAcI"), 1);
    assert_eq!(bank.transfers_executed("t:other"), 0);

    let other = TransferRequest { description: "Another".into(), ..sample_transfer() };
    let (code, _, said) = refusal(client.transfer(other).await);
    assert_eq!((code, said.as_str()), (Code::AlreadyExists, "ErrorInfo: bank.sample ID_REUSED"));

    let request = GetTransferStatusRequest { transfer_id: "t:I58bxf:5mXpRAcI".into(), account: swift() };
    assert_eq!(reply(client.get_transfer_status(request).await).status(), StatusCode::Processing);
    let request = GetTransferStatusRequest { transfer_id: "t:I58bxf:5mXpRAcI".into(), account: iban() };
    assert_eq!(refusal(client.get_transfer_status(request).await).0, Code::NotFound);

    let mut accounts = AccountServiceClient::new(bank.routes());
    let request = GetTransactionRequest { transaction_id: "458b10fd2a637fc289372baa428e8747".into(), account: swift() };
    let transaction = reply(accounts.get_transaction(request).await).transaction.unwrap_or_default();
    assert_eq!(text(transaction.amount), "USD 100.00");
}

#[tokio::test]
async fn a_transfer_that_cannot_be_executed_is_refused_with_the_reason() {
    let with = |change: fn(&mut TransferRequest)| {
        let mut request = sample_transfer();
        change(&mut request);
        request
    };
    for (request, code, said) in [
        (with(|transfer| transfer.transfer_id.clear()), Code::InvalidArgument, "BadRequest: transfer_id"),
        (with(|transfer| transfer.source = None), Code::InvalidArgument, "BadRequest: source"),
        (
            with(|transfer| {
                let source = Some(TransferEndpoint::default());
                transfer.transfer_instructions = Some(TransferInstructions { source, ..Default::default() });
            }),
            Code::InvalidArgument,
            "BadRequest: transfer_instructions.source.account",
        ),
        (
            with(|transfer| transfer.source = account(Account::Custom(Custom::default()))),
            Code::NotFound,
            "ErrorInfo: bank.sample ACCOUNT_NOT_FOUND",
        ),
        (
            with(|transfer| transfer.transaction_amount = money("USD", "1e2")),
            Code::InvalidArgument,
            "BadRequest: transaction_amount.value",
        ),
        (
            with(|transfer| transfer.execution_date = "tomorrow".into()),
            Code::InvalidArgument,
            "BadRequest: execution_date",
        ),
        (
            with(|transfer| transfer.transaction_amount = money("USD", "50000.01")),
            Code::FailedPrecondition,
            "PreconditionFailure: INSUFFICIENT_FUNDS",
        ),
        (
            with(|transfer| transfer.transaction_amount = money("JPY", "1")),
            Code::FailedPrecondition,
            "PreconditionFailure: CURRENCY",
        ),
    ] {
        let bank = SampleBank::new();
        let found = refusal(TransferServiceClient::new(bank.routes()).transfer(request).await);
        assert_eq!((found.0, found.2.as_str()), (code, said));
        assert_eq!(bank.transfers_executed("t:I58bxf:5mXpRAcI"), 0, "{said}");
    }
}

#[tokio::test]
async fn transfers_can_use_the_whole_available_balance_and_no_more() {
    let bank = SampleBank::new();
    let mut client = TransferServiceClient::new(bank.routes());
    let transfer = |id: &str, value: &str| TransferRequest {
        transfer_id: id.into(),
        requested_amount: None,
        transaction_amount: money("EUR", value),
        ..sample_transfer()
    };
    reply(client.transfer(transfer("one", "123.44")).await);
    assert_eq!(refusal(client.transfer(transfer("two", "0.011")).await).0, Code::FailedPrecondition);
    reply(client.transfer(transfer("three", "0.01")).await);
    let mut accounts = AccountServiceClient::new(bank.routes());
    let balance = reply(accounts.get_balance(GetBalanceRequest { account: swift() }).await);
    assert_eq!((text(balance.available).as_str(), text(balance.current).as_str()), ("EUR 0.00", "EUR 123.45"));
}

#[tokio::test]
async fn a_future_transfer_is_pending() {
    let request = TransferRequest { execution_date: "9999-12-31".into(), ..sample_transfer() };
    let done = reply(TransferServiceClient::new(SampleBank::new().routes()).transfer(request).await);
    assert_eq!((done.status(), done.status_description.as_str()), (StatusCode::Pending, "PENDING"));
}

fn bulk(values: &[&str], total: &str) -> BulkTransferRequest {
    let transfer = |(index, value): (usize, &&str)| bulk_transfer_request::Transfer {
        transfer_ref_id: format!("r{index}"),
        amount: money("USD", value),
        ..Default::default()
    };
    BulkTransferRequest {
        bulk_transfer_id: "b:1".into(),
        source: Some(TransferEndpoint { account: swift(), ..Default::default() }),
        transfers: values.iter().enumerate().map(transfer).collect(),
        total_amount: money("USD", total),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_bulk_transfer_is_executed_completely_or_not_at_all() {
    let bank = SampleBank::new();
    let mut client = TransferServiceClient::new(bank.routes());
    for (request, said) in [
        (bulk(&["1.00", "0"], "1.00"), "BadRequest: transfers[1].amount.value"),
        (bulk(&["1.00", "2.00"], "3.01"), "BadRequest: total_amount.value"),
        (bulk(&[], "1.00"), "BadRequest: total_amount.value"),
        (bulk(&["49999.00", "2.00"], "50001.00"), "PreconditionFailure: INSUFFICIENT_FUNDS"),
    ] {
        assert_eq!(refusal(client.create_bulk_transfer(request).await).2, said);
    }
    assert_eq!(bank.transfers_executed("b:1"), 0);
    let first = reply(client.create_bulk_transfer(bulk(&["1.00", "2.00"], "3")).await);
    let again = reply(client.create_bulk_transfer(bulk(&["1.00", "2.00"], "3")).await);
    assert!(first == again && first.status() == StatusCode::Processing);
    assert_eq!(bank.transfers_executed("b:1"), 1);
}

#[tokio::test]
async fn a_batch_transfer_reports_each_transfer_separately() {
    let bank = SampleBank::new();
    let mut client = TransferServiceClient::new(bank.routes());
    let poor = TransferRequest {
        transfer_id: "poor".into(),
        transaction_amount: money("USD", "1000000"),
        ..sample_transfer()
    };
    let request = BatchTransferRequest { transfers: vec![poor, sample_transfer(), sample_transfer()] };
    let responses = reply(client.batch_transfer(request).await).responses;
    let statuses: Vec<StatusCode> = responses.iter().map(|response| response.status()).collect();
    assert_eq!(statuses, [StatusCode::FailureInsufficientFunds, StatusCode::Processing, StatusCode::Processing]);
    assert_eq!(bank.transfers_executed("t:I58bxf:5mXpRAcI"), 1);
    let empty = client.batch_transfer(BatchTransferRequest::default()).await;
    assert_eq!(refusal(empty).2, "BadRequest: transfers");
}

#[tokio::test]
async fn a_standing_order_is_found_only_on_the_account_that_created_it() {
    let bank = SampleBank::new();
    let order = CreateStandingOrderRequest {
        token_submission_id: "ts:1".into(),
        amount: money("EUR", "25.00"),
        frequency: "MNTH".into(),
        start_date: "2027-01-01".into(),
        transfer_instructions: Some(TransferInstructions {
            source: Some(TransferEndpoint { account: iban(), ..Default::default() }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut transfers = TransferServiceClient::new(bank.routes());
    let created = reply(transfers.create_standing_order(order.clone()).await);
    assert!(created == reply(transfers.create_standing_order(order.clone()).await));
    let never =
        CreateStandingOrderRequest { end_date: "2026-12-31".into(), token_submission_id: "ts:2".into(), ..order };
    assert_eq!(refusal(transfers.create_standing_order(never).await).2, "BadRequest: end_date");

    let mut accounts = AccountServiceClient::new(bank.routes());
    let request = GetStandingOrdersRequest { account: iban(), limit: 2, ..Default::default() };
    let page = reply(accounts.get_standing_orders(request).await);
    let ids: Vec<&str> = page.standing_orders.iter().map(|order| order.id.as_str()).collect();
    assert_eq!((ids, page.offset.as_str()), (vec![created.standing_order_id.as_str(), "so-3"], "so-3"));
    let request = GetStandingOrderRequest { standing_order_id: created.standing_order_id.clone(), account: iban() };
    let found = reply(accounts.get_standing_order(request).await).standing_order.unwrap_or_default();
    assert_eq!(found.token_submission_id, "ts:1");
    let request = GetStandingOrderRequest { standing_order_id: created.standing_order_id, account: swift() };
    assert_eq!(
        refusal(accounts.get_standing_order(request).await).2,
        "ErrorInfo: bank.sample STANDING_ORDER_NOT_FOUND"
    );
}

#[tokio::test]
async fn a_stored_value_is_kept_until_it_is_removed() {
    let mut client = StorageServiceClient::new(SampleBank::new().routes());
    let key = "m:88Enz2:5zKtXEAq/a:UP4PwzxDuKbK:5zKcENpV";
    let set = SetValueRequest { key: key.into(), value: b"new".to_vec(), ..Default::default() };
    assert_eq!(reply(client.set_value(set.clone()).await).previous, b"b25lIHR3byB0aHJlZQo=");
    assert_eq!(reply(client.set_value(set).await).previous, b"new");
    assert_eq!(reply(client.get_value(GetValueRequest { key: key.into() }).await).value, b"new");
    for _ in 0..2 {
        reply(client.remove_value(RemoveValueRequest { key: key.into() }).await);
    }
    assert_eq!(
        refusal(client.get_value(GetValueRequest { key: key.into() }).await),
        (Code::NotFound, "no such key".into(), "ErrorInfo: bank.sample KEY_NOT_FOUND".into())
    );
    assert_eq!(refusal(client.set_value(SetValueRequest::default()).await).2, "BadRequest: key");
}

#[tokio::test]
async fn notifications_are_accepted_and_counted() {
    let bank = SampleBank::new();
    let mut client = NotificationServiceClient::new(bank.routes());
    reply(client.notify(NotifyRequest { notification: Some(Notification::default()), subscriber: None }).await);
    assert_eq!(refusal(client.notify(NotifyRequest::default()).await).2, "BadRequest: notification");
    assert_eq!(bank.notifications_accepted(), 1);
}

#[tokio::test]
async fn an_access_token_links_accounts() {
    let mut client = AccountLinkingServiceClient::new(SampleBank::new().routes());
    let request = |token: &str| GetBankAuthorizationRequest { access_token: token.into() };
    let found = reply(client.get_bank_authorization(request("ZmpkCmF")).await).authorization.unwrap_or_default();
    assert_eq!(found.bank_id, "iron");
    assert_eq!(found.accounts[0].ciphertext, "CBiZSBlbmNpcGhlcmVkIGF1dGggZGF0YQo=");
    assert_eq!(
        refusal(client.get_bank_authorization(request("other")).await),
        (
            Code::Unauthenticated,
            "the access token is not known".into(),
            "ErrorInfo: bank.sample ACCESS_TOKEN_UNKNOWN".into()
        )
    );
}

#[tokio::test]
async fn the_health_check_knows_only_the_sample_bank_and_reports_it_as_serving() {
    let mut client = HealthCheckServiceClient::new(SampleBank::new().routes());
    let found = reply(client.health_check(HealthCheckRequest { bank_id: "iron".into() }).await);
    assert_eq!(found.status(), health_check_response::Status::Serving);
    let (code, ..) = refusal(client.health_check(HealthCheckRequest { bank_id: "gold".into() }).await);
    assert_eq!(code, Code::NotFound);
}
