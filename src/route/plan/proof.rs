//! Proves that a request made from a message is right: the gateway's own steps must turn it into the same message by
//! the same rule. Otherwise finds the reason.

use std::ops::ControlFlow;

use http::{Method, Uri};

use super::error::EncodeError;
use super::reverse::RestRequest;
use super::unfit::{ReverseError, ReverseProblem};
use crate::codec::{self, DecodeError, HttpBody, LeafValue, Print};
use crate::route::entry::Route;
use crate::route::found::Miss;
use crate::route::query::Query;
use crate::route::table::Routes;

/// The methods to try if a rule takes any method.
const ANY: [&str; 5] = ["POST", "GET", "PUT", "PATCH", "DELETE"];

impl Routes {
    /// Makes the request that `route`, one of these routes, turns into the message `wire`. It is that of
    /// [`Route::reverse`], and it is checked that these routes read it back as that message.
    ///
    /// # Errors
    /// Why no such request exists.
    pub fn reverse(&self, route: &Route, wire: &[u8]) -> Result<RestRequest, ReverseError> {
        let request = route.reverse(wire, usize::MAX)?;
        if route.method != "*" {
            return self.prove(route, wire, &request).map(|()| request);
        }
        // Another rule may take the path with some of these methods.
        let mut last = Err(ReverseError::Nobody(Miss::Path { near: None }));
        for method in ANY.into_iter().filter(|method| request.body.is_none() || *method != "GET") {
            let request = RestRequest { method: method.to_owned(), ..request.clone() };
            last = self.prove(route, wire, &request).map(|()| request);
            if last.is_ok() {
                break;
            }
        }
        last
    }

    /// Reads the request as the gateway would, and compares the result with `wire`.
    fn prove(&self, route: &Route, wire: &[u8], request: &RestRequest) -> Result<(), ReverseError> {
        let uri = Uri::try_from(request.target.as_str()).map_err(|_| ReverseError::TooLong)?;
        let query = Query::parse(uri.query().unwrap_or_default()).map_err(ReverseError::Query)?;
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| ReverseError::Nobody(Miss::Path { near: None }))?;
        let found = self.find(&method, uri.path(), &query).map_err(ReverseError::Nobody)?;
        if !std::ptr::eq(&**found.route, route) {
            let Route { rpc, method, .. } = &**found.route;
            let (rpc, method, path) = (rpc.name.clone(), method.clone(), found.route.path().to_owned());
            return Err(ReverseError::Elsewhere { rpc, method, path });
        }
        let made = route.read_again(&found.captures, &query, request).map_err(ReverseError::Refused)?;
        let json = |wire| codec::reply(&route.rpc.input, wire, &Print::default()).map_err(ReverseError::Message);
        if json(wire)? == json(&made)? {
            return Ok(());
        }
        let (meant, made) = (named(route, wire), named(route, &made));
        let (meant, made) = (meant.map_err(ReverseError::Message)?, made.map_err(ReverseError::Message)?);
        let name_of = |values: &[Named], others: &[Named]| {
            values.iter().find(|value| !others.contains(value)).map(|value| value.name.clone())
        };
        match name_of(&meant, &made) {
            Some(lost) => Err(ReverseProblem::Lost.at(&lost)),
            None => name_of(&made, &meant).map_or(Ok(()), |added| Err(ReverseProblem::Added.at(&added))),
        }
    }
}

impl Route {
    /// The message that the gateway makes of the request.
    fn read_again(&self, captures: &[&str], query: &Query, request: &RestRequest) -> Result<Vec<u8>, EncodeError> {
        let body = request.body.as_deref();
        match body {
            // An empty raw body counts as no body and has no content type. On a client stream it is one message all the
            // same.
            Some(b"") if self.is_raw_request && !self.rpc.streaming.client => {
                self.encode_raw(captures, query, &HttpBody::default())
            }
            Some(data) if self.is_raw_request => {
                self.encode_raw(captures, query, &HttpBody { content_type: &request.content_type, data })
            }
            _ if self.rpc.streaming.client => self.encode_one(&self.prepare(captures, query)?, body),
            _ => self.encode(captures, query, body),
        }
    }
}

/// A value of a message, and the path to it.
#[derive(PartialEq, Eq)]
struct Named {
    name: String,
    json: String,
}

fn named(route: &Route, wire: &[u8]) -> Result<Vec<Named>, DecodeError> {
    let mut all = Vec::new();
    let visit = |leaf: LeafValue<'_>| {
        all.push(Named { name: leaf.name.to_owned(), json: leaf.json.to_owned() });
        ControlFlow::Continue(())
    };
    codec::values(&route.rpc.input, wire, &[], usize::MAX, visit)?;
    Ok(all)
}
