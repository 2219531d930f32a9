//! Opens a tunnel to the backend through an HTTP proxy with CONNECT (RFC 9110, section 9.3.6).
//!
//! Takes a proxy, a host and a port, and gives a TCP connection whose other end is that host, or the reason why there
//! is none. No part of any call is sent before. The proxy resolves the host name. What passes through the tunnel, such
//! as TLS with the backend, concerns neither the proxy nor this module.

use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::{Instant, timeout_at};

use super::answer::{AnswerHead, ProxyAnswer, TunnelError, broken};
use super::config::Proxy;
use crate::upstream::dial::address::authority;

impl Proxy {
    /// Opens a connection to `host` and `port` through this proxy. The first byte from the host is still to be read,
    /// because a server may send first.
    ///
    /// # Errors
    /// The proxy cannot be reached by `until`, or does not open a tunnel.
    pub async fn open(&self, host: &str, port: u16, until: Instant) -> Result<TcpStream, TunnelError> {
        self.open_at((self.host.as_str(), self.port), host, port, until).await
    }

    /// Opens a tunnel through the proxy at the address `proxy`, without looking up the proxy's name.
    pub(crate) async fn open_at(
        &self,
        proxy: impl ToSocketAddrs,
        host: &str,
        port: u16,
        until: Instant,
    ) -> Result<TcpStream, TunnelError> {
        let connected = timeout_at(until, TcpStream::connect(proxy)).await;
        let connected = connected.map_err(|_| TunnelError::ConnectTimeout)?;
        let tcp = connected.and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp));
        let mut tcp = tcp.map_err(|error| TunnelError::Unreachable(Arc::new(error)))?;
        let mut answer = ProxyAnswer::default();
        let handshake = self.handshake(&mut tcp, &mut answer, authority(host, port));
        match timeout_at(until, handshake).await {
            Ok(opened) => opened.map(|()| tcp),
            Err(_) => Err(TunnelError::AnswerTimeout { read: answer.head.len() }),
        }
    }

    async fn handshake(
        &self,
        tcp: &mut TcpStream,
        answer: &mut ProxyAnswer,
        wanted: String,
    ) -> Result<(), TunnelError> {
        tcp.write_all(&self.request(&wanted)).await.map_err(broken)?;
        loop {
            let from = answer.head.len();
            answer.read_head(tcp).await?;
            let head = AnswerHead::parse(&answer.head[from..])?;
            match head.status {
                // RFC 9110, section 15.2: any number of interim answers may come before the final one. 101 would switch
                // to another protocol, which was not asked for.
                100 | 102..=199 => {}
                // Section 9.3.6: the tunnel begins behind the head, even if a header gives a length.
                200..=299 => return Ok(()),
                _ => return Err(self.refusal(&head, wanted)),
            }
        }
    }

    fn request(&self, wanted: &str) -> Vec<u8> {
        let agent = concat!("towbar/", env!("CARGO_PKG_VERSION"));
        let mut request =
            format!("CONNECT {wanted} HTTP/1.1\r\nHost: {wanted}\r\nUser-Agent: {agent}\r\n").into_bytes();
        if let Some(credentials) = &self.credentials {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(credentials.header());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        request
    }

    fn refusal(&self, head: &AnswerHead, wanted: String) -> TunnelError {
        let (status, said) = (head.status, head.said());
        match status {
            407 => {
                let offers = head.offers();
                match &self.credentials {
                    _ if !offers.has_basic() => TunnelError::OtherScheme { offers, said },
                    Some(_) => TunnelError::WrongCredentials { status, offers, said },
                    None => TunnelError::NoCredentials { offers, said },
                }
            }
            // tinyproxy answers 401, as if it were a server.
            401 if self.credentials.is_some() => TunnelError::WrongCredentials { status, offers: head.offers(), said },
            403 => TunnelError::Forbidden { wanted, said },
            500 | 502..=504 => TunnelError::BadGateway { status, wanted, said },
            _ => TunnelError::Status { status, wanted, said },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::super::answer::HEAD_LIMIT;
    use super::super::config::ProxyConfig;
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// What a proxy does with a connection once it has read a request.
    #[derive(Debug, Clone, Copy)]
    enum Act {
        /// Sends this and closes.
        Say(&'static [u8]),
        /// Sends this in pieces of one byte and closes.
        Piecemeal(&'static [u8]),
        /// Sends this and nothing more.
        Stall(&'static [u8]),
        /// Sends this over and over.
        Babble(&'static [u8]),
    }

    /// A proxy for one connection, with `login` before its host. The task returns the request.
    async fn proxy(login: &str, act: Act) -> (Proxy, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{login}{}", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(tcp.read_u8().await.unwrap());
            }
            match act {
                Act::Say(bytes) => tcp.write_all(bytes).await.unwrap(),
                Act::Piecemeal(bytes) => {
                    for byte in bytes {
                        tcp.write_all(&[*byte]).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                }
                Act::Stall(bytes) => {
                    tcp.write_all(bytes).await.unwrap();
                    // Until the other side closes the connection.
                    let _ = tcp.read_u8().await;
                }
                Act::Babble(bytes) => while tcp.write_all(bytes).await.is_ok() {},
            }
            String::from_utf8(request).unwrap()
        });
        (Proxy::load(&url.parse::<ProxyConfig>().unwrap()).unwrap(), served)
    }

    async fn refused(login: &str, act: Act) -> String {
        let (proxy, served) = proxy(login, act).await;
        let error = proxy.open("bank.test", 443, Instant::now() + PATIENCE).await.unwrap_err();
        served.abort();
        format!("{error}")
    }

    #[tokio::test]
    async fn the_connect_request_names_the_backend_and_carries_the_credentials() {
        let agent = concat!("User-Agent: towbar/", env!("CARGO_PKG_VERSION"), "\r\n");
        for (login, host, wanted, shown) in [
            ("", "bank.test", "bank.test:443", ""),
            ("", "::1", "[::1]:443", ""),
            ("ann:p%3Aw@", "10.0.0.1", "10.0.0.1:443", "Proxy-Authorization: Basic YW5uOnA6dw==\r\n"),
        ] {
            let (proxy, served) = proxy(login, Act::Say(b"HTTP/1.1 200 OK\r\n\r\n")).await;
            proxy.open(host, 443, Instant::now() + PATIENCE).await.unwrap();
            let expected = format!("CONNECT {wanted} HTTP/1.1\r\nHost: {wanted}\r\n{agent}{shown}\r\n");
            assert_eq!(served.await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn bytes_after_the_response_head_belong_to_the_tunnel() {
        for answer in [
            &b"HTTP/1.1 200 Connection established\r\n\r\nEARLY"[..],
            b"HTTP/1.0 299\r\nVia: x\r\n\r\nEARLY",
            b"HTTP/1.1 200 \nContent-Length: 3\n\nEARLY",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\nEARLY",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nEARLY",
        ] {
            for act in [Act::Say(answer), Act::Piecemeal(answer)] {
                let (proxy, _served) = proxy("", act).await;
                let mut tunnel = proxy.open("bank.test", 443, Instant::now() + PATIENCE).await.unwrap();
                let mut rest = String::new();
                tunnel.read_to_string(&mut rest).await.unwrap();
                assert_eq!(rest, "EARLY", "{}", String::from_utf8_lossy(answer));
            }
        }
    }

    #[tokio::test]
    async fn every_refusal_of_a_proxy_is_reported_with_what_to_do() {
        for (login, answer, message) in [
            (
                "",
                &b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n<html>"[..],
                "407: the proxy asks for credentials (Basic), and there are none: set `username` and `password_file` \
                 under `proxy`; it says: Proxy Authentication Required",
            ),
            (
                "",
                b"HTTP/1.1 407 \r\n\r\n",
                "407: the proxy asks for credentials (no scheme named), and there are none: set `username` and \
                 `password_file` under `proxy`",
            ),
            (
                "ann:secret@",
                b"HTTP/1.1 407 No\r\nproxy-authenticate: Negotiate, basic realm=\"a, b\", charset=x\r\n\r\n",
                "407: the proxy refused our credentials (Negotiate, basic): check user and password; it says: No",
            ),
            (
                "ann:secret@",
                b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Digest qop=\"auth, basic\", a=b\r\n\r\n",
                "407: the proxy asks for credentials (NTLM, Digest), of which only Basic is spoken here: have it take \
                 Basic, or let this host through without credentials; it says: No",
            ),
            // A line that is not a header ends the headers that are read.
            (
                "ann:secret@",
                b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nno header\r\nProxy-Authenticate: Basic\r\n\r\n",
                "407: the proxy asks for credentials (NTLM), of which only Basic is spoken here: have it take Basic, or let \
                 this host through without credentials; it says: No",
            ),
            (
                "ann:secret@",
                b"HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n",
                "401: the proxy refused our credentials (Basic): check user and password; it says: Unauthorized",
            ),
            (
                "",
                b"HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n",
                "401: the proxy did not open a tunnel to bank.test:443: expected 200 to CONNECT; see the proxy's log; \
                 it says: Unauthorized",
            ),
            (
                "",
                b"HTTP/1.1 403 Forbidden\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\n\r\n",
                "403: the rules of the proxy do not allow bank.test:443: have it allow CONNECT to this host and port; \
                 it says: Forbidden, ERR_ACCESS_DENIED 0",
            ),
            (
                "",
                b"HTTP/1.1 502 Bad Gateway\r\nProxy-Status: corp; error=dns_error\r\n\r\n",
                "502: the proxy could not reach bank.test:443: see whether the name is known and the port open \
                 from where it is; it says: Bad Gateway, corp; error=dns_error",
            ),
            (
                "",
                b"HTTP/1.1 500 Unable to connect\r\n\r\n",
                "500: the proxy could not reach bank.test:443: see whether the name is known and the port open \
                 from where it is; it says: Unable to connect",
            ),
            (
                "",
                b"HTTP/1.1 503\r\n\r\n",
                "503: the proxy could not reach bank.test:443: see whether the name is known and the port open \
                 from where it is",
            ),
            (
                "",
                b"HTTP/1.1 504 \x1b[2J\xff\t\r\n\r\n",
                "504: the proxy could not reach bank.test:443: see whether the name is known and the port open \
                 from where it is; it says: ?[2J?",
            ),
            (
                "",
                b"HTTP/1.1 405 Method Not Allowed\r\n\r\n",
                "405: the proxy did not open a tunnel to bank.test:443: expected 200 to CONNECT; see the proxy's log; \
                 it says: Method Not Allowed",
            ),
            (
                "",
                b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
                "101: the proxy did not open a tunnel to bank.test:443: expected 200 to CONNECT; see the proxy's log; \
                 it says: Switching Protocols",
            ),
            ("", b"", "the proxy closed the connection without an answer to CONNECT; is it an HTTP proxy?"),
            (
                "",
                b"HTTP/1.1 200 OK\r\nVia: x\r\n",
                "the proxy closed the connection after 25 bytes of its answer to CONNECT",
            ),
            (
                "",
                b"HTTP/1.1 100 Continue\r\n\r\n",
                "the proxy closed the connection after 25 bytes of its answer to CONNECT",
            ),
            (
                "",
                b"SSH-2.0-OpenSSH_9.2\r\n",
                "expected an answer of HTTP/1.1 to CONNECT, found `SSH-2.0-OpenSSH_9.2`; is it an HTTP proxy?",
            ),
            (
                "",
                b"HTTP/1.1 abc\r\n\r\n",
                "expected an answer of HTTP/1.1 to CONNECT, found `HTTP/1.1 abc`; is it an HTTP proxy?",
            ),
            (
                "",
                b"HTTP/1.1 20\r\n\r\n",
                "expected an answer of HTTP/1.1 to CONNECT, found `HTTP/1.1 20`; is it an HTTP proxy?",
            ),
            (
                "",
                b"HTTP/2 200\r\n\r\n",
                "expected an answer of HTTP/1.1 to CONNECT, found `HTTP/2 200`; is it an HTTP proxy?",
            ),
            // A TLS alert, because the port speaks TLS.
            (
                "",
                b"\x15\x03\x01\0\x02\x02\x46",
                "expected an answer of HTTP/1.1 to CONNECT, found `??????F`; is it an HTTP proxy?",
            ),
        ] {
            assert_eq!(refused(login, Act::Say(answer)).await, message, "{}", String::from_utf8_lossy(answer));
        }
    }

    #[tokio::test]
    async fn a_proxy_response_head_over_the_size_limit_is_refused() {
        let long = "the head of the proxy's answer to CONNECT is longer than 16 KiB";
        for (start, line) in [
            (&b"HTTP/1.1 200 OK\r\n"[..], &b"X-Filler: ........................................\r\n"[..]),
            (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
            (b"HTTP/1.1 200 ", b"................................................................"),
        ] {
            let text = [start, &line.repeat((HEAD_LIMIT / line.len()) + 1)].concat();
            assert_eq!(refused("", Act::Babble(text.leak())).await, long, "{}", String::from_utf8_lossy(line));
        }
        // The longest head that is accepted.
        let rest = HEAD_LIMIT - b"HTTP/1.1 200 OK\r\nX: \r\n\r\n".len();
        for (length, taken) in [(rest, true), (rest + 1, false)] {
            let text = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(length));
            let (proxy, _served) = proxy("", Act::Say(text.leak().as_bytes())).await;
            let opened = proxy.open("bank.test", 443, Instant::now() + PATIENCE).await;
            assert_eq!(opened.is_ok(), taken, "{length}");
        }
    }

    #[tokio::test]
    async fn a_proxy_that_does_not_answer_in_time_is_reported() {
        for (bytes, read) in [(&b""[..], 0), (b"HTTP/1.1 200 OK\r\n", 17), (b"HTTP/1.1 100 \r\n\r\n", 17)] {
            let (proxy, _served) = proxy("", Act::Stall(bytes)).await;
            let error = proxy.open("bank.test", 443, Instant::now() + Duration::from_millis(300)).await.unwrap_err();
            let message = format!("the proxy did not answer to CONNECT in time: {read} bytes of an answer came");
            assert_eq!(error.to_string(), message);
        }
    }

    #[tokio::test]
    async fn an_unreachable_proxy_is_reported_without_its_password() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let proxy = Proxy::load(&format!("http://ann:secret@{free}").parse().unwrap()).unwrap();
        let error = proxy.open("bank.test", 443, Instant::now() + PATIENCE).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot connect to the proxy: Connection refused (os error 111)");
        assert!(!format!("{error:?} {proxy:?} {proxy}").contains("secret"));
    }
}
