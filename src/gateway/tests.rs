use http_body_util::BodyExt as _;

use std::sync::Arc;

use http::HeaderName;
use tower_http::catch_panic::ResponseForPanic as _;

use super::Config;
use super::error::StatusHeaders;
use super::rest::stream;
use super::service::Panicked;
use crate::route::policy::{Errors, Form, Policy};

#[tokio::test]
async fn a_fault_of_ours_is_answered_in_the_form_of_the_configuration() {
    let name = HeaderName::from_static;
    let config = Config {
        policy: Policy { errors: Errors { form: Form::Google, ..Errors::default() }, ..Policy::default() },
        json_types: Vec::new(),
        untyped_json: false,
        forms: true,
        streams: stream::Config::default(),
        gzip: None,
        least_rate: None,
        timeout_header: None,
        status_headers: Some(StatusHeaders { status: name("x-status"), message: name("x-message") }),
        probe: None,
    };
    let (head, body) = Panicked(Arc::new(config)).response_for_panic(Box::new("of the panic")).into_parts();
    let message = "an internal error; the outcome of the call is unknown";
    let expected = format!(r#"{{"error":{{"code":500,"message":"{message}","status":"INTERNAL"}}}}"#);
    assert_eq!((head.status.as_u16(), body.collect().await.unwrap().to_bytes()), (500, expected.into()));
    let header = |name: &str| head.headers[name].to_str().unwrap();
    assert_eq!((header("x-status"), header("x-message"), header("cache-control")), ("13", message, "no-store"));
}
