//! NotificationService: accepts every notification, counts it and delivers it to nobody.

use tonic::{Request, Response, Status};

use super::refusal::Refusal;
use super::service::SampleBank;
use crate::cli::demo::generated::io::token::proto::bankapi::{
    NotifyRequest, NotifyResponse, notification_service_server::NotificationService,
};

#[tonic::async_trait]
impl NotificationService for SampleBank {
    async fn notify(&self, request: Request<NotifyRequest>) -> Result<Response<NotifyResponse>, Status> {
        if request.get_ref().notification.is_none() {
            return Err(Refusal::invalid("notification", "a notification").into());
        }
        self.state().notifications += 1;
        Ok(Response::new(NotifyResponse {}))
    }
}
