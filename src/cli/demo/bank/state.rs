//! The state of the bank: accounts and their references, money, and the requests that it has already carried out.

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

/// The bank's id in its customers' accounts and in its health check.
pub(super) const BANK_ID: &str = "iron";

pub(super) struct State {
    pub(super) accounts: Vec<Account>,
    pub(super) transfers: Done<TransferRequest, Transferred>,
    pub(super) bulk_transfers: Done<BulkTransferRequest, BulkTransferResponse>,
    pub(super) standing_orders: Done<CreateStandingOrderRequest, CreateStandingOrderResponse>,
    /// How often money was reserved, by the id of a transfer or bulk transfer.
    pub(super) executed: BTreeMap<String, usize>,
    pub(super) storage: BTreeMap<String, Vec<u8>>,
    pub(super) notifications: usize,
}

/// The response to a transfer, and the index of the account that pays.
#[derive(Clone)]
pub(super) struct Transferred {
    pub(super) account: usize,
    pub(super) response: TransferResponse,
}

/// One account. A multi-currency account has one pocket per currency; a reference without a currency means the
/// first.
pub(super) struct Account {
    /// The account reference as the bank linked it.
    pub(super) linked: BankAccount,
    pub(super) name: &'static str,
    pub(super) holders: CustomerData,
    pub(super) destinations: Vec<TransferEndpoint>,
    pub(super) pockets: Vec<Pocket>,
    /// Booked transactions, the most recent first.
    pub(super) transactions: Vec<Transaction>,
    /// Debits of transfers that are not booked yet.
    pub(super) pending: Vec<Transaction>,
    /// Standing orders, the most recent first.
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
    /// The index of the account that `field` of a request refers to.
    pub(super) fn position(&self, reference: Option<&BankAccount>, field: &str) -> Result<usize, Refusal> {
        let sought = reference
            .and_then(|account| account.account.as_ref())
            .ok_or_else(|| Refusal::invalid(field, "an account"))?;
        self.accounts.iter().position(|account| account.is(sought)).ok_or(Refusal::Unknown(Thing::Account))
    }

    /// The account that the field `account` of a query refers to.
    pub(super) fn account(&self, reference: Option<&BankAccount>) -> Result<&Account, Refusal> {
        let index = self.position(reference, "account")?;
        Ok(&self.accounts[index])
    }
}

impl Account {
    fn is(&self, sought: &Reference) -> bool {
        self.linked.account.as_ref().is_some_and(|linked| same_account(linked, sought))
    }

    /// The pocket that a reference means. The document says "use metadata" to tell the currencies of an account apart.
    pub(super) fn pocket(&self, reference: Option<&BankAccount>) -> Result<&Pocket, Refusal> {
        let pocket = match currency_of(reference) {
            Some(currency) => self.pockets.iter().find(|pocket| pocket.currency == currency),
            None => self.pockets.first(),
        };
        pocket.ok_or(Refusal::Unknown(Thing::Account))
    }
}

/// The currency in the metadata of a reference.
pub(super) fn currency_of(reference: Option<&BankAccount>) -> Option<&str> {
    let metadata = &reference?.metadata;
    metadata.get("currency").map(String::as_str)
}

/// Whether the bank's reference and a caller's reference mean the same account.
fn same_account(linked: &Reference, sought: &Reference) -> bool {
    match (iban_of(linked), iban_of(sought)) {
        // The document says "Bic code. Optional", so a caller may leave it out.
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

/// The IBAN of a reference; `Sepa` is the deprecated form of `Iban`.
fn iban_of(reference: &Reference) -> Option<Iban<'_>> {
    let (iban, bic) = match reference {
        Reference::Sepa(sepa) => (&sepa.iban, &sepa.bic),
        Reference::Iban(iban) => (&iban.iban, &iban.bic),
        _ => return None,
    };
    Some(Iban { iban, bic })
}

/// Requests that were carried out, with their responses, by the id that the sender gave.
pub(super) struct Done<Q, A>(BTreeMap<String, (Q, A)>);

impl<Q: PartialEq, A: Clone> Done<Q, A> {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The earlier response to this request, if it was carried out before. The id, from `field`, must belong to one
    /// request only.
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

/// The bank's own id, derived from an id of the caller: always the same one, and a different one for each kind.
pub(super) fn derived_id(kind: &str, id: &str) -> String {
    // FNV-1a with 128 bits, with its published offset basis and prime.
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    for byte in kind.bytes().chain([0]).chain(id.bytes()) {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    format!("{hash:032x}")
}
