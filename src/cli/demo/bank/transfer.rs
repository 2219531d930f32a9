//! TransferService: single, bulk and batch transfers, each executed once per id.

use std::collections::BTreeSet;

use tonic::{Request, Response, Status};

use super::day::{Day, now_ms};
use super::money::{Amount, Decimal};
use super::refusal::{Refusal, Thing};
use super::service::SampleBank;
use super::state::{Account, State, Transferred, derived_id};
use crate::cli::demo::generated::io::token::proto::{
    bankapi::{
        BatchTransferRequest, BatchTransferResponse, BulkTransferRequest, BulkTransferResponse,
        CreateStandingOrderRequest, CreateStandingOrderResponse, GetTransferStatusRequest, GetTransferStatusResponse,
        StatusCode, TransferRequest, TransferResponse, transfer_service_server::TransferService,
    },
    common::{
        account::BankAccount,
        transaction::{Transaction, TransactionStatus, TransactionType},
    },
};

/// The id of the document's sample transfer, and of the transaction in its response.
const SAMPLE: (&str, &str) = ("t:I58bxf:5mXpRAcI", "458b10fd2a637fc289372baa428e8747");

#[tonic::async_trait]
impl TransferService for SampleBank {
    async fn transfer(&self, request: Request<TransferRequest>) -> Result<Response<TransferResponse>, Status> {
        let reply = self.state().transfer(request.get_ref())?;
        Ok(Response::new(reply))
    }

    async fn get_transfer_status(
        &self,
        request: Request<GetTransferStatusRequest>,
    ) -> Result<Response<GetTransferStatusResponse>, Status> {
        let reply = self.state().transfer_status(request.get_ref())?;
        Ok(Response::new(reply))
    }

    async fn create_bulk_transfer(
        &self,
        request: Request<BulkTransferRequest>,
    ) -> Result<Response<BulkTransferResponse>, Status> {
        let reply = self.state().bulk_transfer(request.get_ref())?;
        Ok(Response::new(reply))
    }

    async fn batch_transfer(
        &self,
        request: Request<BatchTransferRequest>,
    ) -> Result<Response<BatchTransferResponse>, Status> {
        let reply = self.state().batch_transfer(request.get_ref())?;
        Ok(Response::new(reply))
    }

    async fn create_standing_order(
        &self,
        request: Request<CreateStandingOrderRequest>,
    ) -> Result<Response<CreateStandingOrderResponse>, Status> {
        let reply = self.state().create_standing_order(request.get_ref())?;
        Ok(Response::new(reply))
    }
}

impl State {
    fn transfer(&mut self, request: &TransferRequest) -> Result<TransferResponse, Refusal> {
        let id = &request.transfer_id;
        if let Some(before) = self.transfers.answer(id, request, "transfer_id")? {
            return Ok(before.response);
        }
        let (source, field) = source(request);
        let index = self.position(source, field)?;
        let amount = amount(request)?;
        let status = match Day::of_field(&request.execution_date, "execution_date")? {
            Some(day) if day > Day::today() => StatusCode::Pending,
            _ => StatusCode::Processing,
        };

        let account = &mut self.accounts[index];
        account.reserve(&amount)?;
        let transaction_id = transaction_id(id);
        account.pending.push(Transaction {
            id: transaction_id.clone(),
            r#type: TransactionType::Debit.into(),
            status: transaction_status(status).into(),
            amount: Some(amount.to_money()),
            description: request.description.clone(),
            token_transfer_id: id.clone(),
            created_at_ms: now_ms(),
            ..Default::default()
        });
        let response = TransferResponse {
            transaction_id,
            status: status.into(),
            status_description: status.as_str_name().to_owned(),
        };
        let transferred = Transferred { account: index, response };
        self.transfers.record(id, request, &transferred);
        *self.executed.entry(id.clone()).or_default() += 1;
        Ok(transferred.response)
    }

    fn transfer_status(&self, request: &GetTransferStatusRequest) -> Result<GetTransferStatusResponse, Refusal> {
        if request.transfer_id.is_empty() {
            return Err(Refusal::invalid("transfer_id", "an id"));
        }
        let transferred = self.transfers.by_id(&request.transfer_id).ok_or(Refusal::Unknown(Thing::Transfer))?;
        if let Some(account) = &request.account {
            let index = self.position(Some(account), "account")?;
            if index != transferred.account {
                return Err(Refusal::Unknown(Thing::Transfer));
            }
        }
        let response = transferred.response.clone();
        Ok(GetTransferStatusResponse {
            transaction_id: response.transaction_id,
            status: response.status,
            status_description: response.status_description,
        })
    }

