//! Standing orders: created here, listed by AccountService. The sample bank never executes their payments.

use super::day::{Day, now_ms};
use super::money::Amount;
use super::refusal::Refusal;
use super::state::{State, derived_id};
use crate::cli::demo::generated::io::token::proto::{
    bankapi::{CreateStandingOrderRequest, CreateStandingOrderResponse, StatusCode},
    common::transaction::{StandingOrder, standing_order},
};

/// The codes of ISO 20022 EventFrequency that correspond to calendar periods.
const FREQUENCIES: [&str; 8] = ["DAIL", "WEEK", "TOWK", "MNTH", "TOMN", "QUTR", "SEMI", "YEAR"];

impl State {
    pub(super) fn create_standing_order(
        &mut self,
        request: &CreateStandingOrderRequest,
    ) -> Result<CreateStandingOrderResponse, Refusal> {
        let id = &request.token_submission_id;
        if let Some(before) = self.standing_orders.answer(id, request, "token_submission_id")? {
            return Ok(before);
        }
        let source = request
            .transfer_instructions
            .as_ref()
            .and_then(|instructions| instructions.source.as_ref())
            .and_then(|endpoint| endpoint.account.as_ref());
        let index = self.position(source, "transfer_instructions.source.account")?;
        Amount::of(request.amount.as_ref(), "amount")?;
        check_schedule(request)?;

        let order = StandingOrder {
            id: derived_id("standing order", id),
            status: standing_order::Status::Active.into(),
            token_id: request.token_id.clone(),
            token_submission_id: id.clone(),
            created_at_ms: now_ms(),
            provider_standing_order_details: None,
        };
        let response = CreateStandingOrderResponse {
            standing_order_id: order.id.clone(),
            status: StatusCode::Success.into(),
            status_description: StatusCode::Success.as_str_name().to_owned(),
        };
        self.accounts[index].standing_orders.insert(0, order);
        self.standing_orders.record(id, request, &response);
        Ok(response)
    }
}

fn check_schedule(request: &CreateStandingOrderRequest) -> Result<(), Refusal> {
    if !FREQUENCIES.contains(&request.frequency.as_str()) {
        let expected = "one of DAIL, WEEK, TOWK, MNTH, TOMN, QUTR, SEMI, YEAR";
        return Err(Refusal::invalid("frequency", expected));
    }
    let Some(first) = Day::of_field(&request.start_date, "start_date")? else {
        return Err(Refusal::invalid("start_date", "a date as YYYY-MM-DD"));
    };
    match Day::of_field(&request.end_date, "end_date")? {
        Some(last) if last < first => Err(Refusal::invalid("end_date", "a date not before start_date")),
        _ => Ok(()),
    }
}
