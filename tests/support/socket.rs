//! A client of WebSockets: the handshake as a request, then frames, by a library or byte by byte.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role};
use tokio_tungstenite::tungstenite::{Error, WebSocket};

use super::http::{self, Answer, without_reasons};

/// The headers of a handshake.
pub const ASKING: [(&str, &str); 4] =
    [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", KEY), ("Sec-WebSocket-Version", "13")];

/// The example of RFC 6455, section 1.3, and its answer.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The last frame of a call that went well.
pub const OK: &str = r#"{"status":{"code":0}}"#;

/// An open WebSocket.
pub struct Socket<S = TcpStream> {
    pub frames: WebSocket<S>,
    pub answer: Answer,
}

/// What comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got {
    Text(String),
    Binary(Vec<u8>),
    /// The code and the reason of a close frame; none where the connection ends without one.
    Closed(Option<(u16, String)>),
}

pub fn text(text: &str) -> Got {
    Got::Text(without_reasons(text))
}

pub fn closed(code: u16, reason: &str) -> Got {
    Got::Closed(Some((code, reason.to_owned())))
}

/// Sends a handshake with these headers besides; the answer, if it is no 101.
pub fn open(to: SocketAddr, target: &str, headers: &[(&str, &str)]) -> Result<Socket, Answer> {
    let mut stream = http::connect(to);
    http::write(&mut stream, "GET", target, &[&ASKING, headers].concat(), None);
    over(stream)
}

/// Reads the answer to a handshake.
pub fn over<S: Read + Write>(mut stream: S) -> Result<Socket<S>, Answer> {
    let answer = http::head(&mut stream);
    if answer.status != 101 {
        let mut body = vec![0; answer.header("content-length").unwrap().parse().unwrap()];
        stream.read_exact(&mut body).unwrap();
        return Err(Answer { body: String::from_utf8(body).unwrap(), ..answer });
    }
    Ok(Socket { frames: WebSocket::from_raw_socket(stream, Role::Client, None), answer })
}

impl<S: Read + Write> Socket<S> {
    pub fn send(&mut self, text: &str) {
        self.frames.send(Message::from(text)).unwrap();
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.frames.send(Message::from(bytes.to_vec())).unwrap();
    }

    /// The next thing that comes, but for pings, which are answered.
    pub fn next(&mut self) -> Got {
        loop {
            match self.frames.read() {
                Ok(Message::Text(text)) => return Got::Text(without_reasons(&text)),
                Ok(Message::Binary(bytes)) => return Got::Binary(bytes.to_vec()),
                Ok(Message::Close(frame)) => {
                    return Got::Closed(frame.map(|CloseFrame { code, reason }| (code.into(), reason.to_string())));
                }
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("nothing comes"),
                Err(_) => return Got::Closed(None),
            }
        }
    }

    /// All that comes to the end.
    pub fn rest(&mut self) -> Vec<Got> {
        let mut all = Vec::new();
        loop {
            all.push(self.next());
            if let Some(Got::Closed(_)) = all.last() {
                return all;
            }
        }
    }
}

/// A frame of a client, masked with zeros, of any first byte.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ 0..126 => vec![0x80 | short as u8],
        long @ 126..0x1_0000 => [&[0xfe][..], &(long as u16).to_be_bytes()].concat(),
        longer => [&[0xff][..], &(longer as u64).to_be_bytes()].concat(),
    };
    [&[first][..], &length, &[0; 4], payload].concat()
}
