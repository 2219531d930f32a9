//! The commands of docs/streams.md, run against a backend with two notes.

use crate::support::documented::examples;
use crate::support::programs::{Package, installed};
use crate::support::talk::{backend, gateway, note};

#[test]
fn every_command_on_the_page_of_streams_prints_what_is_shown() {
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
        replies.send(&note("one", 1)).await;
        replies.send(&note("two", 2)).await;
        replies.end("0", "").await;
    });
    let config = "streams: {long_poll: 30s}\nrpcs: {talk.Talk.Watch: {last_event_id: x-after}}\n";
    let gateway = gateway(&backend, config);
    let examples = examples("docs/streams.md");
    assert!(examples.len() >= 4, "where are the examples?");
    let wrong: Vec<String> = examples.iter().filter_map(|example| example.difference(gateway.address)).collect();
    assert!(wrong.is_empty(), "the commands print:\n{}", wrong.join("\n"));
}
