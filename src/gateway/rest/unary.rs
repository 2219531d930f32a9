//! Unary calls.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};
use tonic::Code;

use super::{convert, outcome};
use crate::caller::ReceivedBody;
use crate::gateway::answer::{Body, Response};
use crate::gateway::call::{Call, Intake};
use crate::gateway::error::{self, Refusal};
use crate::gateway::request::inbound::RequestBody;
use crate::gateway::state::Gateway;
use crate::route::Route;

impl Gateway {
    pub(super) async fn unary<B: RequestBody>(
        self: &Arc<Self>,
        call: &Call<'_>,
        intake: &mut Intake<'_, B>,
    ) -> Result<Response, Refusal> {
        let route = call.route;
        let body = self.receive(call, intake).await?;
        let admitted = self.admitted(call, ReceivedBody::Whole(body.as_deref().unwrap_or_default()))?;
        let mut message = self.message(call, body).await?;
        let reply = self.forward(call, &admitted, &mut message, intake.exchange).await?;
        // Boxed; otherwise the future of every request would be as large as this one.
        if convert::is_long(route, &reply) {
            Box::pin(self.long_reply(call, reply)).await
        } else {
            self.reply(call, &reply)
        }
    }

    pub(super) fn success(
        &self,
        route: &Route,
        content_type: HeaderValue,
        body: Bytes,
        metadata: &HeaderMap,
    ) -> Response {
        let mut response = Response::new(Body::Whole(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, content_type);
        if let Some(names) = &self.config.status_headers {
            error::status_headers(headers, names, Code::Ok, "");
        }
        self.metadata.tell_caller(metadata, headers);
        outcome::apply(self.metadata.outcome(metadata), route, &mut response);
        response
    }
}
