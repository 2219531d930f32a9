//! HTTP proxies between the gateway and its backend: a real tinyproxy, a real Squid, and one of the test's own.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use super::ports;
use super::process::Process;
use super::programs::{Package, installed};

/// The user that a proxy knows, if it asks for one.
pub const USER: &str = "edwina";
pub const PASSWORD: &str = "s3cret";
/// `openssl passwd -apr1 -salt towbar s3cret`.
const HASH: &str = "$apr1$towbar$l1FxvA4NI79Nxv12VSoan1";

/// A program of Debian's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Tinyproxy,
    Squid,
}

/// A real proxy that listens; it ends when it is dropped.
pub struct Forward {
    pub address: SocketAddr,
    program: Program,
    process: Process,
    _folder: TempDir,
}

/// What it lets through.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whether it asks for [`USER`] and [`PASSWORD`].
    pub asks: bool,
    /// The only port that it connects to.
    pub port: u16,
}

impl Forward {
    /// Starts one, or gives nothing where the program is not installed. Squid knows `bank.test` as 127.0.0.1.
    pub fn start(program: Program, rules: Rules) -> Option<Self> {
        let file = program.file()?;
        // The port is free when it is chosen; somebody may take it before the proxy does.
        let mut attempts = std::iter::repeat_with(|| Self::attempt(program, &file, rules, ports::free())).take(5);
        Some(attempts.find_map(Result::ok).expect("the proxy starts on one of five free ports"))
    }

    /// The same at an address where one was before.
    pub fn start_at(address: SocketAddr, program: Program, rules: Rules) -> Self {
        let file = program.file().unwrap();
        // The connections of the one before may be on their way out.
        let mut attempts = std::iter::repeat_with(|| Self::attempt(program, &file, rules, address)).take(20);
        attempts.find_map(Result::ok).expect("the proxy starts where it was")
    }

