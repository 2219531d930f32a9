//! One request of HTTP/1.1, as it is written, and its answer with everything behind it.

use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use super::answer::Answer;
use super::connection::Connection;
use super::request::{Content, ProbeRequest};

/// Longest head of an answer, and longest trailer section, in bytes.
const HEAD: usize = 128 << 10;
/// Longest body that is read.
const BODY: usize = 4 << 20;

/// Sends `ask` and reads what comes back. The connection is not used again.
pub(super) async fn send(
    stream: impl Connection,
    authority: &str,
    ask: &ProbeRequest,
    patience: Duration,
) -> Result<Answer, String> {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut request = format!("{} {} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n", ask.method, ask.target);
    for (name, value) in &ask.headers {
        request += &format!("{name}: {value}\r\n");
        if name.eq_ignore_ascii_case("te") {
            // RFC 9110, section 10.1.4: TE is of one connection, and Connection says so.
            request = request.replacen("Connection: close", "Connection: close, TE", 1);
        }
    }
    let mut bytes = match &ask.content {
        Content::None => (request + "\r\n").into_bytes(),
        Content::Whole(body) => (request + &format!("Content-Length: {}\r\n\r\n", body.len())).into_bytes(),
        Content::Chunked(_) => (request + "Transfer-Encoding: chunked\r\n\r\n").into_bytes(),
    };
    match &ask.content {
        Content::None => {}
        Content::Whole(body) => bytes.extend_from_slice(body),
        Content::Chunked(body) => {
            bytes.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
            bytes.extend_from_slice(body);
            bytes.extend_from_slice(b"\r\n0\r\n\r\n");
        }
    }
    let exchange = async {
        let mut reader = BufReader::new(reader);
        let answer = read(&mut reader, ask.method == "HEAD");
        tokio::pin!(answer);
        // A refusal may come, and the connection end, before all is written.
        let written = async {
            let _ = writer.write_all(&bytes).await;
            let _ = writer.flush().await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = &mut answer => answer,
            () = written => Err(String::new()),
        }
    };
    let answered = tokio::time::timeout(patience, exchange).await;
    answered.unwrap_or_else(|_| Err(format!("no answer in {patience:?}")))
}

async fn read(reader: &mut (impl AsyncRead + Unpin), is_head: bool) -> Result<Answer, String> {
    let (status, headers) = loop {
        let (status, headers) = head(reader).await?;
        // Answers on the way to the answer (RFC 9110, section 15.2).
        if !(100..200).contains(&status) {
            break (status, headers);
        }
    };
    let mut called = Answer { status, headers, body: Bytes::new(), trailers: None };
    if is_head || status == 204 || status == 304 {
        return Ok(called);
    }
    let text = |name: &str| called.headers.get(name).and_then(|value| value.to_str().ok());
    let length = text("content-length").and_then(|length| length.parse().ok());
    if text("transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().ends_with("chunked")) {
        let (body, trailers) = chunks(reader).await?;
        (called.body, called.trailers) = (body, Some(trailers).filter(|trailers| !trailers.is_empty()));
    } else if let Some(length) = length {
        called.body = exactly(reader, length).await?.into();
    } else {
        let mut body = Vec::new();
        reader.take(BODY as u64).read_to_end(&mut body).await.map_err(|error| error.to_string())?;
        called.body = body.into();
    }
    Ok(called)
}

async fn head(reader: &mut (impl AsyncRead + Unpin)) -> Result<(u16, HeaderMap), String> {
    let first = line(reader, HEAD).await?;
    let mut words = first.split(' ');
    let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
    let status = words.next().and_then(|status| status.parse().ok()).filter(|_| is_http);
    let status = status.ok_or_else(|| format!("expected an answer of HTTP/1.1, found `{first}`"))?;
    Ok((status, fields(reader).await?))
}

async fn fields(reader: &mut (impl AsyncRead + Unpin)) -> Result<HeaderMap, String> {
    let (mut fields, mut left) = (HeaderMap::new(), HEAD);
    loop {
        let line = line(reader, left).await?;
        if line.is_empty() {
            return Ok(fields);
        }
        left -= line.len().min(left);
        let (name, value) = line.split_once(':').ok_or_else(|| format!("expected a header, found `{line}`"))?;
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value.trim())) {
            fields.append(name, value);
        }
    }
}

async fn chunks(reader: &mut (impl AsyncRead + Unpin)) -> Result<(Bytes, HeaderMap), String> {
    let mut body = Vec::new();
    loop {
        let size = line(reader, HEAD).await?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size =
            usize::from_str_radix(size, 16).map_err(|_| format!("expected the size of a chunk, found `{size}`"))?;
        if size == 0 {
            return Ok((body.into(), fields(reader).await?));
        }
        if body.len() + size.min(BODY) >= BODY {
            return Err("the answer is too long".to_owned());
        }
        body.extend(exactly(reader, size).await?);
        line(reader, HEAD).await?;
    }
}

async fn exactly(reader: &mut (impl AsyncRead + Unpin), length: usize) -> Result<Vec<u8>, String> {
    if length > BODY {
        return Err("the answer is too long".to_owned());
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).await.map_err(|error| format!("in the middle of the answer: {error}"))?;
    Ok(bytes)
}

/// Up to the end of the line, which is not part of it.
async fn line(reader: &mut (impl AsyncRead + Unpin), most: usize) -> Result<String, String> {
    let mut bytes = Vec::new();
    loop {
        let byte = match reader.read_u8().await {
            Ok(b'\n') => break,
            Ok(byte) => byte,
            Err(error) if bytes.is_empty() && error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err("the connection ends without an answer".to_owned());
            }
            Err(error) => return Err(error.to_string()),
        };
        bytes.push(byte);
        if bytes.len() > most {
            return Err("the head of the answer is too long".to_owned());
        }
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
