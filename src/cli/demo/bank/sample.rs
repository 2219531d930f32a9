//! The initial state of the sample bank: what the document's samples show, plus enough data to try each kind of
//! account, several currencies and paging.

#![expect(clippy::inconsistent_digit_grouping, reason = "123_45 is 123.45 in cents")]

use std::collections::BTreeMap;

use super::money::{Decimal, money};
use super::state::{Account, BANK_ID, Done, Pocket, State};
use crate::cli::demo::generated::io::token::proto::common::{
    account::{
        AccountFeatures, BankAccount,
        bank_account::{Account as Reference, Ach, Custom, Domestic, FasterPayments, Iban, Sepa, Swift, Token},
    },
    address::Address,
    transaction::{StandingOrder, Transaction, TransactionStatus, TransactionType, standing_order},
    transferinstructions::{CustomerData, TransferEndpoint},
};

/// The time of the document's sample transaction, 2017-07-06 in UTC, in milliseconds. Nothing in the state is more
/// recent.
const SAMPLE_MS: i64 = 1_499_301_354_256;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The key of the document's storage sample, and the value that its sample reply calls `previous`.
const STORED: (&str, &[u8]) = ("m:88Enz2:5zKtXEAq/a:UP4PwzxDuKbK:5zKcENpV", b"b25lIHR3byB0aHJlZQo=");

pub(super) fn state() -> State {
    let (key, value) = STORED;
    State {
        accounts: accounts(),
        transfers: Done::new(),
        bulk_transfers: Done::new(),
        standing_orders: Done::new(),
        executed: BTreeMap::new(),
        storage: BTreeMap::from([(key.to_owned(), value.to_vec())]),
        notifications: 0,
    }
}

fn accounts() -> Vec<Account> {
    vec![
        swift(),
        account("Savings", sepa(), [euros(2_500_00, 2_400_50)]),
        account("Checking (US)", ach(), [pocket("USD", 980_10, 980_10)]),
        account("Current (UK)", faster_payments(), [pocket("GBP", 75_00, 50_00)]),
        account("Safe", custom(), [pocket("CHF", 10_00, 10_00)]),
        iban(),
        account("Business (UK)", domestic(), [pocket("GBP", 18_204_37, 18_204_37)]),
        account("Token", token(), [euros(42_00, 42_00)]),
    ]
}

/// The account of the document's samples. They show its balance in euros, and a transfer from its dollars.
fn swift() -> Account {
    let reference = Reference::Swift(Swift { bic: "IRONUSCA000".to_owned(), account: "iban:3814827".to_owned() });
    let shown = Pocket { updated_at_ms: 0, ..euros(123_45, 123_45) };
    Account {
        transactions: vec![Transaction {
            id: "dd29e7b6ab953d5b3fb44c1dd9ac7efd".to_owned(),
            r#type: TransactionType::Debit.into(),
            status: TransactionStatus::Processing.into(),
            amount: Some(money("EUR", Decimal::cents(12_34))),
            description: "Sample transaction".to_owned(),
            token_id: "tt:gOkIOWYHK:5mXpRAcI".to_owned(),
            token_transfer_id: "t:UpoJIJbvdOKXQWka:5mXpRAcI".to_owned(),
            created_at_ms: SAMPLE_MS,
            ..Default::default()
        }],
        ..account("Checking", reference, [shown, pocket("USD", 50_000_00, 50_000_00)])
    }
}

/// The account with a history: 25 transactions on 13 days, and three standing orders.
fn iban() -> Account {
    let reference = Reference::Iban(Iban { bic: "COBADEFFXXX".to_owned(), iban: "DE89370400440532013000".to_owned() });
    let with_credit = Pocket {
        others: vec![("CREDIT_LIMIT", Decimal::cents(1_000_00)), ("OPENING_BOOKED", Decimal::cents(5_190_99))],
        ..euros(5_230_99, 5_200_00)
    };
    let mut account = account("Household", reference, [with_credit]);
    // The account can also be reached from outside the euro area, by SWIFT.
    account
        .destinations
        .push(endpoint(Reference::Swift(Swift { bic: "COBADEFFXXX".to_owned(), account: "0532013000".to_owned() })));
    account.transactions = (1..=25).rev().map(transaction).collect();
    account.standing_orders = (1..=3).rev().map(standing_order).collect();
    account
}