    fn attempt(program: Program, file: &Path, rules: Rules, address: SocketAddr) -> Result<Self, ()> {
        let folder = tempfile::tempdir().unwrap();
        // Squid that is started by root goes on as somebody else, who must get in.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut process = Process::start(&mut program.command(file, folder.path(), rules, address));
        for _ in 0..4000 {
            if !process.is_running() {
                let ended = process.wait();
                eprintln!("{}{}", ended.stdout, ended.stderr);
                return Err(());
            }
            if TcpStream::connect(address).is_ok() && process.is_running() {
                return Ok(Self { address, program, process, _folder: folder });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the proxy runs and does not listen")
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        // By its own way Squid takes its helper and its shared memory along; what is still there then is killed.
        if self.process.is_running() {
            self.process.signal("TERM");
        }
        for _ in 0..1000 {
            if !self.process.is_running() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.program == Program::Squid {
            let shared = format!("{}-", service(self.address));
            for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with(&shared) {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
    }
}

impl Program {
    fn file(self) -> Option<PathBuf> {
        match self {
            Self::Tinyproxy => installed("tinyproxy", Package::Debian("tinyproxy")),
            Self::Squid => installed("squid", Package::Debian("squid")),
        }
    }

    /// Everything that it writes goes into `folder`.
    fn command(self, file: &Path, folder: &Path, rules: Rules, address: SocketAddr) -> Command {
        let configuration = folder.join("proxy.conf");
        let mut command = Command::new(file);
        match self {
            Self::Tinyproxy => {
                fs::write(&configuration, tinyproxy(rules, address)).unwrap();
                command.arg("-d");
            }
            Self::Squid => {
                fs::write(folder.join("hosts"), "127.0.0.1 bank.test\n").unwrap();
                fs::write(folder.join("users"), format!("{USER}:{HASH}\n")).unwrap();
                fs::write(&configuration, squid(folder, rules, address)).unwrap();
                // The name of its shared memory; two of one name are in each other's way.
                command.args(["-N", "-d", "1", "-n", &service(address)]);
            }
        }
        command.arg(if self == Self::Squid { "-f" } else { "-c" }).arg(configuration);
        command
    }
}

fn service(address: SocketAddr) -> String {
    format!("towbar{}", address.port())
}

fn tinyproxy(Rules { asks, port }: Rules, address: SocketAddr) -> String {
    let login = if asks { format!("BasicAuth {USER} {PASSWORD}\n") } else { String::new() };
    format!("Listen {}\nPort {}\nAllow 127.0.0.1\nConnectPort {port}\n{login}", address.ip(), address.port())
}

fn squid(folder: &Path, Rules { asks, port }: Rules, address: SocketAddr) -> String {
    let folder = folder.display();
    // Debian's place, and that of others.
    let places = ["/usr/lib/squid", "/usr/lib64/squid", "/usr/libexec/squid"];
    let place =
        places.into_iter().find(|place| Path::new(place).join("basic_ncsa_auth").is_file()).unwrap_or(places[0]);
    let login = format!(
        "auth_param basic program {place}/basic_ncsa_auth {folder}/users\nauth_param basic children 1\n\
         auth_param basic realm towbar\nacl known proxy_auth REQUIRED\nhttp_access deny !known\n"
    );
    format!(
        "http_port {address}
pid_filename {folder}/pid
cache_log /dev/null
access_log none
coredump_dir {folder}
hosts_file {folder}/hosts
visible_hostname squid.test
shutdown_lifetime 0 seconds
dns_nameservers 127.0.0.1
dns_timeout 1 second
cache deny all
cache_mem 0 MB
memory_cache_shared off
acl bank port {port}
http_access deny !bank
{}http_access allow all
",
        if asks { &login } else { "" }
    )
}

/// A proxy of the test's own, which connects wherever it was told to, whatever it is asked.
pub struct Own {
    pub address: SocketAddr,
    /// The heads of the requests that came.
    pub requests: Arc<Mutex<Vec<String>>>,
    stopping: Arc<AtomicBool>,
}

/// What it does once it has read a request.
#[derive(Debug, Clone)]
pub enum Act {
    /// Opens a tunnel to this address.
    Tunnel(SocketAddr),
    /// The same, and its answer comes in pieces of one byte.
    Piecemeal(SocketAddr),
    /// The same, and the first bytes of the other side come in one piece with the answer.
    Early(SocketAddr),
    /// The same for who shows this.
    Known(&'static str, SocketAddr),
    /// Says this and closes.
    Say(&'static str),
    /// Says this and nothing more.
    Stall(&'static str),
}

impl Own {
    pub fn start(act: Act) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, stopping) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let (told, stops) = (requests.clone(), stopping.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if stops.load(Ordering::SeqCst) {
                    break;
                }
                let (act, told) = (act.clone(), told.clone());
                std::thread::spawn(move || serve(client, &act, &told));
            }
        });
        Self { address, requests, stopping }
    }

    /// The first lines of the requests.
    pub fn asked(&self) -> Vec<String> {
        let first = |head: &String| head.lines().next().unwrap_or_default().to_owned();
        self.requests.lock().unwrap().iter().map(first).collect()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// Ends with the connection, at any fault of either side.
fn serve(mut client: TcpStream, act: &Act, told: &Mutex<Vec<String>>) -> Option<()> {
    client.set_nodelay(true).ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    told.lock().unwrap().push(head.clone());
    let opened = "HTTP/1.1 200 Connection established\r\nVia: 1.1 own\r\n\r\n";
    let mut bank = match act {
        Act::Say(text) => return client.write_all(text.as_bytes()).ok(),
        Act::Stall(text) => {
            client.write_all(text.as_bytes()).ok()?;
            // Until the other side gives up.
            return client.read_exact(&mut [0]).ok();
        }
        Act::Known(login, _) if !head.contains(&format!("\r\nProxy-Authorization: {login}\r\n")) => {
            return client.write_all(b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic realm=own\r\n\r\n").ok();
        }
        Act::Tunnel(bank) | Act::Piecemeal(bank) | Act::Early(bank) | Act::Known(_, bank) => {
            TcpStream::connect(bank).ok()?
        }
    };
    match act {
        Act::Piecemeal(_) => opened.bytes().try_for_each(|byte| client.write_all(&[byte])).ok()?,
        Act::Early(_) => {
            bank.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
            let mut bytes = [0; 4096];
            let count = bank.read(&mut bytes).ok()?;
            bank.set_read_timeout(None).ok()?;
            client.write_all(&[opened.as_bytes(), &bytes[..count]].concat()).ok()?;
        }
        _ => client.write_all(opened.as_bytes()).ok()?,
    }
    let (client_in, bank_out) = (client.try_clone().ok()?, bank.try_clone().ok()?);
    std::thread::spawn(move || pass(client_in, bank_out));
    pass(bank, client);
    Some(())
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
