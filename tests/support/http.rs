//! A client of HTTP/1.1 and nothing more: what it cannot read, a caller behind an old proxy could not read either.
//!
//! It wants a status line, a `Content-Length` and exactly that many bytes; it knows no chunks and no trailers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use towbar::gateway::error::Reason;

/// An answer, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a header.
    pub fn headers_of(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body without the reason that Towbar gives for its own errors, and that reason.
    pub fn body_and_reason(&self) -> (String, Option<String>) {
        const BEGIN: &str = r#"{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":""#;
        const END: &str = r#"","domain":"towbar"}"#;
        let reason = self.body.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(reason, _)| reason);
        let is_name = |reason: &&str| reason.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        (without_reasons(&self.body), reason.filter(is_name).map(str::to_owned))
    }

    /// `code` and `message` of a `google.rpc.Status`.
    pub fn refusal(&self) -> (i64, String) {
        let json = self.json();
        (json["code"].as_i64().unwrap(), json["message"].as_str().unwrap_or_default().to_owned())
    }
}

/// A text without the reasons that Towbar gives for its own errors.
pub fn without_reasons(text: &str) -> String {
    Reason::ALL.iter().fold(text.to_owned(), |text, reason| {
        let name = reason.name();
        let info =
            format!(r#"{{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"{name}","domain":"towbar"}}"#);
        let alone = text.replace(&format!(r#","details":[{info}]"#), "");
        alone.replace(&format!("{info},"), "")
    })
}

/// Sends one request on a connection of its own. `target` is the request target as it shall stand in the request line.
pub fn send(to: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
    let mut stream = connect(to);
    write(&mut stream, method, target, headers, body);
    read_for(&mut stream, method)
}

pub fn get(to: SocketAddr, target: &str) -> Answer {
    send(to, "GET", target, &[], None)
}

/// Sends a JSON body.
pub fn send_json(to: SocketAddr, method: &str, target: &str, body: &str) -> Answer {
    send(to, method, target, &[("Content-Type", "application/json")], Some(body.as_bytes()))
}

pub fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    stream
}

/// A connection from this address of this machine.
pub fn connect_from(from: &str, to: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    stream
}

pub fn write(stream: &mut TcpStream, method: &str, target: &str, headers: &[(&str, &str)], body: Option<&[u8]>) {
    let mut request = format!("{method} {target} HTTP/1.1\r\nHost: gateway.test\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    if let Some(body) = body {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    request += "\r\n";
    let mut bytes = request.into_bytes();
    bytes.extend_from_slice(body.unwrap_or_default());
    // A refusal may come, and the connection end, before all is written.
    let _ = stream.write_all(&bytes);
}

/// Reads one answer and leaves what follows it.
pub fn read(stream: &mut impl Read) -> Answer {
    read_for(stream, "GET")
}

/// The same for a request of this method: a HEAD is answered without body, and so is whatever gets a 204.
pub fn read_for(stream: &mut impl Read, method: &str) -> Answer {
    let answer = head(stream);
    let length: usize = match answer.header("content-length") {
        None if matches!(answer.status, 204 | 304) => 0,
        length => length.unwrap_or_else(|| panic!("no Content-Length in {answer:?}")).parse().unwrap(),
    };
    let mut body = vec![0; if method == "HEAD" { 0 } else { length }];
    stream.read_exact(&mut body).unwrap();
    Answer { body: String::from_utf8(body).unwrap(), ..answer }
}

/// Reads the head of an answer, and leaves its body.
pub fn head(stream: &mut impl Read) -> Answer {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            other => panic!("{other:?} in the middle of the head {:?}", String::from_utf8_lossy(&head)),
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Answer { status, headers, body: String::new() }
}
