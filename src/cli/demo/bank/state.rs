//! What the bank knows: accounts and how they are named, money, and the requests it has already carried out.

use std::collections::BTreeMap;

use super::money::Decimal;
use super::refusal::{Refusal, Thing};
use crate::cli::demo::generated::io::token::proto::{
    bankapi::{
        BulkTransferRequest, BulkTransferResponse, CreateStandingOrderRequest, CreateStandingOrderResponse,
        TransferRequest, TransferResponse,
    },
    common::{
        account::{BankAccount, bank_account::Account as Reference},
        transaction::{StandingOrder, Transaction},
        transferinstructions::{CustomerData, TransferEndpoint},
    },
};

/// The bank's id, as its customers' accounts and its health check have it.
pub(super) const BANK_ID: &str = "iron";

pub(super) struct State {
    pub(super) accounts: Vec<Account>,
    pub(super) transfers: Done<TransferRequest, Transferred>,
    pub(super) bulk_transfers: Done<BulkTransferRequest, BulkTransferResponse>,
    pub(super) standing_orders: Done<CreateStandingOrderRequest, CreateStandingOrderResponse>,
    /// By the id of a transfer or a bulk transfer.
    pub(super) executed: BTreeMap<String, usize>,
    pub(super) storage: BTreeMap<String, Vec<u8>>,
    pub(super) notifications: usize,
}

/// The answer to a transfer, and the place of the account that pays.
#[derive(Clone)]
pub(super) struct Transferred {
    pub(super) account: usize,
    pub(super) response: TransferResponse,
}

/// One account. A multicurrency account has a pocket for each currency; the first is the one that is meant
/// when a reference does not say.
pub(super) struct Account {
    /// As the bank linked it.
    pub(super) linked: BankAccount,
    pub(super) name: &'static str,
    pub(super) holders: CustomerData,
    pub(super) destinations: Vec<TransferEndpoint>,
    pub(super) pockets: Vec<Pocket>,
    /// The history, the most recent first.
    pub(super) transactions: Vec<Transaction>,
    /// Debits of transfers that are not booked yet.
    pub(super) pending: Vec<Transaction>,
    /// The most recent first.
    pub(super) standing_orders: Vec<StandingOrder>,
}

pub(super) struct Pocket {
    pub(super) currency: String,
    pub(super) current: Decimal,
    pub(super) available: Decimal,
    pub(super) others: Vec<(&'static str, Decimal)>,
    pub(super) updated_at_ms: i64,
}

impl State {
    /// The place among the accounts of the one that a request's `field` refers to.
    pub(super) fn position(&self, reference: Option<&BankAccount>, field: &str) -> Result<usize, Refusal> {
        let sought = reference
            .and_then(|account| account.account.as_ref())
            .ok_or_else(|| Refusal::invalid(field, "an account"))?;
        self.accounts.iter().position(|account| account.is(sought)).ok_or(Refusal::Unknown(Thing::Account))
    }

    /// The account that a query is about.
    pub(super) fn account(&self, reference: Option<&BankAccount>) -> Result<&Account, Refusal> {
        let index = self.position(reference, "account")?;
        Ok(&self.accounts[index])
    }
}

impl Account {
    fn is(&self, sought: &Reference) -> bool {
        self.linked.account.as_ref().is_some_and(|linked| same_account(linked, sought))
    }

    /// The money that a reference means: "use metadata" to tell apart the currencies of an account.
    pub(super) fn pocket(&self, reference: Option<&BankAccount>) -> Result<&Pocket, Refusal> {
        let pocket = match currency_of(reference) {
            Some(currency) => self.pockets.iter().find(|pocket| pocket.currency == currency),
            None => self.pockets.first(),
        };
        pocket.ok_or(Refusal::Unknown(Thing::Account))
    }
}

/// The currency that a reference's metadata is tagged with.
pub(super) fn currency_of(reference: Option<&BankAccount>) -> Option<&str> {
    let metadata = &reference?.metadata;
    metadata.get("currency").map(String::as_str)
}

/// Whether the bank's own reference and a caller's mean one account.
fn same_account(linked: &Reference, sought: &Reference) -> bool {
    match (iban_of(linked), iban_of(sought)) {
        // "Bic code. Optional": a caller may leave it out.
        (Some(linked), Some(sought)) => {
            linked.iban == sought.iban && (sought.bic.is_empty() || linked.bic == sought.bic)
        }
        _ => linked == sought,
    }
}

struct Iban<'a> {
    iban: &'a str,
    bic: &'a str,
}

/// Sepa is the deprecated way to write Iban.
fn iban_of(reference: &Reference) -> Option<Iban<'_>> {
    let (iban, bic) = match reference {
        Reference::Sepa(sepa) => (&sepa.iban, &sepa.bic),
        Reference::Iban(iban) => (&iban.iban, &iban.bic),
        _ => return None,
    };
    Some(Iban { iban, bic })
}

/// Requests that were carried out, by the id that their sender gave them, with their answers.
pub(super) struct Done<Q, A>(BTreeMap<String, (Q, A)>);

impl<Q: PartialEq, A: Clone> Done<Q, A> {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The answer that this request had before, if any. The id is in the request's `field`, and is for one request.
    pub(super) fn answer(&self, id: &str, request: &Q, field: &'static str) -> Result<Option<A>, Refusal> {
        if id.is_empty() {
            return Err(Refusal::invalid(field, "an id"));
        }
        match self.0.get(id) {
            Some((done, answer)) if done == request => Ok(Some(answer.clone())),
            Some(_) => Err(Refusal::Reused { field }),
            None => Ok(None),
        }
    }

    pub(super) fn record(&mut self, id: &str, request: &Q, answer: &A)
    where
        Q: Clone,
    {
        self.0.insert(id.to_owned(), (request.clone(), answer.clone()));
    }

    pub(super) fn by_id(&self, id: &str) -> Option<&A> {
        self.0.get(id).map(|(_, answer)| answer)
    }
}

/// An id of the bank's own for an id of the caller's: the same one each time, and different ones for different kinds.
pub(super) fn derived_id(kind: &str, id: &str) -> String {
    // FNV-1a of 128 bits: its published basis and prime.
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    for byte in kind.bytes().chain([0]).chain(id.bytes()) {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    format!("{hash:032x}")
}
