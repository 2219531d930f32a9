//! The sample bank: all services over one shared state.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tonic::service::Routes;

use super::sample;
use super::state::State;
use crate::cli::demo::generated::io::token::proto::bankapi::{
    account_linking_service_server::AccountLinkingServiceServer, account_service_server::AccountServiceServer,
    health_check_service_server::HealthCheckServiceServer, notification_service_server::NotificationServiceServer,
    storage_service_server::StorageServiceServer, transfer_service_server::TransferServiceServer,
};

/// A bank in memory. Clones share its state.
#[derive(Clone)]
pub struct SampleBank {
    state: Arc<Mutex<State>>,
}

impl SampleBank {
    /// Creates a bank in the state of the document's samples.
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

    /// How often money was reserved for this `transfer_id`. Never more than once, even if a client repeats the
    /// transfer.
    pub fn transfers_executed(&self, transfer_id: &str) -> usize {
        let state = self.state();
        state.executed.get(transfer_id).copied().unwrap_or(0)
    }

    /// The number of accepted notifications.
    pub fn notifications_accepted(&self) -> usize {
        self.state().notifications
    }

    /// Locks the state, even if a thread of a test panicked while it held the lock.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for SampleBank {
    fn default() -> Self {
        Self::new()
    }
}
