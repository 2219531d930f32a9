//! Tests the client with a server that answers as each test says.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use super::config::RedisConfig;
use super::error::RedisError;
use super::frame::Value;
use super::script::Script;
use super::{Redis, ServerFacts};
use crate::format::secret::Secret;
use crate::upstream::fate::Fate;

/// What the server answers to `SELECT` and three times `INFO`.
const GREETING: &str = "+OK\r\n-NOPERM no\r\n-NOPERM no\r\n-NOPERM no\r\n";

struct Server(TcpListener);

struct Session {
    stream: TcpStream,
    seen: Vec<u8>,
}

impl Server {
    async fn start() -> (Self, RedisConfig) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = config(listener.local_addr().unwrap());
        (Self(listener), config)
    }

    /// The next connection, after its greeting.
    async fn greeted(&self) -> Session {
        let mut session = Session { stream: self.0.accept().await.unwrap().0, seen: Vec::new() };
        session.until("replication\r\n").await;
        session.answer(GREETING).await;
        session
    }
}

impl Session {
    /// Reads until the client has sent this text, and returns all before it and itself.
    async fn until(&mut self, text: &str) -> String {
        loop {
            let found = self.seen.windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(at) = found {
                let rest = self.seen.split_off(at + text.len());
                return String::from_utf8(std::mem::replace(&mut self.seen, rest)).unwrap();
            }
            assert!(self.stream.read_buf(&mut self.seen).await.unwrap() > 0, "no {text}");
        }
    }

    async fn answer(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }
}

fn config(address: SocketAddr) -> RedisConfig {
    let timeout = Duration::from_millis(300);
    RedisConfig { timeout, ..RedisConfig::of(format!("redis://{address}").parse().unwrap()) }
}

fn started(config: &RedisConfig) -> Redis {
    let redis = Redis::new(config).unwrap_or_else(|problems| panic!("{problems:?}"));
    redis.start();
    redis
}

fn text(text: &'static str) -> Value {
    Value::Bytes(text.as_bytes().into())
}

