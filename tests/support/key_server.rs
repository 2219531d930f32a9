//! A server of `https` that publishes what a test puts there, and counts who asks.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use towbar::cli::demo::bank::certificates::Authority;
use towbar::tls;

/// It serves until the process ends.
pub struct KeyServer {
    pub address: SocketAddr,
    answers: Answers,
    asked: Arc<Mutex<Vec<String>>>,
}

/// What is answered for each path, as HTTP/1.1 has it.
type Answers = Arc<Mutex<HashMap<String, String>>>;

impl KeyServer {
    /// One that shows a certificate of this authority for 127.0.0.1.
    pub fn start(authority: &Authority) -> Self {
        let identity = authority.issue("id.bank.test").unwrap().identity();
        let config = tls::server(identity, None, &[b"http/1.1"]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (answers, asked) = (Answers::default(), Arc::<Mutex<Vec<_>>>::default());
        let (published, noted) = (answers.clone(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // One that breaks off is no reason to stop.
                let _ = serve(stream, &config, &published, &noted);
            }
        });
        Self { address, answers, asked }
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// Publishes this under a path.
    pub fn put(&self, path: &str, document: impl AsRef<str>) {
        let document = document.as_ref();
        let head = format!("200 OK\r\nContent-Length: {}\r\nCache-Control: public, max-age=600", document.len());
        self.put_answer(path, &format!("{head}\r\n\r\n{document}"));
    }

    /// Answers a path so: from the status to the end of the body.
    pub fn put_answer(&self, path: &str, answer: &str) {
        self.answers.lock().unwrap().insert(path.to_owned(), format!("HTTP/1.1 {answer}"));
    }

    /// From now on there is nothing.
    pub fn clear(&self) {
        self.answers.lock().unwrap().clear();
    }

    /// How many requests there were for this path.
    pub fn asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == path).count()
    }
}

fn serve(
    stream: TcpStream,
    config: &Arc<ServerConfig>,
    answers: &Mutex<HashMap<String, String>>,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let connection = ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let path = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned();
    let answer = answers.lock().unwrap().get(&path).cloned();
    asked.lock().unwrap().push(path);
    let answer = answer.unwrap_or_else(|| "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned());
    stream.write_all(answer.as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}
