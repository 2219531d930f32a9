//! grpcio, the gRPC client of Python, through native gRPC on a plain port.

use std::process::Command;
use std::time::Duration;

use towbar::config::Overrides;

use crate::support::process::Process;
use crate::support::talk::{backend, schema};
use crate::support::{Gateway, python};

/// It depends on grpcio, and is installed for `google_client` anyway.
const PACKAGE: &str = "google-cloud-secret-manager==2.32.0";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/grpcio_client.py");

const CLIENT: &str = r"unary (b'\xff one', ['yes', None, None], [None, 'yes', None])
server stream [b'a']
client stream b'a'
conversation ([b'first', b'second'], [])
gzip True
status FAILED_PRECONDITION no funds, é
deadline DEADLINE_EXCEEDED
no rpc UNIMPLEMENTED no rpc with this path is served towbar RPC_NOT_FOUND
too large RESOURCE_EXHAUSTED the body is larger than the limit of 4096 bytes towbar BODY_TOO_LARGE
";

#[test]
fn a_grpcio_client_makes_all_four_kinds_of_calls() {
    let Some(python) = python::environment(PACKAGE, &[&[PACKAGE]]) else { return };
    let bank = backend(|_, mut requests, replies| async move {
        if requests.headers.get("x-other").is_some() {
            return replies.end("3", "a header that is not listed").await;
        }
        while let Some(message) = requests.next().await {
            match message.as_slice() {
                b"fail" => return replies.end("9", "no funds, %C3%A9").await,
                b"wait" => return replies.given_up().await,
                _ => drop(replies.send(&message).await),
            }
        }
        replies.end_with("0", "", &[("x-ended", "yes"), ("x-hidden", "yes")]).await;
    });
    let config = format!(
        "listen: {{address: \"127.0.0.1:0\", protocols: [rest, grpc]}}\nupstream: http://{}\nschema: talk.proto\n\
         metadata: {{request: [x-consent-id], reply: [x-started, x-ended]}}\nrequests: {{gzip: true, body_limit: 4096}}\n",
        bank.address
    );
    let gateway = Gateway::with(&config, &Overrides::default(), Ok(schema()), None);
    let client = Process::start(Command::new(python).args([SCRIPT, &gateway.address.to_string()]));
    let ended = client.wait_for(Duration::from_secs(60));
    assert_eq!((ended.stdout.as_str(), ended.code), (CLIENT, Some(0)), "{}", ended.stderr);
}
