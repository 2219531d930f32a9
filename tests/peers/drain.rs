//! A gateway that is told to stop: what callers and boxes see of it, and that under load no call is lost, none made twice.
//!
//! Two gateways behind each box, restarted one after the other while transfers are made. The boxes have the configuration that
//! docs/draining.md recommends, but for addresses and ports.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use towbar::cli::demo::bank::certificates::Authority;
use towbar::tls;

use crate::support::boxes::{Between, Place};
use crate::support::folder::Folder;
use crate::support::load::{Load, Outcome};
use crate::support::ports;
use crate::support::process::Gateway;
use crate::support::raw::{Does, RawBank};

const DOCUMENT: &str = include_str!("../../docs/draining.md");
/// Where the gateways of the document are, the second with the last number one higher.
const DOCUMENTED: [&str; 2] = ["10.0.0.1", "10.0.0.2"];
const OURS: [&str; 2] = ["127.0.0.2", "127.0.0.3"];
/// Long enough for the health checks of the document, twice.
const NOTICE: &str = "1500ms";

/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two gateways with a bank each, all in the same place but for their address.
struct Pair {
    folder: Folder,
    banks: [RawBank; 2],
    gateways: [Option<Gateway>; 2],
    authority: Authority,
    port: u16,
    admin: u16,
}

impl Pair {
    fn start(is_tls: bool) -> Self {
        let bank = || RawBank::start(|_, _| Does::Slow(Duration::from_millis(2)));
        let (folder, authority) = (Folder::new(), Authority::new("the gateways'").unwrap());
        let (banks, port, admin) = ([bank(), bank()], ports::free_at(&OURS), ports::free_at(&OURS));
        folder.copy("proto", "proto");
        folder.write_identity("own.pem", "own.key", &authority.issue("gateway.test").unwrap());
        let tls = if is_tls { "tls: {cert: own.pem, key: own.key}, " } else { "" };
        for (index, bank) in banks.iter().enumerate() {
            let config = format!(
                "listen: {{address: \"{0}:{port}\", {tls}drain: {{notice: {NOTICE}, timeout: 5s}}}}\nschema: proto\n\
                 upstream: http://{1}\nadmin: {0}:{admin}\n",
                OURS[index], bank.address
            );
            folder.write(&format!("{index}.yaml"), config);
        }
        let mut pair = Self { folder, banks, gateways: [None, None], authority, port, admin };
        pair.run(0);
        pair.run(1);
        pair
    }

    fn run(&mut self, index: usize) {
        let mut gateway = self.folder.start(&["serve", "--config", &format!("{index}.yaml")]);
        gateway.process.read_until("metrics on ");
        self.gateways[index] = Some(gateway);
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        OURS.map(|address| SocketAddr::new(address.parse().unwrap(), self.port))
    }

    /// The document's sample for a box, with these gateways behind it and the box in this place.
    fn sample(&self, name: &str, place: &Place) -> String {
        let (_, section) = DOCUMENT.split_once(&format!("\n### {name}\n")).unwrap();
        let (_, text) = section.split("```").nth(1).unwrap().split_once('\n').unwrap();
        let (ip, port) = (place.address.ip().to_string(), place.address.port().to_string());
        // First those that hold others.
        let text = text.replace("8080", "GATEWAY").replace("9464", "ADMIN");
        let text = text.replace(":80", &format!(":{port}")).replace("value: 80", &format!("value: {port}"));
        assert!(text.contains(&port) && text.contains("0.0.0.0"), "{text}");
        let text = text.replace("GATEWAY", &self.port.to_string()).replace("ADMIN", &self.admin.to_string());
        text.replace("0.0.0.0", &ip).replace(DOCUMENTED[0], OURS[0]).replace(DOCUMENTED[1], OURS[1])
    }

    /// Restarts one gateway after the other under this load, and asserts that nobody noticed.
    fn survive(mut self, load: Load) {
        for index in 0..2 {
            // The one before is found well again, and takes calls.
            (0..2).for_each(|index| self.wait_for_calls(index, &load));
            self.restart(index);
        }
        self.wait_for_calls(1, &load);
        self.end(load);
    }

    /// The same for callers who stay where they are until they are sent away.
    fn survive_callers_who_stay(mut self, load: Load) {
        for index in 0..2 {
            self.wait_for_calls(index, &load);
            self.restart(index);
        }
        self.end(load);
    }

