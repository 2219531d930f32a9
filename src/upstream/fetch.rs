//! Fetches one small document over HTTPS: a URL in, its bytes and `max-age` out.
//!
//! Uses the same TLS, pins and proxies as calls to backends. Follows no redirects, accepts status 200 only, and reads no more than its
//! limit. Each document uses a new connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CACHE_CONTROL, CONNECTION, HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::backend::client_config;
use super::config::TlsFiles;
use super::dial::address::Address;
use super::dial::lookup::look_up;
use super::dial::proxy::config::{Proxy, ProxyConfig};
use crate::format::problem::Problem;

/// Longest time for a document.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest head of an answer, in bytes.
const HEAD: usize = 32 << 10;

/// An `https` URL: host, port, and path with query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentUrl {
    address: Address,
    target: String,
}

/// How a server of documents is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FetchConfig {
    pub tls: TlsFiles,
    pub proxy: Option<ProxyConfig>,
}

/// Fetches documents.
pub struct Fetcher {
    tls: Arc<ClientConfig>,
    server_name: Option<String>,
    proxy: Option<Proxy>,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub bytes: Bytes,
    /// The `max-age` of the answer.
    pub max_age: Option<Duration>,
}

impl DocumentUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// It is not an `https` URL, or has a user or a fragment.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a URL such as `https://id.bank.example/jwks`, got `{text}`");
        let rest = text.strip_prefix("https://").ok_or_else(expected)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let address: Address = format!("https://{authority}").parse().map_err(|_| expected())?;
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        if target.contains('#') || target.parse::<Uri>().is_err() {
            return Err(expected());
        }
        Ok(Self { address, target })
    }

    /// The server's address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl fmt::Display for DocumentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.address, self.target)
    }
}

impl Fetcher {
    /// Reads the files for TLS and the proxy.
    ///
    /// # Errors
    /// All problems with these files.
    pub fn new(config: &FetchConfig) -> Result<Self, Vec<Problem>> {
        let tls = client_config(&config.tls, &[b"http/1.1"])?;
        let proxy = config.proxy.as_ref().map(Proxy::load).transpose().map_err(|problem| vec![problem])?;
        Ok(Self { tls, server_name: config.tls.server_name.clone(), proxy })
    }

    /// Fetches a document of at most `limit` bytes.
    ///
    /// # Errors
    /// Why it failed. The text contains nothing of the document.
    pub async fn fetch(&self, url: &DocumentUrl, limit: usize) -> Result<Document, String> {
        let until = Instant::now() + PATIENCE;
        let fetched = timeout_at(until, self.fetch_until(url, limit, until)).await;
        fetched.unwrap_or_else(|_| Err(format!("no document within {PATIENCE:?}")))
    }

    async fn fetch_until(&self, url: &DocumentUrl, limit: usize, until: Instant) -> Result<Document, String> {
        let Address { host, port, .. } = &url.address;
        let name = self.server_name.as_deref().unwrap_or(host.strip_suffix('.').unwrap_or(host));
        let name = ServerName::try_from(name.to_owned()).map_err(|_| format!("`{name}` is no name of a server"))?;
        let tcp = match &self.proxy {
            Some(proxy) => proxy.open(host, *port, until).await.map_err(|error| format!("proxy {proxy}: {error}"))?,
            None => connect(host, *port).await?,
        };
        let tls = TlsConnector::from(self.tls.clone()).connect(name, tcp).await;
        let tls = tls.map_err(|error| format!("TLS: {}", super::dial::connect::cause(&error)))?;
        let mut client = Builder::new();
        client.max_buf_size(HEAD);
        let broken = |error: hyper::Error| format!("HTTP/1.1: {error}");
        let (mut sender, connection) = client.handshake(TokioIo::new(tls)).await.map_err(broken)?;
        let exchange = async {
            let response = sender.send_request(url.request()?).await.map_err(broken)?;
            let (head, body) = response.into_parts();
            if head.status != StatusCode::OK {
                return Err(format!("expected HTTP status 200, got {}", head.status.as_u16()));
            }
            Ok(Document { bytes: read(body, limit).await?, max_age: max_age(&head.headers) })
        };
        let connection = async {
            let _ = connection.await;
            std::future::pending().await
        };
        tokio::select! {
            document = exchange => document,
            document = connection => document,
        }
    }
}

impl DocumentUrl {
    fn request(&self) -> Result<Request<Empty<Bytes>>, String> {
        let Address { port, .. } = self.address;
        let authority = self.address.authority();
        let host = if port == 443 { authority.strip_suffix(":443").unwrap_or(&authority) } else { &authority };
        let agent = HeaderValue::from_static(concat!("towbar/", env!("CARGO_PKG_VERSION")));
        Request::get(&self.target)
            .header(HOST, host)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, agent)
            .header(CONNECTION, "close")
            .body(Empty::new())
            .map_err(|error| error.to_string())
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let addresses = match host.parse() {
        Ok(address) => vec![address],
        Err(_) => look_up(host, &[]).await?.addresses,
    };
    let addresses: Vec<SocketAddr> = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
    TcpStream::connect(&*addresses).await.map_err(|error| error.to_string())
}

async fn read(mut body: Incoming, limit: usize) -> Result<Bytes, String> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("in the middle of the document: {error}"))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > limit {
            return Err(format!("expected a document of at most {limit} bytes, got more"));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// RFC 9111, section 5.2.2.1.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut directives = values.flat_map(|value| value.split(',')).map(str::trim);
    let seconds = directives.find_map(|directive| directive.strip_prefix("max-age="))?;
    seconds.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_url_must_be_https_without_user_and_fragment() {
        for (text, shown) in [
            ("https://id.bank.test/jwks", "https://id.bank.test:443/jwks"),
            ("https://id.bank.test", "https://id.bank.test:443/"),
            ("https://127.0.0.1:8443/a/b?c=d", "https://127.0.0.1:8443/a/b?c=d"),
            ("https://[::1]/a", "https://[::1]:443/a"),
            ("https://id.bank.test?c", "https://id.bank.test:443/?c"),
        ] {
            assert_eq!(DocumentUrl::parse(text).map(|url| url.to_string()).as_deref(), Ok(shown), "{text}");
        }
        for text in [
            "http://id.bank.test/",
            "id.bank.test/jwks",
            "https://",
            "https://a:b@c/",
            "https://a/#b",
            "https://a/ b",
            "https://a:0/",
        ] {
            let expected = format!("expected a URL such as `https://id.bank.example/jwks`, got `{text}`");
            assert_eq!(DocumentUrl::parse(text), Err(expected));
        }
    }

    #[test]
    fn the_maximum_age_is_read_from_cache_control() {
        for (value, age) in [
            ("max-age=300", Some(300)),
            ("public, max-age=60, must-revalidate", Some(60)),
            ("no-store", None),
            ("max-age=-1", None),
            ("s-maxage=10", None),
        ] {
            let headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(value))]);
            assert_eq!(max_age(&headers), age.map(Duration::from_secs), "{value}");
        }
    }
}
