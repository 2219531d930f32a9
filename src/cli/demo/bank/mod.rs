//! The sample bank: implements every service of the bank API over accounts in memory.
//!
//! It starts in the state of the document's samples, so that each documented request gets its documented response. It
//! forgets everything when it is dropped. It keeps the promises of the API that a gateway can break: a transfer is
//! executed once per `transfer_id`, pages neither repeat nor lose an item, and an error carries `google.rpc` details
//! and no account number. It books nothing: a transfer reserves its amount and stays `PROCESSING`, found by its id but
//! not yet in the account's history.
//!
//! It knows neither HTTP nor TLS: [`SampleBank::routes`] can be served by any server.

// The document's samples and their clients use account types and request fields that the document marks deprecated.
#![allow(deprecated)]

mod account;
pub mod certificates;
mod day;
mod health;
mod linking;
mod money;
mod notification;
mod page;
mod refusal;
mod sample;
mod service;
mod standing_order;
mod state;
mod storage;
mod transfer;

#[cfg(test)]
mod tests;

pub use service::SampleBank;
