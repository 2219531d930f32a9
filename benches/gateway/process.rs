//! Runs the gateways as separate processes, and writes the files that they read.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, ServerConfig};
use serde_json::json;
use tempfile::TempDir;
use towbar::cli::demo::bank::certificates::Authority;
use towbar::tls;

/// The bank's messages with HTTP rules that every gateway supports.
const PROTO: &str = r#"
syntax = "proto3";
package bench;
import "bankapi/account.proto";
import "bankapi/transfer.proto";
import "google/api/annotations.proto";
service Bank {
  rpc GetBalance(io.token.proto.bankapi.GetBalanceRequest) returns (io.token.proto.bankapi.GetBalanceResponse) {
    option (google.api.http) = { get: "/accounts/balance" };
  }
  rpc GetTransactions(io.token.proto.bankapi.GetTransactionsRequest)
      returns (io.token.proto.bankapi.GetTransactionsResponse) {
    option (google.api.http) = { get: "/accounts/transactions" };
  }
  rpc Transfer(io.token.proto.bankapi.TransferRequest) returns (io.token.proto.bankapi.TransferResponse) {
    option (google.api.http) = { post: "/transfers" body: "*" };
  }
  rpc Hold(io.token.proto.bankapi.GetBalanceRequest) returns (io.token.proto.bankapi.GetBalanceResponse) {
    option (google.api.http) = { get: "/hold" };
  }
}
"#;

/// Pins this process, its future threads and its children to one core, unless they choose another.
pub(crate) fn pin_to_core(core: usize) {
    let id = std::process::id().to_string();
    let pinned = Command::new("taskset").args(["-cp", &core.to_string(), &id]).stdout(Stdio::null()).status();
    assert!(pinned.is_ok_and(|status| status.success()), "taskset is missing, or there is no second core");
}

/// The files of the gateways: descriptors, certificates, configurations.
pub(crate) struct Deployment {
    folder: TempDir,
    authority: Authority,
}