#[tokio::test]
async fn commands_share_a_connection_and_each_gets_its_own_answer() {
    let (server, config) = Server::start().await;
    let redis = started(&config);
    let (first, second) = (redis.command(&[b"GET", b"a"]), redis.commands(&[&[b"GET", b"b"], &[b"GET", b"c"]]));
    let mut session = server.greeted().await;
    let seen = session.until("\r\nc\r\n").await;
    assert_eq!(seen, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n*2\r\n$3\r\nGET\r\n$1\r\nc\r\n");
    session.answer("$1\r\n1\r\n:2\r\n$-1\r\n").await;
    assert_eq!(first.await, Ok(text("1")));
    assert_eq!(second.await, Ok(vec![Value::Integer(2), Value::Nil]));
    let counts = redis.counts();
    assert_eq!((counts.commands[0], counts.connected, counts.is_up, counts.in_flight), (2, 1, true, 0));
    assert_eq!(redis.facts(), Some(ServerFacts::default()));
}

#[tokio::test]
async fn a_script_is_sent_with_its_text_only_if_the_server_does_not_know_it() {
    let (server, config) = Server::start().await;
    let redis = started(&config);
    let script = Script::new("return 1");
    let ran = tokio::spawn(redis.script_and(&script, &[b"k"], &[b"v"], &[&[b"WAIT", b"1", b"9"]]));
    let mut session = server.greeted().await;
    let call = session.until("WAIT\r\n$1\r\n1\r\n$1\r\n9\r\n").await;
    assert!(call.starts_with(
        "*5\r\n$7\r\nEVALSHA\r\n$40\r\ne0e1f9fabfc9d4800c877a703b823ac0578ff8db\r\n$1\r\n1\r\n$1\r\nk\r\n"
    ));
    session.answer("-NOSCRIPT No matching script. Please use EVAL.\r\n:0\r\n").await;
    let call = session.until("WAIT\r\n$1\r\n1\r\n$1\r\n9\r\n").await;
    assert!(call.starts_with("*5\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n"), "{call}");
    session.answer(":1\r\n:1\r\n").await;
    assert_eq!(ran.await.unwrap(), Ok(vec![Value::Integer(1), Value::Integer(1)]));
}

#[tokio::test]
async fn a_lost_connection_says_of_each_command_whether_it_was_sent_and_is_replaced() {
    let (server, config) = Server::start().await;
    let redis = started(&config);
    let lost = redis.command(&[b"SET", b"a", b"1"]);
    let mut session = server.greeted().await;
    session.until("SET").await;
    drop(session);
    let error = lost.await.unwrap_err();
    assert_eq!((error.fate(), matches!(error, RedisError::Lost(_))), (Fate::Unknown, true), "{error}");
    let mut session = server.greeted().await;
    while redis.counts().connected < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    let after = redis.command(&[b"PING"]);
    session.until("PING\r\n").await;
    session.answer("+PONG\r\n").await;
    assert_eq!(after.await, Ok(text("PONG")));
}

#[tokio::test]
async fn a_silent_server_costs_no_more_than_the_timeout_and_then_nothing() {
    let (server, config) = Server::start().await;
    let redis = started(&config);
    let began = Instant::now();
    let late = redis.command(&[b"GET", b"a"]);
    let session = server.greeted().await;
    let error = late.await.unwrap_err();
    assert_eq!(error.fate(), Fate::Unknown, "{error}");
    // The server is known to be away, until it greets again.
    let mut refused = redis.command(&[b"GET", b"a"]).await.unwrap_err();
    while refused.fate() == Fate::Unknown {
        refused = redis.command(&[b"GET", b"a"]).await.unwrap_err();
    }
    assert_eq!(refused.fate(), Fate::NotSent, "{refused}");
    let took = began.elapsed();
    assert!(took < config.timeout * 3, "{took:?}");
    drop(session);
}

#[tokio::test]
async fn no_more_commands_and_bytes_are_in_flight_than_configured() {
    let (server, config) = Server::start().await;
    let redis = started(&RedisConfig { commands: 2, bytes: 100, ..config });
    let large = redis.command(&[b"SET", b"a", &[0; 100]]);
    assert_eq!(large.await, Err(RedisError::Busy));
    let (first, second) = (redis.command(&[b"PING"]), redis.command(&[b"PING"]));
    assert_eq!(redis.command(&[b"PING"]).await, Err(RedisError::Busy));
    let mut session = server.greeted().await;
    session.until("PING\r\n").await;
    session.answer("+PONG\r\n+PONG\r\n").await;
    assert_eq!((first.await, second.await), (Ok(text("PONG")), Ok(text("PONG"))));
    assert_eq!(redis.counts().in_flight, 0);
}

#[tokio::test]
async fn a_server_that_cannot_be_used_is_told_apart_and_asked_again_later() {
    for (greeting, reason) in [
        (
            "-WRONGPASS invalid username-password pair\r\n",
            "AUTH: the server answered WRONGPASS invalid username-password pair",
        ),
        ("+OK\r\n-ERR DB index is out of range\r\n", "SELECT: the server answered ERR DB index is out of range"),
        ("+OK\r\n-LOADING Redis is loading\r\n", "SELECT: the server answered LOADING Redis is loading"),
        ("+OK\r\n+OK\r\n$0\r\n\r\n$0\r\n\r\n$10\r\nrole:slave\r\n", "the server is a replica, which takes no writes"),
        ("HTTP/1.1 400 Bad Request\r\n", "it does not answer in the protocol of Redis (RESP2)"),
    ] {
        let (server, config) = Server::start().await;
        let (user, password) = (Some("towbar".to_owned()), Some(Secret::new(b"secret")));
        let redis = started(&RedisConfig { user, password, ..config });
        let refused = redis.command(&[b"PING"]);
        let mut session = Session { stream: server.0.accept().await.unwrap().0, seen: Vec::new() };
        session.until("AUTH\r\n$6\r\ntowbar\r\n$6\r\nsecret\r\n").await;
        session.until("replication\r\n").await;
        session.answer(greeting).await;
        assert_eq!(refused.await, Err(RedisError::Unconnected(reason.into())));
        assert_eq!(redis.command(&[b"PING"]).await, Err(RedisError::Unconnected(reason.into())));
    }
}

#[tokio::test]
async fn a_server_that_has_become_a_replica_is_left() {
    let (server, config) = Server::start().await;
    let redis = started(&config);
    let write = redis.command(&[b"SET", b"a", b"1"]);
    let mut session = server.greeted().await;
    session.until("SET").await;
    session.answer("-READONLY You can't write against a read only replica.\r\n").await;
    let error = write.await.unwrap_err();
    assert_eq!((error.code(), error.fate()), (Some("READONLY"), Fate::NotSent));
    // The next connection learns what the server is now.
    let _second = server.greeted().await;
}

#[tokio::test]
async fn the_connection_ends_with_its_last_user() {
    let (server, config) = Server::start().await;
    let redis = started(&config);
    let mut session = server.greeted().await;
    let last = redis.command(&[b"SET", b"a", b"1"]);
    drop(redis);
    session.until("SET").await;
    session.answer("+OK\r\n").await;
    assert_eq!(last.await, Ok(text("OK")));
    // Reads to the end of the connection.
    session.stream.read_to_end(&mut session.seen).await.unwrap();
}
