//! A real etcd, and Python's `etcd3gw`, which is made for the grpc-gateway that etcd has built in.
//!
//! The descriptors are those of the package `aetcd`, which have no annotations; the rules are those of `rules.yaml` in this folder. Both packages
//! are installed once, into a folder of their own below `target/`; where that is not possible the tests are skipped and say so.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may panic")]

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::ports;
use crate::support::process::{Gateway, Process};
use crate::support::programs::{Package, installed};
use crate::support::python;

const CLIENT: &str = "etcd3gw==2.7.0";
/// Of this package the descriptors are read, and nothing is run.
const DESCRIPTORS: &str = "aetcd==1.0.0";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/etcd/client.py");
const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/etcd/descriptors.py");
const RULES: &str = include_str!("rules.yaml");

/// What an etcd of version 3.4 has, whose gateway is grpc-gateway 1, besides what the preset sets.
pub const VERSION_1: &str =
    "errors: {form: grpc_gateway_v1, statuses: {FAILED_PRECONDITION: 412}}\njson: {preserve_proto_field_names: true}\n";

/// What the client prints at last: without it the script has not come to its end.
const LAST: &str = "two messages";

/// Pairs of lines that are not the same.
pub fn differences<'a>(left: &'a [String], right: &'a [String]) -> Vec<(&'a str, &'a str)> {
    let longest = left.len().max(right.len());
    let line = |lines: &'a [String], at: usize| lines.get(at).map_or("", String::as_str);
    let pairs = (0..longest).map(|at| (line(left, at), line(right, at)));
    pairs.filter(|(left, right)| left != right).collect()
}

/// What is installed.
pub struct Tools {
    etcd: PathBuf,
    python: PathBuf,
}

impl Tools {
    pub fn installed() -> Option<Self> {
        let etcd = installed("etcd", Package::Debian("etcd-server"))?;
        Some(Self { etcd, python: python::environment(CLIENT, &[&[CLIENT], &["--no-deps", DESCRIPTORS]])? })
    }

    /// A Towbar in front of it, with the preset and more.
    pub fn towbar(&self, etcd: &Etcd, more: &str) -> Gateway {
        let folder = etcd.folder.path();
        let read = Process::start(Command::new(&self.python).arg(READER).arg(folder.join("etcd.binpb")));
        let read = read.wait_for(Duration::from_secs(60));
        assert_eq!(read.code, Some(0), "{}", read.stderr);
        fs::write(folder.join("rules.yaml"), RULES).unwrap();
        let config = format!(
            "compatibility: grpc_gateway\nlisten: 127.0.0.1:0\nschema: etcd.binpb\nrules: {{files: [rules.yaml]}}\n\
             upstream: http://{}\nmetadata: {{request: [token]}}\n{more}",
            etcd.address
        );
        let file = folder.join("towbar.yaml");
        fs::write(&file, config).unwrap();
        Gateway::start(&["serve", "--config", file.to_str().unwrap()])
    }

    /// What the client prints, line by line.
    pub fn transcript(&self, gateway: SocketAddr, arguments: &[&str]) -> Vec<String> {
        let client = Process::start(Command::new(&self.python).arg(SCRIPT).arg(gateway.to_string()).args(arguments));
        let ended = client.wait_for(Duration::from_secs(120));
        let lines: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
        let is_whole = lines.last().is_some_and(|line| line.starts_with(LAST));
        assert!(ended.code == Some(0) && is_whole, "{}\n{}", ended.stdout, ended.stderr);
        lines
    }
}

/// An etcd with nothing in it.
pub struct Etcd {
    pub address: SocketAddr,
    folder: tempfile::TempDir,
    _process: Process,
}

impl Etcd {
    pub fn start(tools: &Tools) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (address, peers) = (ports::free(), ports::free());
        let (client, peer) = (format!("http://{address}"), format!("http://{peers}"));
        let cluster = format!("default={peer}");
        let flags = [
            ("--listen-client-urls", &client),
            ("--advertise-client-urls", &client),
            ("--listen-peer-urls", &peer),
            ("--initial-advertise-peer-urls", &peer),
            ("--initial-cluster", &cluster),
        ];
        let mut command = Command::new(&tools.etcd);
        command.arg("--data-dir").arg(folder.path().join("data")).args(["--logger", "zap", "--log-level", "error"]);
        command.args(flags.into_iter().flat_map(|(flag, value)| [flag, value.as_str()]));
        let process = Process::start(&mut command);
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "etcd does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { address, folder, _process: process }
    }
}
