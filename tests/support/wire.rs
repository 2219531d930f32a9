//! The bytes of one connection to the raw bank, over TCP or over TLS, and the ways in which they end.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::future::poll_fn;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A connection. Who has a clone has the same one: one reads while another writes.
#[derive(Clone)]
pub struct Wire(Arc<Mutex<Transport>>);

enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// How it ends, behind all that was written before.
#[derive(Debug, Clone)]
pub enum End {
    /// FIN; over TLS with close_notify before it.
    Well,
    /// FIN, and nothing before it.
    Bare,
    /// These bytes in one record, half of that record, and FIN. Without TLS half of the bytes.
    Half(Vec<u8>),
    /// A fatal alert (RFC 8446, section 6.2) and FIN. Without TLS just that.
    Alert,
    /// RST.
    Reset,
}

impl Wire {
    pub fn plain(tcp: TcpStream) -> Self {
        Self(Arc::new(Mutex::new(Transport::Plain(tcp))))
    }

    pub fn tls(tls: TlsStream<TcpStream>) -> Self {
        Self(Arc::new(Mutex::new(Transport::Tls(Box::new(tls)))))
    }

    /// Writes all of it, records included.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).await?;
        self.flush().await
    }

    /// Ends it. What is unread must be read meanwhile, or the end is a reset.
    pub async fn end(&mut self, end: End) -> io::Result<()> {
        match end {
            End::Well => return self.shutdown().await,
            End::Reset => return self.0.lock().unwrap().tcp().set_zero_linger(),
            End::Bare => {}
            End::Half(bytes) => {
                let record = self.0.lock().unwrap().record_of(&bytes);
                self.send_raw(&record[..record.len() / 2]).await?;
            }
            End::Alert => {
                let record = self.0.lock().unwrap().alert();
                self.send_raw(&record).await?;
            }
        }
        poll_fn(|cx| Pin::new(self.0.lock().unwrap().tcp()).poll_shutdown(cx)).await
    }

    /// Writes past TLS.
    async fn send_raw(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = poll_fn(|cx| Pin::new(self.0.lock().unwrap().tcp()).poll_write(cx, bytes)).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }
}

impl Transport {
    fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_mut().0,
        }
    }

    fn record_of(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Self::Tls(tls) = self else { return bytes.to_vec() };
        let tls = tls.get_mut().1;
        tls.writer().write_all(bytes).unwrap();
        let mut record = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut record).unwrap();
        }
        record
    }

    /// The alert of a server that has read what is no record of its peer's.
    fn alert(&mut self) -> Vec<u8> {
        let Self::Tls(tls) = self else { return Vec::new() };
        let tls = tls.get_mut().1;
        let noise = [&[0x17, 3, 3, 0, 64], &[0x5a; 64][..]].concat();
        // The end of a record of the peer's may be still to come: noise is that, too.
        while tls.read_tls(&mut &noise[..]).is_ok() && tls.process_new_packets().is_ok() {}
        let mut record = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut record).unwrap();
        }
        record
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self.0.lock().unwrap() {
            Transport::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Transport::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self.0.lock().unwrap() {
            Transport::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Transport::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.0.lock().unwrap() {
            Transport::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Transport::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.0.lock().unwrap() {
            Transport::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Transport::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
