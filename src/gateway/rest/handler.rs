//! Finds the route of a request, and answers the request by the kind of its rpc.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, StatusCode};

use super::websocket::is_handshake;
use super::{compression, ranges};
use crate::format::compression::Choice;
use crate::gateway::answer::Response;
use crate::gateway::call::Intake;
use crate::gateway::conditional;
use crate::gateway::config::Config;
use crate::gateway::error::Refusal;
use crate::gateway::protocols::Protocol;
use crate::gateway::request::inbound::RequestBody;
use crate::gateway::state::Gateway;
use crate::route::{Found, Miss, Query, Route};
use crate::server::Upgrade;

/// REST with JSON, by the rules of `google.api.http`.
pub(crate) struct Rest;

impl Protocol for Rest {
    async fn answer<B: RequestBody>(gateway: &Arc<Gateway>, intake: &mut Intake<'_, B>) -> Result<Response, Refusal> {
        gateway.answer(intake).await
    }

    fn refuse(gateway: &Gateway, refusal: Refusal) -> Response {
        let metadata = refusal.metadata.clone();
        let Config { policy, status_headers, .. } = &*gateway.config;
        let mut response = refusal.into_response(policy.errors.form, status_headers.as_ref());
        gateway.metadata.tell_caller(&metadata, response.headers_mut());
        response
    }
}

impl Gateway {
    async fn answer<B: RequestBody>(self: &Arc<Self>, intake: &mut Intake<'_, B>) -> Result<Response, Refusal> {
        let head = intake.head;
        let raw_query = head.uri.query().unwrap_or_default();
        let query =
            Query::within(raw_query, self.config.policy.query_limits()).map_err(|error| Refusal::query(&error))?;
        let (found, upgrade) = match self.found(head, &query) {
            Ok(found) => found,
            Err(Miss::Method { allowed }) if head.method == Method::OPTIONS => return Ok(Refusal::options(&allowed)),
            Err(miss) => return Err(Refusal::miss(miss, &head.method, head.uri.path())),
        };
        let route = found.route;
        intake.exchange.routed(route.index);
        let answered = match self.call(found, &query, upgrade, intake).await {
            Ok(response) if upgrade.is_none() => self.shortened(head, route, response),
            answered => answered.map(|response| (response, None)),
        };
        let answered = match answered {
            // Boxed; otherwise the future of every request would be as large as this one.
            Ok((response, Some(choice))) => Ok(Box::pin(compression::compressed(response, choice)).await),
            answered => answered.map(|(response, _)| response),
        };
        let errors = &route.rpc.policy.errors;
        answered.map_err(|refusal| refusal.in_form(errors.form).in_table(&errors.statuses))
    }

    /// The route of a request. Also the upgrade of its connection, if the request asks for a WebSocket and a route
    /// offers it. Otherwise the request is answered as if it had not asked (RFC 9110, section 7.8).
    fn found<'a>(&'a self, head: &'a Parts, query: &Query) -> Result<(Found<'a>, Option<&'a Upgrade>), Miss> {
        let path = head.uri.path();
        // Requests that ask for no upgrade have no extensions, or not this one.
        if let Some(upgrade) = head.extensions.get::<Upgrade>().filter(|_| is_handshake(head)) {
            match self.routes.find_websocket(path, query) {
                Ok(found) => return Ok((found, Some(upgrade))),
                Err(miss @ Miss::Keys(_)) => return Err(miss),
                Err(_) => {}
            }
        }
        self.routes.find(&head.method, path, query).map(|found| (found, None))
    }

    /// Shortens the response to what the caller still needs. Also returns how to compress it.
    fn shortened(
        &self,
        head: &Parts,
        route: &Route,
        response: Response,
    ) -> Result<(Response, Option<Choice>), Refusal> {
        let varies = route.rpc.policy.compression && compression::is_fit(&response);
        let choice = || compression::choice(&head.headers);
        // RFC 9110, section 13.2.2: evaluate `If-None-Match` first, then `Range`.
        let mut response = if self.metadata.tells_etag() { conditional::checked(head, response) } else { response };
        if route.is_raw_reply {
            response = ranges::part(head, response, || !varies || choice() != Choice::GzipOnly)?;
        }
        match response.status() {
            _ if !varies => {}
            // RFC 9110, sections 15.3.7 and 15.4.5: caches need the header fields that a 200 would have.
            StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED => {
                compression::mark(response.headers_mut(), false);
            }
            _ => return Ok((response, Some(choice()))),
        }
        Ok((response, None))
    }

    async fn call<B: RequestBody>(
        self: &Arc<Self>,
        found: Found<'_>,
        query: &Query,
        upgrade: Option<&Upgrade>,
        intake: &mut Intake<'_, B>,
    ) -> Result<Response, Refusal> {
        let Found { route, captures } = found;
        let vetted = self.vetted(intake, route).await?;
        intake.exchange.called_by(vetted.caller());
        route.check_query(intake.head.uri.query().unwrap_or_default()).map_err(|error| Refusal::query(&error))?;
        let call = &vetted.call(intake, route, query, &captures);
        if let Some(upgrade) = upgrade {
            // Boxed; otherwise the future of every request would be as large as that of a handshake.
            Box::pin(self.websocket(call, intake, upgrade)).await
        } else if !route.rpc.streaming.is_unary() {
            // Boxed; otherwise the future of every request would be as large as that of a stream.
            Box::pin(self.stream(call, intake)).await
        } else {
            self.unary(call, intake).await
        }
    }
}
