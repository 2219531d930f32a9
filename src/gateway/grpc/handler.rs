//! Finds the rpc of a request of gRPC or gRPC-Web, and answers by the kind of the rpc.

use std::sync::Arc;

use http::header::{CONTENT_ENCODING, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Version};

use super::encoding::{Encoding, GRPC};
use super::web::TextBody;
use super::wire::Wire;
use crate::gateway::answer::Response;
use crate::gateway::call::Intake;
use crate::gateway::error::{Reason, Refusal};
use crate::gateway::protocols::Protocol;
use crate::gateway::request::inbound::{Inbound, RequestBody};
use crate::gateway::spoken::media_type;
use crate::gateway::state::Gateway;
use crate::route::{Query, Route};

/// Native gRPC.
pub(crate) struct Grpc;

/// gRPC-Web.
pub(crate) struct GrpcWeb;

impl Protocol for Grpc {
    async fn answer<B: RequestBody>(gateway: &Arc<Gateway>, intake: &mut Intake<'_, B>) -> Result<Response, Refusal> {
        let head = intake.head;
        if head.version < Version::HTTP_2 {
            return Err(Refusal::new(
                Reason::HttpVersionNotSupported,
                "gRPC needs HTTP/2; call with HTTP/2, or use gRPC-Web or REST if they are enabled",
            ));
        }
        check(head)?;
        if !matches!(media_type(&head.headers), b"application/grpc" | b"application/grpc+proto") {
            let message = "this Content-Type of gRPC is not supported; send application/grpc or application/grpc+proto";
            return Err(Refusal::new(Reason::UnsupportedMediaType, message));
        }
        gateway.called(intake, Wire::Native).await
    }

    fn refuse(gateway: &Gateway, refusal: Refusal) -> Response {
        refused(gateway, &refusal, Wire::Native)
    }

    /// Initial metadata is what the backend sends.
    fn guard(_: &mut HeaderMap) {}
}

impl Protocol for GrpcWeb {
    async fn answer<B: RequestBody>(gateway: &Arc<Gateway>, intake: &mut Intake<'_, B>) -> Result<Response, Refusal> {
        let head = intake.head;
        check(head)?;
        let is_text = match media_type(&head.headers) {
            b"application/grpc-web" | b"application/grpc-web+proto" => false,
            b"application/grpc-web-text" | b"application/grpc-web-text+proto" => true,
            _ => {
                let message = "this Content-Type of gRPC-Web is not supported; send application/grpc-web or application/grpc-web-text, \
                               both may end with +proto";
                return Err(Refusal::new(Reason::UnsupportedMediaType, message));
            }
        };
        let wire = Wire::of_web(&head.headers);
        if !is_text {
            return gateway.called(intake, wire).await;
        }
        // Its bytes are counted once they are decoded.
        let mut body = Inbound::new(TextBody::new(intake.body.take().0));
        let Intake { arrival, memory, .. } = *intake;
        let exchange = &mut *intake.exchange;
        gateway.called(&mut Intake { head, body: &mut body, arrival, memory, exchange }, wire).await
    }

    fn refuse(gateway: &Gateway, refusal: Refusal) -> Response {
        refused(gateway, &refusal, Wire::Web { is_text: false })
    }
}

/// `Trailers-Only`: everything in one block of headers.
fn refused(gateway: &Gateway, refusal: &Refusal, wire: Wire) -> Response {
    let mut response = wire.begun();
    let headers = response.headers_mut();
    headers.extend(refusal.own_headers().clone());
    gateway.metadata.tell_caller(&refusal.metadata, headers);
    refusal.put_grpc_status(headers);
    response
}

/// Checks what all requests have in common. A body as a whole is not compressed: its messages may be.
fn check(head: &Parts) -> Result<(), Refusal> {
    if head.method != Method::POST {
        return Err(Refusal::new(Reason::MethodNotAllowed, "gRPC calls need the method POST"));
    }
    let is_plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if head.headers.get_all(CONTENT_ENCODING).iter().all(is_plain) { Ok(()) } else { Err(Refusal::coding(false)) }
}

impl Gateway {
    async fn called<B: RequestBody>(
        self: &Arc<Self>,
        intake: &mut Intake<'_, B>,
        wire: Wire,
    ) -> Result<Response, Refusal> {
        let route = self.direct(intake.head)?;
        intake.exchange.routed(route.index);
        let vetted = self.vetted(intake, route).await?;
        intake.exchange.called_by(vetted.caller());
        let query = Query::default();
        let call = &vetted.call(intake, route, &query, &[]);
        let encoding = Encoding::of(&call.head.headers, &GRPC, self.config.gzip)?;
        if route.rpc.streaming.is_unary() {
            self.grpc_unary(call, intake, (encoding, wire)).await
        } else {
            self.grpc_stream(call, intake, (encoding, wire)).await
        }
    }

    /// The rpc that the path names. A path of gRPC has no query.
    fn direct(&self, head: &Parts) -> Result<&Arc<Route>, Refusal> {
        let found = self.routes.find_direct(head.uri.path()).filter(|_| head.uri.query().is_none());
        found.ok_or_else(Refusal::no_rpc)
    }
}
