//! A real nginx in front of something that a test serves.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::ports;
use super::process::Process;
use super::programs::{Package, installed};

/// An nginx that listens; it ends when it is dropped.
pub struct Nginx {
    process: Process,
    pub address: SocketAddr,
    pub folder: TempDir,
}

/// How nginx talks to what is behind it.
pub const EACH_ITS_CONNECTION: &str = "proxy_http_version 1.1;";
pub const KEPT_CONNECTIONS: &str = "proxy_http_version 1.1; proxy_set_header Connection '';";

/// The same, and WebSockets are let through.
pub const UPGRADES: &str =
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;";

impl Nginx {
    /// Starts one in front of `backend`, or gives nothing where nginx is not installed. `listen` are options of its
    /// port.
    pub fn start(listen: &str, proxy: &str, backend: SocketAddr) -> Option<Self> {
        Self::start_with(listen, proxy, ("http", backend))
    }

    fn start_with(listen: &str, proxy: &str, backend: (&str, SocketAddr)) -> Option<Self> {
        let program = installed("nginx", Package::Debian("nginx-light"))?;
        // The port is free when it is chosen; somebody may take it before nginx does.
        let mut attempts = std::iter::repeat_with(|| Self::attempt(&program, listen, proxy, backend)).take(5);
        Some(attempts.find_map(Result::ok).expect("nginx starts on one of five free ports"))
    }

    /// The same, but what is behind it has TLS. `listen` may go on with directives of the server behind its options.
    pub fn start_before_tls(listen: &str, proxy: &str, backend: SocketAddr) -> Option<Self> {
        Self::start_with(listen, proxy, ("https", backend))
    }

    /// Ends it and gives its error log.
    pub fn stop(self) -> String {
        self.process.signal("TERM");
        self.process.wait().stderr
    }

    fn attempt(program: &Path, listen: &str, proxy: &str, backend: (&str, SocketAddr)) -> Result<Self, ()> {
        let address = ports::free();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nginx.conf");
        fs::write(&file, configuration(folder.path(), &format!("{address} {listen}"), proxy, backend)).unwrap();
        let mut command = Command::new(program);
        let mut process = Process::start(command.args(["-e", "stderr", "-p"]).arg(folder.path()).arg("-c").arg(&file));
        for _ in 0..2000 {
            if !process.is_running() {
                eprintln!("{}", process.wait().stderr);
                return Err(());
            }
            if TcpStream::connect(address).is_ok() && process.is_running() {
                return Ok(Self { process, address, folder });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("nginx runs and does not listen")
    }
}

/// Everything that nginx writes goes into `folder`.
fn configuration(folder: &Path, listen: &str, proxy: &str, (scheme, backend): (&str, SocketAddr)) -> String {
    let folder = folder.display();
    let temporary = |name: &&str| format!("  {name}_temp_path {folder}/{name};\n");
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].iter().map(temporary).collect();
    format!(
        "daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
  access_log off;
{temporary}  upstream behind {{ server {backend}; keepalive 4; }}
  server {{
    listen {listen};
    location / {{ proxy_pass {scheme}://behind; {proxy} }}
  }}
}}
"
    )
}
