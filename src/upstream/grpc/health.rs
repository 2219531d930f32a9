//! Active health checks of endpoints with `grpc.health.v1.Health/Check`
//! (<https://github.com/grpc/grpc/blob/master/doc/health-checking.md>).
//!
//! One check for each endpoint serves all workers, over a separate connection. An endpoint that answers that it does
//! not serve, or does not answer in time, gets no calls while others can take them.

use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message as _;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tonic::Code;

use super::channel::Channel;
use super::error::CallError;
use super::jitter::jittered;
use crate::upstream::dial::directory::Directory;
use crate::upstream::dial::endpoint::Endpoint;
use crate::upstream::outbound::{Outbound, Terms};
use crate::upstream::targets;
use crate::upstream::trail::Trail;

const CHECK: &str = "/grpc.health.v1.Health/Check";
/// The largest answer, in bytes: it holds one number.
const REPLY_LIMIT: usize = 1024;

/// Settings for the health checks of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The service to ask about; an empty name asks about the server as a whole.
    pub service: String,
    /// The time between two checks, give or take a tenth.
    pub interval: Duration,
    /// The longest time for an answer, including the time to connect.
    pub timeout: Duration,
}

impl Default for Health {
    fn default() -> Self {
        Self { service: String::new(), interval: Duration::from_secs(5), timeout: Duration::from_secs(2) }
    }
}

/// `HealthCheckRequest`.
#[derive(prost::Message)]
struct Request {
    #[prost(string, tag = "1")]
    service: String,
}

/// `HealthCheckResponse`; `SERVING` is 1.
#[derive(prost::Message)]
struct Response {
    #[prost(int32, tag = "1")]
    status: i32,
}

const SERVING: i32 = 1;

/// The result of a check.
enum HealthAnswer {
    Well,
    Unwell(String),
    /// The server has no health service.
    Nothing,
}

/// Checks all endpoints of a backend, including new ones, until its directory is dropped.
pub(crate) fn start(channel: &Channel, health: &Health) {
    let directory = channel.directory();
    let (mut known, connections) = (directory.known(), directory.connections);
    // A task that the directory runs must not hold the directory, so this channel has an empty one.
    let nowhere = channel.apart(Directory::of([].into(), connections));
    let health = Arc::new(health.clone());
    directory.run(async move {
        let mut checked: Vec<(Endpoint, AbortHandle)> = Vec::new();
        let mut checks = JoinSet::new();
        loop {
            let endpoints = known.borrow_and_update().endpoints.clone();
            for (_, check) in checked.extract_if(.., |(endpoint, _)| !endpoints.contains(endpoint)) {
                check.abort();
            }
            for endpoint in &*endpoints {
                if checked.iter().all(|(other, _)| other != endpoint) {
                    let there = nowhere.apart(Directory::of([endpoint.clone()].into(), connections));
                    let check = checks.spawn(check_for_ever(there, endpoint.clone(), health.clone()));
                    checked.push((endpoint.clone(), check));
                }
            }
            if known.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    });
}

async fn check_for_ever(there: Channel, endpoint: Endpoint, health: Arc<Health>) {
    let message = Request { service: health.service.clone() }.encode_to_vec();
    let mut has_said_nothing = false;
    loop {
        let said = check(&there, &message, health.timeout).await;
        let is_news = endpoint.standing.set_healthy(!matches!(said, HealthAnswer::Unwell(_)));
        match said {
            HealthAnswer::Unwell(cause) if is_news => {
                tracing::warn!(target: targets::HEALTH, "an address of the backend is not well: {endpoint}: {cause}")
            }
            HealthAnswer::Well if is_news => {
                tracing::info!(target: targets::HEALTH, "an address of the backend is healthy again: {endpoint}")
            }
            HealthAnswer::Nothing if !has_said_nothing => {
                has_said_nothing = true;
                tracing::warn!(
                    target: targets::HEALTH,
                    "{endpoint} does not serve grpc.health.v1.Health, so it counts as healthy: add the service, or remove `health`"
                );
            }
            _ => {}
        }
        tokio::time::sleep(jittered(health.interval)).await;
    }
}

async fn check(there: &Channel, message: &[u8], limit: Duration) -> HealthAnswer {
    let terms = Terms { deadline: Instant::now() + limit, reply_limit: REPLY_LIMIT, may_repeat: false, account: None };
    match there.call(Outbound::own(&PathAndQuery::from_static(CHECK), terms), message, &mut Trail::default()).await {
        Ok(reply) => match Response::decode(reply.message).map(|response| response.status) {
            Ok(SERVING) => HealthAnswer::Well,
            Ok(status) => HealthAnswer::Unwell(format!("its health is {}", name_of(status))),
            Err(error) => {
                HealthAnswer::Unwell(format!("its answer to the health check is no HealthCheckResponse: {error}"))
            }
        },
        Err(CallError::Status { status, .. }) if status.code() == Code::Unimplemented => HealthAnswer::Nothing,
        Err(CallError::Status { status, .. }) if status.code() == Code::NotFound => {
            HealthAnswer::Unwell("it does not know the health of this service".to_owned())
        }
        Err(error) => HealthAnswer::Unwell(format!("health check: {error}")),
    }
}

/// `ServingStatus`.
fn name_of(status: i32) -> String {
    match status {
        0 => "UNKNOWN".to_owned(),
        2 => "NOT_SERVING".to_owned(),
        3 => "SERVICE_UNKNOWN".to_owned(),
        other => other.to_string(),
    }
}
