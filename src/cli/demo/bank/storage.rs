//! StorageService: a map from string keys to bytes.

use tonic::{Request, Response, Status};

use super::refusal::{Refusal, Thing};
use super::service::SampleBank;
use crate::cli::demo::generated::io::token::proto::bankapi::{
    GetValueRequest, GetValueResponse, RemoveValueRequest, RemoveValueResponse, SetValueRequest, SetValueResponse,
    storage_service_server::StorageService,
};

#[tonic::async_trait]
impl StorageService for SampleBank {
    async fn set_value(&self, request: Request<SetValueRequest>) -> Result<Response<SetValueResponse>, Status> {
        let request = request.into_inner();
        let key = checked(request.key)?;
        let previous = self.state().storage.insert(key, request.value);
        Ok(Response::new(SetValueResponse { previous: previous.unwrap_or_default() }))
    }

    async fn get_value(&self, request: Request<GetValueRequest>) -> Result<Response<GetValueResponse>, Status> {
        let key = checked(request.into_inner().key)?;
        let value = self.state().storage.get(&key).cloned();
        let value = value.ok_or(Refusal::Unknown(Thing::Key))?;
        Ok(Response::new(GetValueResponse { value }))
    }

    /// Removing an unknown key succeeds.
    async fn remove_value(
        &self,
        request: Request<RemoveValueRequest>,
    ) -> Result<Response<RemoveValueResponse>, Status> {
        let key = checked(request.into_inner().key)?;
        self.state().storage.remove(&key);
        Ok(Response::new(RemoveValueResponse {}))
    }
}

fn checked(key: String) -> Result<String, Refusal> {
    match key.is_empty() {
        true => Err(Refusal::invalid("key", "a key")),
        false => Ok(key),
    }
}
