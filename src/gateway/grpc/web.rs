//! gRPC-Web (PROTOCOL-WEB.md of grpc/grpc): the trailers are the last frame of the body, and the body may be base64.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};

use super::frames::PREFIX;
use crate::gateway::answer::Cut;
use crate::gateway::error::NotBase64;
use crate::gateway::request::inbound::RequestBody;

/// The flag of the frame that has the trailers.
const TRAILERS: u8 = 0x80;

/// The most bytes that are encoded at a time. Base64 is longer, and no memory is reserved for a second copy of a long
/// message.
const PIECE: usize = 48 << 10;

/// The number of base64 characters that encode three bytes.
const QUAD: usize = 4;

/// Writes trailers as a frame: "Key-value pairs encoded as a HTTP/1 headers block (without the terminating newline)".
pub(super) fn put_trailers(out: &mut BytesMut, trailers: &HeaderMap) {
    let length: usize = trailers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum();
    out.reserve(PREFIX + length);
    out.put_u8(TRAILERS);
    out.put_u32(u32::try_from(length).expect("the headers of a backend are limited to 64 KiB"));
    for (name, value) in trailers {
        out.put_slice(name.as_str().as_bytes());
        out.put_slice(b": ");
        out.put_slice(value.as_bytes());
        out.put_slice(b"\r\n");
    }
}

/// A part of a body as the caller wants it. Each part of a text is padded: "the implementation may send base64-encoded chunks with
/// potential padding".
pub(super) fn written(data: Bytes, is_text: bool) -> Bytes {
    if is_text { STANDARD.encode(&data).into() } else { data }
}

/// The body of an answer, with its trailers in the last frame.
pub(super) struct WebBody<B> {
    body: B,
    is_text: bool,
    /// The rest of a long frame that is still to be encoded.
    rest: Bytes,
}

impl<B> WebBody<B> {
    pub(super) fn new(body: B, is_text: bool) -> Self {
        Self { body, is_text, rest: Bytes::new() }
    }
}

impl<B: Body<Data = Bytes, Error = Cut> + Unpin> Body for WebBody<B> {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(cx)) else { return Poll::Ready(None) };
            this.rest = match frame?.into_data() {
                Ok(data) => data,
                Err(frame) => {
                    let mut out = BytesMut::new();
                    put_trailers(&mut out, &frame.into_trailers().unwrap_or_default());
                    out.freeze()
                }
            };
        }
        let length = if this.is_text { this.rest.len().min(PIECE) } else { this.rest.len() };
        let piece = this.rest.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(written(piece, this.is_text)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }
}

/// The body of a request that is text.
pub(super) struct TextBody<B> {
    body: B,
    /// The beginning of a quad that is not complete.
    begun: Vec<u8>,
}

impl<B> TextBody<B> {
    pub(super) fn new(body: B) -> Self {
        Self { body, begun: Vec::new() }
    }

    /// The bytes of the quads that are complete.
    fn decoded(&mut self, text: &[u8]) -> Result<Bytes, NotBase64> {
        self.begun.extend_from_slice(text);
        let whole = self.begun.len() - self.begun.len() % QUAD;
        let mut bytes = Vec::with_capacity(whole / QUAD * 3);
        let mut rest = &self.begun[..whole];
        while !rest.is_empty() {
            // Padding may end any quad: whoever writes pads what it has.
            let padded = rest.chunks(QUAD).position(|quad| quad.contains(&b'='));
            let (part, behind) = rest.split_at(padded.map_or(rest.len(), |quad| (quad + 1) * QUAD));
            STANDARD.decode_vec(part, &mut bytes).map_err(|_| NotBase64)?;
            rest = behind;
        }
        self.begun.drain(..whole);
        Ok(bytes.into())
    }
}

impl<B: RequestBody> Body for TextBody<B> {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        loop {
            let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(cx)) else {
                let is_whole = this.begun.is_empty();
                this.begun = Vec::new();
                return Poll::Ready((!is_whole).then(|| Err(NotBase64.into())));
            };
            let frame = frame.map_err(Into::into)?;
            // Requests have no trailers here.
            let Ok(text) = frame.into_data() else { continue };
            let data = this.decoded(&text)?;
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.begun.is_empty() && self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    /// A body in pieces.
    struct Pieces(Vec<Bytes>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
            let next = if self.0.is_empty() { None } else { Some(self.0.remove(0)) };
            Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
        }
    }

    #[tokio::test]
    async fn grpc_web_text_is_decoded_in_pieces_of_any_size_and_with_padding_anywhere() {
        for (text, expected) in [
            ("", Some("")),
            ("YWJj", Some("abc")),
            ("YQ==", Some("a")),
            ("YQ==YmM=ZGVm", Some("abcdef")),
            ("YWJjZA==", Some("abcd")),
            ("YWJ", None),
            ("YWJjZ", None),
            ("YWJj\n", None),
            ("Y=Jj", None),
            ("YW-_", None),
            ("YR==", None),
            ("====", None),
        ] {
            for size in 1..=text.len().max(1) {
                let pieces = text.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
                let decoded = TextBody::new(Pieces(pieces)).collect().await;
                let decoded = decoded.ok().map(|body| body.to_bytes());
                assert_eq!(decoded.as_deref(), expected.map(str::as_bytes), "{text:?}, {size} characters at a time");
            }
        }
    }
}