fn sepa() -> Reference {
    Reference::Sepa(Sepa { iban: "IE64BOFI90583812345678".to_owned(), bic: "BOFIIE2D".to_owned() })
}

fn ach() -> Reference {
    Reference::Ach(Ach { routing: "067014822".to_owned(), account: "2589016585911".to_owned() })
}

fn faster_payments() -> Reference {
    Reference::FasterPayments(FasterPayments { sort_code: "040004".to_owned(), account_number: "31926819".to_owned() })
}

fn custom() -> Reference {
    Reference::Custom(Custom { bank_id: BANK_ID.to_owned(), payload: "safe-7f3a".to_owned() })
}

fn domestic() -> Reference {
    Reference::Domestic(Domestic {
        bank_code: "200000".to_owned(),
        account_number: "55779911".to_owned(),
        country: "GB".to_owned(),
    })
}

fn token() -> Reference {
    Reference::Token(Token { member_id: "m:2xIIp:5mXgKRNd".to_owned(), account_id: "a:7LAe9:5mXpRAcI".to_owned() })
}

/// An account without history. Its only transfer destination is the reference itself.
fn account<const N: usize>(name: &'static str, reference: Reference, pockets: [Pocket; N]) -> Account {
    Account {
        linked: linked(reference.clone()),
        name,
        holders: holders(),
        destinations: vec![endpoint(reference)],
        pockets: pockets.into(),
        transactions: Vec::new(),
        pending: Vec::new(),
        standing_orders: Vec::new(),
    }
}

fn euros(current: i64, available: i64) -> Pocket {
    pocket("EUR", current, available)
}

fn pocket(currency: &str, current: i64, available: i64) -> Pocket {
    Pocket {
        currency: currency.to_owned(),
        current: Decimal::cents(current),
        available: Decimal::cents(available),
        others: Vec::new(),
        updated_at_ms: SAMPLE_MS,
    }
}

fn linked(reference: Reference) -> BankAccount {
    BankAccount {
        account: Some(reference),
        account_features: Some(AccountFeatures {
            supports_payment: true,
            supports_information: true,
            supports_send_payment: true,
            supports_receive_payment: true,
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn endpoint(reference: Reference) -> TransferEndpoint {
    TransferEndpoint {
        account: Some(BankAccount { account: Some(reference), ..Default::default() }),
        customer_data: Some(holders()),
        bank_id: BANK_ID.to_owned(),
    }
}

fn holders() -> CustomerData {
    CustomerData {
        legal_names: vec!["John Smith".to_owned()],
        address: Some(Address { house_number: "332C".to_owned(), street: "Cook St".to_owned(), ..Default::default() }),
    }
}

/// `tx-25` is the most recent, alone on its day; before it, each day has two.
fn transaction(number: i64) -> Transaction {
    let kind = match number % 5 {
        0 => TransactionType::Credit,
        _ => TransactionType::Debit,
    };
    Transaction {
        id: format!("tx-{number:02}"),
        r#type: kind.into(),
        status: TransactionStatus::Success.into(),
        amount: Some(money("EUR", Decimal::cents(number * 7_35))),
        description: format!("Payment {number}"),
        created_at_ms: SAMPLE_MS - (26 - number) / 2 * DAY_MS,
        ..Default::default()
    }
}

fn standing_order(number: i64) -> StandingOrder {
    let status = match number {
        1 => standing_order::Status::Inactive,
        _ => standing_order::Status::Active,
    };
    StandingOrder {
        id: format!("so-{number}"),
        status: status.into(),
        created_at_ms: SAMPLE_MS - (4 - number) * 30 * DAY_MS,
        ..Default::default()
    }
}
