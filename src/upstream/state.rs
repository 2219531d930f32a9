//! What is known of the addresses of a backend now, for those who run the gateway.

use super::backend::Upstream;
use super::counts::ConnectCounts;
use super::dial::endpoint::Endpoint;

/// One address of a backend, as all workers have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointState {
    /// The address as configured, and what it is resolved to if it is a name.
    pub name: String,
    /// Whether its last health check went well, or it has none.
    pub is_healthy: bool,
    /// Whether a worker gives it no calls for now, since it could not be reached or its connection broke.
    pub is_ejected: bool,
    /// Open connections to it.
    pub connections: usize,
}

impl Upstream {
    /// Its addresses. Empty before they are resolved.
    #[must_use]
    pub fn endpoints(&self) -> Vec<EndpointState> {
        let known = self.directory().now();
        let state = |endpoint: &Endpoint| EndpointState {
            name: endpoint.to_string(),
            is_healthy: endpoint.standing.is_healthy(),
            is_ejected: endpoint.standing.is_ejected(),
            connections: endpoint.standing.connections(),
        };
        known.endpoints.iter().map(state).collect()
    }

    /// What was counted of its connections.
    #[must_use]
    pub fn connects(&self) -> ConnectCounts {
        self.counters().now()
    }

    /// Why a name could not be looked up, if the last look-up failed.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.directory().now().problem.map(|problem| problem.to_string())
    }
}
