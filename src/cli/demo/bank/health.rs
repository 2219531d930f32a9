//! HealthCheckService: the sample bank is always healthy, and it is the only bank.

use tonic::{Request, Response, Status};

use super::refusal::{Refusal, Thing};
use super::service::SampleBank;
use super::state::BANK_ID;
use crate::cli::demo::generated::io::token::proto::bankapi::{
    HealthCheckRequest, HealthCheckResponse, health_check_response, health_check_service_server::HealthCheckService,
};

#[tonic::async_trait]
impl HealthCheckService for SampleBank {
    async fn health_check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match request.get_ref().bank_id.as_str() {
            "" => Err(Refusal::invalid("bank_id", "the id of a bank").into()),
            BANK_ID => Ok(Response::new(HealthCheckResponse { status: health_check_response::Status::Serving.into() })),
            _ => Err(Refusal::Unknown(Thing::Bank).into()),
        }
    }
}
