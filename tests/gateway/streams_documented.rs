//! The commands of docs/streams.md, run against a backend with two notes.

use crate::support::documented::examples;
use crate::support::programs::{Package, installed};
use crate::support::talk::{backend, gateway, note};

#[test]
fn every_command_in_docs_streams_prints_the_documented_output() {
    if installed("curl", Package::Debian("curl")).is_none() {
        return;
    }
    let backend = backend(|rpc, mut requests, replies| async move {
        if rpc == "Collect" {
            let count = requests.all().await.len();
            replies.send(&note("collected", u8::try_from(count).unwrap())).await;
            return replies.end("0", "").await;
        }
        requests.all().await;
        // Both are there when a poll is answered.
        let framed = |message: Vec<u8>| [&[0, 0, 0, 0, u8::try_from(message.len()).unwrap()], &message[..]].concat();
        let _ = replies.raw([framed(note("one", 1)), framed(note("two", 2))].concat()).await;
        replies.end("0", "").await;
    });
    let config = "streams: {long_poll: 30s}\nrpcs: {talk.Talk.Watch: {last_event_id: x-after}}\n";
    let gateway = gateway(&backend, config);
    let examples = examples("docs/streams.md");
    assert!(examples.len() >= 4, "where are the examples?");
    let wrong: Vec<String> = examples.iter().filter_map(|example| example.difference(gateway.address)).collect();
    assert!(wrong.is_empty(), "the commands print:\n{}", wrong.join("\n"));
}
