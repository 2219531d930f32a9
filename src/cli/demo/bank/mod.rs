//! The sample bank: every service of the bank API over accounts in memory.
//!
//! It starts in the state of the document's samples, so that each documented request has its documented answer, and
//! forgets everything when it is dropped. It keeps the API's promises that a gateway can break: a transfer is executed
//! once for one `transfer_id`, pages neither repeat nor lose an item, a refusal carries `google.rpc` details and no
//! account number. It books nothing: a transfer reserves its amount and stays `PROCESSING`, found by its id but not
//! yet in the account's history.
//!
//! Knows no HTTP and no TLS: [`SampleBank::routes`] goes into whatever server the caller has.

// The document's samples use the account types and request fields that it marks deprecated, and so do its clients.
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