impl Deployment {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("bench.proto"), PROTO).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
        let mut compiler = protox::Compiler::new([folder.path(), &root]).unwrap();
        compiler.include_imports(true).open_file("bench.proto").unwrap();
        fs::write(at("bench.binpb"), compiler.encode_file_descriptor_set()).unwrap();
        let authority = Authority::new("the bench").unwrap();
        let issued = authority.issue("gateway.test").unwrap();
        fs::write(at("cert.pem"), issued.certificate_pem()).unwrap();
        fs::write(at("key.pem"), issued.key_pem()).unwrap();
        fs::set_permissions(at("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(at("ca.pem"), authority.pem()).unwrap();
        Self { folder, authority }
    }

    /// TLS configuration of a backend that requires the gateway's certificate.
    pub(crate) fn server_tls(&self) -> Arc<ServerConfig> {
        let identity = self.authority.issue("bank.test").unwrap().identity();
        tls::server(identity, Some(&self.authority.trust().unwrap()), &[b"h2"]).unwrap()
    }

    /// TLS configuration of a caller.
    pub(crate) fn client_tls(&self) -> Arc<ClientConfig> {
        let servers = tls::Servers::Trusted(self.authority.trust().unwrap());
        tls::client(None, &servers, &[b"http/1.1"]).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

#[derive(Clone)]
pub(crate) enum Kind {
    Towbar,
    /// Towbar with these lines in its configuration.
    TowbarWith(String),
    /// Envoy, with the path of its binary.
    Envoy(PathBuf),
}

/// A running gateway on the first core. Dropping it ends the process.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) tls: bool,
    kind: Kind,
    child: Child,
}

impl Gateway {
    /// Starts a gateway. `tls` is mutual TLS to the backend, `tls_to_callers` is TLS to callers.
    pub(crate) fn start(
        kind: &Kind,
        deployment: &Deployment,
        backend: SocketAddr,
        tls: bool,
        tls_to_callers: bool,
    ) -> Self {
        let address = free_address();
        let (name, text) = match kind {
            Kind::Towbar => ("towbar.yaml", towbar_config(address, backend, tls, tls_to_callers)),
            Kind::TowbarWith(lines) => ("towbar.yaml", towbar_config(address, backend, tls, tls_to_callers) + lines),
            Kind::Envoy(_) => ("envoy.json", envoy_config(deployment, address, backend, tls)),
        };
        let config = deployment.file(&format!("{}-{name}", address.port()));
        fs::write(&config, text).unwrap();
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]);
        match kind {
            Kind::Towbar | Kind::TowbarWith(_) => command.arg(towbar()).args(["serve", "--config"]).arg(&config),
            Kind::Envoy(binary) => {
                command.arg(binary).arg("-c").arg(&config);
                command.args(["--concurrency", "1", "--disable-hot-restart", "-l", "error"])
            }
        };
        command.env("TOWBAR_BENCH_KEY", "00".repeat(32));
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut gateway = Self { address, tls: tls_to_callers, kind: kind.clone(), child };
        gateway.wait();
        gateway
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Towbar | Kind::TowbarWith(_) => "Towbar",
            Kind::Envoy(_) => "Envoy",
        }
    }

    /// The CPU time used so far, in microseconds.
    pub(crate) fn cpu_micros(&self) -> f64 {
        // proc(5): the first number is nanoseconds on a CPU; unlike the ticks in `stat` it is exact. There is one file
        // per thread.
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanos = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap();
            text.split(' ').next().unwrap().parse::<f64>().unwrap()
        };
        tasks.map(|task| nanos(task.unwrap())).sum::<f64>() / 1e3
    }

    /// The peak resident memory, in MB.
    pub(crate) fn peak_mb(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    fn wait(&mut self) {
        let end = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(self.address).is_err() {
            if Instant::now() > end || self.child.try_wait().unwrap().is_some() {
                let _ = self.child.kill();
                let said = self.child.stderr.take().map(BufReader::new).into_iter().flat_map(|said| said.lines());
                panic!("{} does not start: {:?}", self.name(), said.map_while(Result::ok).collect::<Vec<_>>());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn towbar() -> PathBuf {
    std::env::var_os("TOWBAR_BENCH_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_towbar").into(), PathBuf::from)
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn towbar_config(address: SocketAddr, backend: SocketAddr, tls: bool, tls_to_callers: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    let callers = if tls_to_callers { "\n  tls: { cert: cert.pem, key: key.pem }" } else { "" };
    let bank = if tls { "\n  tls: { cert: cert.pem, key: key.pem, ca: ca.pem }" } else { "" };
    format!(
        "listen:\n  address: {address}{callers}\nschema: bench.binpb\nexpose: bench.Bank\nupstream:\n  address: {scheme}://{backend}{bank}\n"
    )
}

fn envoy_config(deployment: &Deployment, address: SocketAddr, backend: SocketAddr, tls: bool) -> String {
    let extensions = "type.googleapis.com/envoy.extensions";
    let socket = |address: SocketAddr| json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } });
    let transcoder = json!({
        "@type": format!("{extensions}.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder"),
        "proto_descriptor": deployment.file("bench.binpb"), "services": ["bench.Bank"], "convert_grpc_status": true,
    });
    let router = json!({ "@type": format!("{extensions}.filters.http.router.v3.Router") });
    let manager = json!({
        "@type": format!("{extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "bench", "generate_request_id": false,
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [
            { "match": { "prefix": "/" }, "route": { "cluster": "bank", "timeout": "25s" } },
        ] }] },
        "http_filters": [
            { "name": "envoy.filters.http.grpc_json_transcoder", "typed_config": transcoder },
            { "name": "envoy.filters.http.router", "typed_config": router },
        ],
    });
    let pair = json!({
        "certificate_chain": { "filename": deployment.file("cert.pem") },
        "private_key": { "filename": deployment.file("key.pem") },
    });
    let upstream_tls = json!({ "name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": format!("{extensions}.transport_sockets.tls.v3.UpstreamTlsContext"),
        "common_tls_context": {
            "tls_certificates": [pair], "alpn_protocols": ["h2"],
            "validation_context": { "trusted_ca": { "filename": deployment.file("ca.pem") } },
        },
    } });
    let http2 = json!({
        "@type": format!("{extensions}.upstreams.http.v3.HttpProtocolOptions"),
        "explicit_http_config": { "http2_protocol_options": {} },
    });
    let mut cluster = json!({
        "name": "bank", "type": "STATIC", "connect_timeout": "1s",
        "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2 },
        "load_assignment": { "cluster_name": "bank", "endpoints": [
            { "lb_endpoints": [{ "endpoint": { "address": socket(backend) } }] },
        ] },
    });
    if tls {
        cluster["transport_socket"] = upstream_tls;
    }
    let filter = json!({ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager });
    let listener = json!({ "address": socket(address), "filter_chains": [{ "filters": [filter] }] });
    json!({ "static_resources": { "listeners": [listener], "clusters": [cluster] } }).to_string()
}
