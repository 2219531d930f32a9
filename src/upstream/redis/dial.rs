//! Connects: TCP, TLS, `AUTH`, `SELECT`, and what `INFO` says of the server.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::config::RedisConfig;
use super::frame::{Decoder, Value, encode};
use crate::format::problem::Problem;
use crate::upstream::backend::client_config;
use crate::upstream::dial::connect::cause;
use crate::upstream::dial::lookup::look_up;

/// A connection, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How a server is reached. Cheap to clone.
#[derive(Clone)]
pub(super) struct Dialer {
    pub(super) config: Arc<RedisConfig>,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// A connection that commands can be sent on.
pub(super) struct Dialled {
    pub(super) stream: Box<dyn Stream>,
    pub(super) facts: ServerFacts,
}

/// What the server said of itself when it was connected to. `None` where the user may not ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerFacts {
    /// Whether it removes keys before they expire if its memory is full: `maxmemory` with another policy than
    /// `noeviction`.
    pub evicts: Option<bool>,
    /// Whether it writes what it stores to an append-only file.
    pub persists: Option<bool>,
    /// Whether it is a replica, which takes no writes.
    pub is_replica: Option<bool>,
}

impl Dialer {
    pub(super) fn new(config: &RedisConfig) -> Result<Self, Vec<Problem>> {
        let tls = if config.address.tls() { Some(client_config(&config.tls, &[])?) } else { None };
        let host = config.address.0.host.as_str();
        let name = config.tls.server_name.as_deref().unwrap_or(host.strip_suffix('.').unwrap_or(host));
        let named = |tls| match ServerName::try_from(name.to_owned()) {
            Ok(name) => Ok((tls, name)),
            Err(_) => {
                let message = format!("expected a DNS name or an IP address, found `{name}`");
                Err(vec![Problem::at("store.tls.server_name", message)])
            }
        };
        Ok(Self { config: Arc::new(config.clone()), tls: tls.map(named).transpose()? })
    }

    /// Connects and signs in. The error says why not, for the log.
    pub(super) async fn dial(&self) -> Result<Dialled, String> {
        let address = &self.config.address.0;
        let tcp = connect(&address.host, address.port).await?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some((tls, name)) => {
                let stream = TlsConnector::from(tls.clone()).connect(name.clone(), tcp).await;
                Box::new(stream.map_err(|error| format!("TLS: {}", cause(&error)))?)
            }
        };
        self.greet(stream).await
    }

    async fn greet(&self, mut stream: Box<dyn Stream>) -> Result<Dialled, String> {
        let RedisConfig { user, password, database, .. } = &*self.config;
        let (mut out, database) = (Vec::new(), database.to_string());
        let password = password.as_ref().map(|password| password.bytes());
        match (user, password) {
            (Some(user), password) => encode(&[b"AUTH", user.as_bytes(), password.unwrap_or_default()], &mut out),
            (None, Some(password)) => encode(&[b"AUTH", password], &mut out),
            (None, None) => {}
        }
        let signs_in = !out.is_empty();
        // Also without need: the server tells by it whether it can be used.
        encode(&[b"SELECT", database.as_bytes()], &mut out);
        for section in ["memory", "persistence", "replication"] {
            encode(&[b"INFO", section.as_bytes()], &mut out);
        }
        let broken = |error: std::io::Error| cause(&error);
        stream.write_all(&out).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;
        let mut answers = Answers::default();
        if signs_in {
            accepted("AUTH", &answers.next(&mut stream).await?)?;
        }
        accepted("SELECT", &answers.next(&mut stream).await?)?;
        let mut info = String::new();
        for _ in 0..3 {
            // A user that may not ask is told so with an error.
            if let Value::Bytes(bytes) = answers.next(&mut stream).await? {
                info.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        let facts = ServerFacts::read(&info);
        match fact(&info, "loading") {
            _ if facts.is_replica == Some(true) => Err("the server is a replica, which takes no writes".to_owned()),
            Some("1") => Err("the server is loading its data".to_owned()),
            _ => Ok(Dialled { stream, facts }),
        }
    }
}

/// Answers during the handshake.
#[derive(Default)]
struct Answers {
    inbox: BytesMut,
    decoder: Decoder,
}

impl Answers {
    async fn next(&mut self, stream: &mut Box<dyn Stream>) -> Result<Value, String> {
        loop {
            if let Some(value) = self.decoder.next(&mut self.inbox).map_err(|error| error.to_string())? {
                return Ok(value);
            }
            match stream.read_buf(&mut self.inbox).await {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(cause(&error)),
            }
        }
    }
}

/// The server's text quotes nothing of a password.
fn accepted(command: &str, answer: &Value) -> Result<(), String> {
    match answer {
        Value::Bytes(text) if text == "OK" => Ok(()),
        Value::Error(text) => Err(format!("{command}: the server answered {text}")),
        Value::Nil | Value::Integer(_) | Value::Bytes(_) | Value::Array(_) => {
            Err(format!("{command}: unexpected answer; is this a server of Redis or Valkey?"))
        }
    }
}

impl ServerFacts {
    fn read(info: &str) -> Self {
        let evicts = fact(info, "maxmemory_policy").zip(fact(info, "maxmemory"));
        Self {
            evicts: evicts.map(|(policy, most)| most != "0" && policy != "noeviction"),
            persists: fact(info, "aof_enabled").map(|is_on| is_on == "1"),
            is_replica: fact(info, "role").map(|role| role != "master"),
        }
    }
}

/// The value of a line `name:value`.
fn fact<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_end)
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let addresses = match host.parse() {
        Ok(address) => vec![address],
        Err(_) => look_up(host, &[]).await?.addresses,
    };
    let addresses: Vec<SocketAddr> = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
    let tcp = TcpStream::connect(&*addresses).await;
    tcp.and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_info() {
        let info = "# Memory\r\nmaxmemory:1048576\r\nmaxmemory_human:1.00M\r\nmaxmemory_policy:allkeys-lru\r\n# Persistence\r\n\
                    loading:0\r\naof_enabled:1\r\n# Replication\r\nrole:master\r\n";
        let all = ServerFacts { evicts: Some(true), persists: Some(true), is_replica: Some(false) };
        assert_eq!(ServerFacts::read(info), all);
        let unlimited = info.replace("1048576", "0");
        assert_eq!(ServerFacts::read(&unlimited).evicts, Some(false));
        assert_eq!(ServerFacts::read(""), ServerFacts::default());
    }
}