    fn wait_for_calls(&self, index: usize, load: &Load) {
        let (before, end) = (self.banks[index].total().acted, Instant::now() + PATIENCE);
        while self.banks[index].total().acted < before + 50 {
            assert!(Instant::now() < end, "gateway {index} has no calls: {:#?}", load.failures());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn restart(&mut self, index: usize) {
        let gateway = self.gateways[index].take().unwrap();
        gateway.process.signal("TERM");
        let ended = gateway.process.wait();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(!ended.stderr.contains("cut"), "{}", ended.stderr);
        self.run(index);
    }

    fn end(self, load: Load) {
        let outcomes = load.stop();
        let failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.is_answered()).collect();
        assert!(failed.is_empty(), "{} of {}: {:#?}", failed.len(), outcomes.len(), &failed[..failed.len().min(5)]);
        for Outcome { id, .. } in &outcomes {
            let acted = self.banks.each_ref().map(|bank| bank.count(id).acted);
            assert_eq!(acted.iter().sum::<usize>(), 1, "{id}: {acted:?}");
        }
        let acted: usize = self.banks.iter().map(|bank| bank.total().acted).sum();
        assert_eq!(acted, outcomes.len());
    }
}

#[test]
fn no_call_of_a_client_that_keeps_its_connections_is_lost() {
    let pair = Pair::start(false);
    let load = Load::direct(&pair.addresses());
    pair.survive_callers_who_stay(load);
}

#[test]
fn no_call_over_http_2_is_lost() {
    let pair = Pair::start(true);
    let client = tls::client(None, &tls::Servers::Trusted(pair.authority.trust().unwrap()), &[b"h2"]).unwrap();
    let load = Load::http2(&pair.addresses(), client);
    pair.survive_callers_who_stay(load);
}

#[test]
fn no_call_through_nginx_is_lost() {
    let pair = Pair::start(false);
    let Some(between) = Between::nginx_with(&|place| nginx(&pair.sample("nginx", place), place)) else { return };
    pair.survive(Load::through(between.address));
}

/// The sample, and where to write.
fn nginx(sample: &str, Place { folder, .. }: &Place) -> String {
    let folder = folder.display();
    let names = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = names.iter().map(|name| format!("{name}_temp_path {folder}/{name}; ")).collect();
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log stderr; events {{}}\n\
         http {{ access_log off; {temporary}\n{sample}}}\n"
    )
}

#[test]
fn no_call_through_haproxy_is_lost() {
    let pair = Pair::start(false);
    let Some(between) = Between::haproxy_with(&|place| pair.sample("HAProxy", place)) else { return };
    pair.survive(Load::through(between.address));
}

#[test]
fn no_call_through_haproxy_over_http_2_is_lost() {
    let pair = Pair::start(true);
    let config = |place: &Place| {
        let (plain, tls) = ("default-server check", "default-server ssl verify none alpn h2 check");
        replaced(&pair.sample("HAProxy", place), plain, tls)
    };
    let Some(between) = Between::haproxy_with(&config) else { return };
    pair.survive(Load::through(between.address));
}

#[test]
fn no_call_through_squid_is_lost() {
    let pair = Pair::start(false);
    let Some(between) = Between::squid_with(&|place| squid(&pair.sample("Squid", place), place)) else { return };
    pair.survive(Load::through(between.address));
}

/// The sample, and where to write.
fn squid(sample: &str, Place { folder, .. }: &Place) -> String {
    let folder = folder.display();
    format!(
        "{sample}access_log none\ncache_log {folder}/cache.log\npid_filename none\ncoredump_dir {folder}\npinger_enable off\n\
         netdb_filename none\nvisible_hostname between.test\nshutdown_lifetime 0 seconds\n"
    )
}

#[test]
fn no_call_through_envoy_is_lost() {
    let pair = Pair::start(false);
    let Some(between) = Between::envoy_with(&|place| pair.sample("Envoy", place)) else { return };
    pair.survive(Load::through(between.address));
}

#[test]
fn no_call_through_envoy_over_http_2_is_lost() {
    let pair = Pair::start(true);
    let config = |place: &Place| {
        let text =
            replaced(&pair.sample("Envoy", place), "{http_protocol_options: {}}", "{http2_protocol_options: {}}");
        // The port of /ready has no TLS.
        let text = replaced(
            &text,
            "      http_health_check:",
            "      transport_socket_match_criteria: {plain: true}\n      http_health_check:",
        );
        let kind = "type.googleapis.com/envoy.extensions.transport_sockets";
        text + &format!(
            "    transport_socket:\n      name: tls\n      typed_config:\n        \"@type\": {kind}.tls.v3.UpstreamTlsContext\n        \
             common_tls_context: {{alpn_protocols: [h2]}}\n    transport_socket_matches:\n    - name: plain\n      match: {{plain: \
             true}}\n      transport_socket: {{name: raw, typed_config: {{\"@type\": {kind}.raw_buffer.v3.RawBuffer}}}}\n"
        )
    };
    let Some(between) = Between::envoy_with(&config) else { return };
    pair.survive(Load::through(between.address));
}

/// `text` with its one `from` made `to`.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}