    /// Executes all payments of a bulk or none: they are checked together and reserved as one amount.
    fn bulk_transfer(&mut self, request: &BulkTransferRequest) -> Result<BulkTransferResponse, Refusal> {
        let id = &request.bulk_transfer_id;
        if let Some(before) = self.bulk_transfers.answer(id, request, "bulk_transfer_id")? {
            return Ok(before);
        }
        let source = request.source.as_ref();
        let source = source.and_then(|endpoint| endpoint.account.as_ref());
        let index = self.position(source, "source.account")?;
        let (amounts, total) = bulk_amounts(request)?;

        let account = &mut self.accounts[index];
        account.reserve(&total)?;
        for (payment, amount) in request.transfers.iter().zip(amounts) {
            account.pending.push(Transaction {
                id: derived_id("bulk payment", &format!("{id}\0{}", payment.transfer_ref_id)),
                r#type: TransactionType::Debit.into(),
                status: TransactionStatus::Processing.into(),
                amount: Some(amount.to_money()),
                description: payment.description.clone(),
                created_at_ms: now_ms(),
                ..Default::default()
            });
        }
        let response = BulkTransferResponse {
            bank_bulk_transfer_id: derived_id("bulk transfer", id),
            status: StatusCode::Processing.into(),
            status_description: StatusCode::Processing.as_str_name().to_owned(),
        };
        self.bulk_transfers.record(id, request, &response);
        *self.executed.entry(id.clone()).or_default() += 1;
        Ok(response)
    }

    /// Executes each transfer on its own: one that fails gets a failure as its response and does not stop the others.
    fn batch_transfer(&mut self, request: &BatchTransferRequest) -> Result<BatchTransferResponse, Refusal> {
        if request.transfers.is_empty() {
            return Err(Refusal::invalid("transfers", "at least one transfer"));
        }
        let answer = |transfer| self.transfer(transfer).unwrap_or_else(|refusal| failed(&refusal));
        Ok(BatchTransferResponse { responses: request.transfers.iter().map(answer).collect() })
    }
}

impl Account {
    /// Takes an amount from the available balance. The current balance changes only when the amount is booked.
    fn reserve(&mut self, amount: &Amount) -> Result<(), Refusal> {
        let pocket = self
            .pockets
            .iter_mut()
            .find(|pocket| pocket.currency == amount.currency)
            .ok_or_else(|| Refusal::Currency { currency: amount.currency.clone() })?;
        if pocket.available < amount.value {
            return Err(Refusal::Funds);
        }
        pocket.available = pocket.available - amount.value;
        Ok(())
    }
}

/// The account to debit, and the request field that names it: the one in the instructions, or the deprecated one.
fn source(request: &TransferRequest) -> (Option<&BankAccount>, &'static str) {
    let instructions = request.transfer_instructions.as_ref();
    match instructions.and_then(|instructions| instructions.source.as_ref()) {
        Some(endpoint) => (endpoint.account.as_ref(), "transfer_instructions.source.account"),
        None => (request.source.as_ref(), "source"),
    }
}

fn amount(request: &TransferRequest) -> Result<Amount, Refusal> {
    match &request.requested_amount {
        Some(requested) if request.transaction_amount.is_none() => Amount::of(Some(requested), "requested_amount"),
        _ => Amount::of(request.transaction_amount.as_ref(), "transaction_amount"),
    }
}

fn transaction_id(transfer_id: &str) -> String {
    match SAMPLE {
        (sample, transaction) if sample == transfer_id => transaction.to_owned(),
        _ => derived_id("transfer", transfer_id),
    }
}

/// The transaction status with the same name as the transfer status.
fn transaction_status(status: StatusCode) -> TransactionStatus {
    TransactionStatus::from_str_name(status.as_str_name()).unwrap_or(TransactionStatus::InvalidStatus)
}

/// The amounts of a bulk transfer, which must share one currency, and their sum.
fn bulk_amounts(request: &BulkTransferRequest) -> Result<(Vec<Amount>, Amount), Refusal> {
    let total = Amount::of(request.total_amount.as_ref(), "total_amount")?;
    let mut sum = Decimal::cents(0);
    let mut references = BTreeSet::new();
    let mut amounts = Vec::with_capacity(request.transfers.len());
    for (index, payment) in request.transfers.iter().enumerate() {
        let field = format!("transfers[{index}].amount");
        let amount = Amount::of(payment.amount.as_ref(), &field)?;
        if amount.currency != total.currency {
            return Err(Refusal::invalid(format!("{field}.currency"), "the currency of total_amount"));
        }
        let reference = payment.transfer_ref_id.as_str();
        if reference.is_empty() || !references.insert(reference) {
            let field = format!("transfers[{index}].transfer_ref_id");
            return Err(Refusal::invalid(field, "an id that no other transfer of the bulk has"));
        }
        sum = sum + amount.value;
        amounts.push(amount);
    }
    if sum != total.value {
        return Err(Refusal::invalid("total_amount.value", "the sum of all transfers"));
    }
    Ok((amounts, total))
}

fn failed(refusal: &Refusal) -> TransferResponse {
    let status = match refusal {
        Refusal::Currency { .. } => StatusCode::FailureInvalidCurrency,
        Refusal::Funds => StatusCode::FailureInsufficientFunds,
        Refusal::AccessToken => StatusCode::FailurePermissionDenied,
        Refusal::Invalid { .. } | Refusal::Unknown(_) | Refusal::Reused { .. } => StatusCode::FailureGeneric,
    };
    TransferResponse { transaction_id: String::new(), status: status.into(), status_description: refusal.to_string() }
}
