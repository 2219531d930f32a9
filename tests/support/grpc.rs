//! Clients of gRPC: one that sends over HTTP/2 what a test says, byte by byte, and tonic's with messages of plain bytes.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{Buf as _, BufMut as _, Bytes};
use http::{HeaderMap, Request};
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};
use towbar::schema::generated::google::rpc;

/// An answer, complete.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub data: Vec<u8>,
    /// `None` where the head was all.
    pub trailers: Option<HeaderMap>,
}

impl Answer {
    /// Where the status is.
    fn last(&self) -> &HeaderMap {
        self.trailers.as_ref().unwrap_or(&self.headers)
    }

    pub fn last_header(&self, name: &str) -> Option<&str> {
        self.last().get(name).map(|value| value.to_str().unwrap())
    }

    /// Code and message.
    pub fn told(&self) -> (i32, String) {
        let code = self.last_header("grpc-status").unwrap_or_else(|| panic!("no status: {self:?}")).parse().unwrap();
        let message = self.last_header("grpc-message").unwrap_or_default();
        (code, percent_encoding::percent_decode_str(message).decode_utf8().unwrap().into_owned())
    }

    /// `google.rpc.Status` of its details.
    pub fn details(&self) -> Option<rpc::Status> {
        let details = STANDARD_NO_PAD.decode(self.last_header("grpc-status-details-bin")?).unwrap();
        Some(rpc::Status::decode(&*details).unwrap())
    }

    /// The reason of Towbar's own errors.
    pub fn reason(&self) -> Option<String> {
        let status = self.details()?;
        assert_eq!((status.code, &status.message), (self.told().0, &self.told().1));
        let info = status.details.iter().find(|any| any.type_url == "type.googleapis.com/google.rpc.ErrorInfo")?;
        let info = rpc::ErrorInfo::decode(&*info.value).unwrap();
        (info.domain == "towbar").then_some(info.reason)
    }

    /// The messages of its frames.
    pub fn messages(&self) -> Vec<Vec<u8>> {
        let (mut data, mut messages) = (&self.data[..], Vec::new());
        while !data.is_empty() {
            assert_eq!(data[0], 0, "{self:?}");
            let length = u32::from_be_bytes(data[1..5].try_into().unwrap()) as usize;
            messages.push(data[5..5 + length].to_vec());
            data = &data[5 + length..];
        }
        messages
    }
}

/// A message in its frame.
pub fn frame(message: &[u8]) -> Vec<u8> {
    flagged(0, message)
}

/// The same with this flag.
pub fn flagged(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag], &u32::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A call over plain HTTP/2 with prior knowledge, on a connection of its own.
pub fn call(to: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    send(to, "POST", path, &[&[("content-type", "application/grpc"), ("te", "trailers")], headers].concat(), body)
}

/// A request with these headers and no others.
pub fn send(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    runtime().block_on(async {
        let stream = TcpStream::connect(to).await.unwrap();
        send_on(stream, &request(method, &format!("http://gateway.test{path}"), headers), body).await
    })
}

pub fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request<()> {
    let request = Request::builder().method(method).uri(uri);
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(()).unwrap()
}

/// The same on a connection that is there.
pub async fn send_on<S>(stream: S, request: &Request<()>, body: &[u8]) -> Answer
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let (answer, mut stream) = client.send_request(request.clone(), body.is_empty()).unwrap();
    if !body.is_empty() {
        stream.send_data(Bytes::copy_from_slice(body), true).unwrap();
    }
    let (head, mut body) = answer.await.unwrap().into_parts();
    let mut answer = Answer { status: head.status.as_u16(), headers: head.headers, ..Answer::default() };
    let is_all = body.is_end_stream();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        answer.data.extend_from_slice(&data);
    }
    answer.trailers = body.trailers().await.unwrap().filter(|_| !is_all);
    drop(client);
    connection.abort();
    answer
}

/// Messages are what a test says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl Codec for Plain {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut message = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut message);
        Ok(Some(message))
    }
}

/// tonic's client.
pub async fn tonic_client(to: SocketAddr) -> tonic::client::Grpc<tonic::transport::Channel> {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{to}")).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    client
}

/// Code and message of a failure.
pub fn told(status: &Status) -> (Code, &str) {
    (status.code(), status.message())
}
