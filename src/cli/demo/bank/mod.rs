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
mod standing_order;
mod state;
mod storage;
mod transfer;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tonic::service::Routes;

use crate::cli::demo::generated::io::token::proto::bankapi::{
    account_linking_service_server::AccountLinkingServiceServer, account_service_server::AccountServiceServer,
    health_check_service_server::HealthCheckServiceServer, notification_service_server::NotificationServiceServer,
    storage_service_server::StorageServiceServer, transfer_service_server::TransferServiceServer,
};
use state::State;

/// A bank in memory; its clones are one bank.
#[derive(Clone)]
pub struct SampleBank {
    state: Arc<Mutex<State>>,
}

impl SampleBank {
    /// A bank in the state of the document's samples.
    pub fn new() -> Self {
        Self { state: Arc::new(Mutex::new(sample::state())) }
    }

    /// All services of the bank API, ready for a tonic server.
    pub fn routes(&self) -> Routes {
        Routes::new(AccountServiceServer::new(self.clone()))
            .add_service(AccountLinkingServiceServer::new(self.clone()))
            .add_service(TransferServiceServer::new(self.clone()))
            .add_service(StorageServiceServer::new(self.clone()))
            .add_service(NotificationServiceServer::new(self.clone()))
            .add_service(HealthCheckServiceServer::new(self.clone()))
    }

    /// How often money was reserved for this `transfer_id`: once, whatever a client repeats.
    pub fn transfers_executed(&self, transfer_id: &str) -> usize {
        let state = self.state();
        state.executed.get(transfer_id).copied().unwrap_or(0)
    }

    /// How many notifications were accepted.
    pub fn notifications_accepted(&self) -> usize {
        self.state().notifications
    }

    /// The state, even if a test's thread panicked with it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for SampleBank {
    fn default() -> Self {
        Self::new()
    }
}
