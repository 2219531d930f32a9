//! AccountService: balances, transactions, standing orders and details of the sample accounts.

use tonic::{Request, Response, Status};

use super::day::Day;
use super::money::money;
use super::page::Window;
use super::refusal::{Refusal, Thing};
use super::service::SampleBank;
use super::state::{State, currency_of};
use crate::cli::demo::generated::io::token::proto::{
    bankapi::{
        GetAccountDetailsRequest, GetAccountDetailsResponse, GetBalanceRequest, GetBalanceResponse,
        GetStandingOrderRequest, GetStandingOrderResponse, GetStandingOrdersRequest, GetStandingOrdersResponse,
        GetTransactionRequest, GetTransactionResponse, GetTransactionsRequest, GetTransactionsResponse,
        ResolveTransferDestinationsRequest, ResolveTransferDestinationsResponse,
        account_service_server::AccountService,
    },
    common::transaction::{Transaction, balance::TypedBalance},
};

#[tonic::async_trait]
impl AccountService for SampleBank {
    async fn get_balance(&self, request: Request<GetBalanceRequest>) -> Result<Response<GetBalanceResponse>, Status> {
        let reply = self.state().balance(request.get_ref())?;
        Ok(Response::new(reply))
    }

    async fn get_transaction(
        &self,
        request: Request<GetTransactionRequest>,
    ) -> Result<Response<GetTransactionResponse>, Status> {
        let reply = self.state().transaction(request.get_ref())?;
        Ok(Response::new(reply))
    }

    async fn get_transactions(
        &self,
        request: Request<GetTransactionsRequest>,
    ) -> Result<Response<GetTransactionsResponse>, Status> {
        let reply = self.state().transactions(request.get_ref())?;
        Ok(Response::new(reply))
    }

    async fn resolve_transfer_destinations(
        &self,
        request: Request<ResolveTransferDestinationsRequest>,
    ) -> Result<Response<ResolveTransferDestinationsResponse>, Status> {
        let state = self.state();
        let account = state.account(request.get_ref().account.as_ref())?;
        Ok(Response::new(ResolveTransferDestinationsResponse { destinations: account.destinations.clone() }))
    }

    async fn get_account_details(
        &self,
        request: Request<GetAccountDetailsRequest>,
    ) -> Result<Response<GetAccountDetailsResponse>, Status> {
        let reply = self.state().account_details(request.get_ref())?;
        Ok(Response::new(reply))
    }

    async fn get_standing_order(
        &self,
        request: Request<GetStandingOrderRequest>,
    ) -> Result<Response<GetStandingOrderResponse>, Status> {
        let reply = self.state().standing_order(request.get_ref())?;
        Ok(Response::new(reply))
    }

    async fn get_standing_orders(
        &self,
        request: Request<GetStandingOrdersRequest>,
    ) -> Result<Response<GetStandingOrdersResponse>, Status> {
        let reply = self.state().standing_orders_of(request.get_ref())?;
        Ok(Response::new(reply))
    }
}

impl State {
    fn balance(&self, request: &GetBalanceRequest) -> Result<GetBalanceResponse, Refusal> {
        let reference = request.account.as_ref();
        let pocket = self.account(reference)?.pocket(reference)?;
        let typed = |(kind, value): &(&str, _)| TypedBalance {
            r#type: (*kind).to_owned(),
            amount: Some(money(&pocket.currency, *value)),
            updated_at_ms: pocket.updated_at_ms,
        };
        Ok(GetBalanceResponse {
            current: Some(money(&pocket.currency, pocket.current)),
            available: Some(money(&pocket.currency, pocket.available)),
            updated_at_ms: pocket.updated_at_ms,
            other_balances: pocket.others.iter().map(typed).collect(),
        })
    }

    fn transaction(&self, request: &GetTransactionRequest) -> Result<GetTransactionResponse, Refusal> {
        let account = self.account(request.account.as_ref())?;
        if request.transaction_id.is_empty() {
            return Err(Refusal::invalid("transaction_id", "an id"));
        }
        let transaction = account
            .transactions
            .iter()
            .chain(&account.pending)
            .find(|transaction| transaction.id == request.transaction_id)
            .ok_or(Refusal::Unknown(Thing::Transaction))?;
        Ok(GetTransactionResponse { transaction: Some(transaction.clone()) })
    }

    fn transactions(&self, request: &GetTransactionsRequest) -> Result<GetTransactionsResponse, Refusal> {
        let account = self.account(request.account.as_ref())?;
        if request.integer_offset != 0 {
            return Err(Refusal::invalid("integer_offset", "nothing: offset is used instead"));
        }
        let first = Day::of_field(&request.start_date, "start_date")?;
        let last = Day::of_field(&request.end_date, "end_date")?;
        if first.zip(last).is_some_and(|(first, last)| last < first) {
            return Err(Refusal::invalid("end_date", "a date not before start_date"));
        }
        let currency = currency_of(request.account.as_ref());
        let in_range = |transaction: &&Transaction| {
            let day = Day::of_ms(transaction.created_at_ms);
            let amount = transaction.amount.as_ref();
            first.is_none_or(|first| first <= day)
                && last.is_none_or(|last| day <= last)
                && currency.is_none_or(|currency| amount.is_some_and(|amount| amount.currency == currency))
        };
        let window = Window { offset: &request.offset, limit: request.limit };
        let page = window.of(account.transactions.iter().filter(in_range), |transaction| &transaction.id)?;
        Ok(GetTransactionsResponse { transactions: page.items, offset: page.offset })
    }

    fn account_details(&self, request: &GetAccountDetailsRequest) -> Result<GetAccountDetailsResponse, Refusal> {
        let reference = request.account.as_ref();
        let account = self.account(reference)?;
        Ok(GetAccountDetailsResponse {
            account: Some(account.linked.clone()),
            name: account.name.to_owned(),
            currency: account.pocket(reference)?.currency.clone(),
            holders: Some(account.holders.clone()),
        })
    }

    fn standing_order(&self, request: &GetStandingOrderRequest) -> Result<GetStandingOrderResponse, Refusal> {
        let account = self.account(request.account.as_ref())?;
        if request.standing_order_id.is_empty() {
            return Err(Refusal::invalid("standing_order_id", "an id"));
        }
        let order = account
            .standing_orders
            .iter()
            .find(|order| order.id == request.standing_order_id)
            .ok_or(Refusal::Unknown(Thing::StandingOrder))?;
        Ok(GetStandingOrderResponse { standing_order: Some(order.clone()) })
    }

    fn standing_orders_of(&self, request: &GetStandingOrdersRequest) -> Result<GetStandingOrdersResponse, Refusal> {
        let account = self.account(request.account.as_ref())?;
        let window = Window { offset: &request.offset, limit: request.limit };
        let page = window.of(&account.standing_orders, |order| &order.id)?;
        Ok(GetStandingOrdersResponse { standing_orders: page.items, offset: page.offset })
    }
}
