//! The current state of a backend's addresses, for operators.

use super::backend::Upstream;
use super::counts::ConnectCounts;
use super::dial::endpoint::Endpoint;

/// The state of one address of a backend, over all workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointState {
    /// The configured address, and the IP address if it was resolved from a name.
    pub name: String,
    /// Whether the last health check succeeded; true without health checks.
    pub is_healthy: bool,
    /// Whether at least one worker gives it no calls for now, because it could not be reached or its connection broke.
    pub is_ejected: bool,
    /// The number of open connections to it.
    pub connections: usize,
}

impl Upstream {
    /// The state of each address. Empty before the addresses are resolved.
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

    /// The counters of its connections.
    #[must_use]
    pub fn connects(&self) -> ConnectCounts {
        self.counters().now()
    }

    /// How many unary calls may be in flight now.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.channel().most_in_flight()
    }

    /// Why a host name could not be looked up, if the last look-up failed.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.directory().now().problem.map(|problem| problem.to_string())
    }
}
