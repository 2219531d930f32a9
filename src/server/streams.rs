//! The answers of one HTTP/2 connection, each limited in how long its caller may leave it unread.
//!
//! While a caller grants no flow-control window, hyper waits for it, and polls neither the body of the answer nor a
//! timer. But hyper hands the future of each stream to this executor, right after it has called the service for it. The
//! executor watches how fast the body is read, and drops the future if that is too slow. Then the stream is reset, what
//! it holds is freed, and the other streams continue.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;

use super::pace::{Pace, Taken};
use super::patience::InFlight;
use crate::limits::memory::{Account, Share};

/// How much of a body is handed to hyper at one time, because nothing can be taken back from hyper. It is the length of
/// a frame.
const PIECE: usize = 16 << 10;
/// The last byte of a longer body is handed out separately, so that hyper does not have all of it before the caller has
/// read what comes before.
const SMALL: usize = 4 << 10;
/// The bytes that an answer of unknown length counts as: the memory of a streaming call.
const UNKNOWN: usize = 320 << 10;

/// The executor for the streams of one connection.
#[derive(Clone)]
pub(super) struct Streams(Arc<Shared>);

struct Shared {
    memory: Share,
    account: Arc<Account>,
    /// The stream for which the service was called last, until its future arrives.
    begun: Mutex<Option<Arc<Taking>>>,
}

/// How much of the body of one answer was read.
#[derive(Default)]
pub(super) struct Taking {
    bytes: AtomicUsize,
    /// How many bytes of memory the answer holds.
    held: AtomicUsize,
    /// Whether a piece was handed out that the caller has not read yet.
    waits: AtomicBool,
}

impl Streams {
    pub(super) fn new(memory: &Share, account: &Arc<Account>) -> Self {
        Self(Arc::new(Shared { memory: memory.clone(), account: account.clone(), begun: Mutex::new(None) }))
    }

    /// Registers the stream whose future comes next.
    pub(super) fn begin(&self) -> Arc<Taking> {
        let taking = Arc::new(Taking::default());
        *self.0.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(taking.clone());
        taking
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let begun = self.0.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        match begun {
            Some(taking) => {
                // Boxed, because otherwise the async block would hold its argument twice.
                let stream = Box::pin(stream);
                tokio::spawn(watched(stream, taking, self.0.clone()))
            }
            None => tokio::spawn(stream),
        };
    }
}

/// Runs a stream to its end, or until its caller is too slow.
async fn watched(mut stream: Pin<Box<impl Future<Output = ()>>>, taking: Arc<Taking>, shared: Arc<Shared>) {
    let mut pace: Option<Pace> = None;
    let ended = std::future::poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        let waits = taking.waits.load(Ordering::Relaxed);
        if pace.is_none() && !waits {
            return Poll::Pending;
        }
        let (bytes, held) = (taking.bytes.load(Ordering::Relaxed), taking.held.load(Ordering::Relaxed));
        let taken = Taken { bytes, waits, held, memory: &shared.memory, account: Some(&shared.account) };
        pace.get_or_insert_with(|| Pace::new(bytes)).poll(cx, taken).map(Some)
    });
    if let Some(slow) = pin!(ended).await {
        tracing::debug!(?slow, "ended an answer early, because its caller does not read it");
    }
}

/// The body of an answer. Its call counts as in flight until the body is dropped.
pub(super) struct Held<B> {
    body: B,
    /// Bytes of the body that were not handed out yet.
    rest: Bytes,
    /// How many bytes were handed out last.
    out: usize,
    /// Set over HTTP/2.
    taking: Option<Arc<Taking>>,
    _call: InFlight,
}

impl<B> Held<B> {
    pub(super) fn new(body: B, call: InFlight, taking: Option<Arc<Taking>>) -> Self {
        Self { body, rest: Bytes::new(), out: 0, taking, _call: call }
    }
}

impl<B: Body + Unpin> Body for Held<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let whole = |mut data: B::Data| data.copy_to_bytes(data.remaining());
        let Self { body, rest, out, taking, .. } = &mut *self;
        let Some(taking) = taking else {
            return Pin::new(body).poll_frame(cx).map_ok(|frame| frame.map_data(whole));
        };
        // hyper asks for more, so what was handed out has been read.
        taking.waits.store(false, Ordering::Relaxed);
        taking.bytes.fetch_add(std::mem::take(out), Ordering::Relaxed);
        if rest.is_empty() {
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => *rest = whole(data),
                    Err(frame) => return Poll::Ready(Some(Ok(frame.map_data(whole)))),
                },
                other => return other.map_ok(|frame| frame.map_data(whole)),
            }
            let held = if body.is_end_stream() { rest.len() } else { rest.len().max(UNKNOWN) };
            taking.held.store(held, Ordering::Relaxed);
        }
        let length = match rest.len() {
            length if length <= SMALL => length,
            length => PIECE.min(length - 1),
        };
        let piece = rest.split_to(length);
        *out = length;
        taking.waits.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, mut hint) = (self.rest.len() as u64, self.body.size_hint());
        match hint.exact() {
            Some(exact) => SizeHint::with_exact(exact + rest),
            None => {
                if let Some(upper) = hint.upper() {
                    hint.set_upper(upper + rest);
                }
                hint.set_lower(hint.lower() + rest);
                hint
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use h2::client::SendRequest;
    use http::{Request, Response};
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::time::timeout;

    use super::*;
    use crate::gateway::answer;
    use crate::limits::memory::{Budget, Use};
    use crate::server::patience::Progress;

    const LENGTH: usize = 100_000;

    /// A body that never has data.
    struct Silent;

    impl Body for Silent {
        type Data = Bytes;
        type Error = answer::Cut;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, answer::Cut>>> {
            Poll::Pending
        }
    }

    fn made(length: usize) -> Vec<u8> {
        (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect()
    }

    /// A connection on which `/LENGTH` has a body of that many bytes, `/silent` has none yet, and `/held` also holds
    /// memory.
    async fn connection(share: &Share, window: u32) -> SendRequest<Bytes> {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let account = share.account(None, 100);
        let (progress, streams) = (Arc::new(Progress::default()), Streams::new(share, &account));
        let (share, executor) = (share.clone(), streams.clone());
        let service = service_fn(move |request: Request<hyper::body::Incoming>| {
            let (call, taking) = (Progress::begin(&progress), streams.begin());
            let path = request.uri().path().trim_start_matches('/').to_owned();
            let charge = share.take_for(Some(&account), 8 << 20, Use::Answer);
            let body = match path.as_str() {
                "silent" => answer::Body::Parts(Box::pin(Silent)),
                "held" => answer::Body::Whole(charge.unwrap().carry(made(LENGTH).into())),
                length => answer::Body::Whole(made(length.parse().unwrap()).into()),
            };
            async move { Ok::<_, Infallible>(Response::new(Held::new(body, call, Some(taking)))) }
        });
        let builder = hyper::server::conn::http2::Builder::new(executor);
        tokio::spawn(builder.serve_connection(TokioIo::new(theirs), service));
        let mut client = h2::client::Builder::new();
        client.initial_window_size(window);
        let (send, connection) = client.handshake(ours).await.unwrap();
        tokio::spawn(connection);
        send
    }

    async fn get(send: &SendRequest<Bytes>, path: &str) -> h2::RecvStream {
        let request = Request::get(format!("http://x/{path}")).body(()).unwrap();
        let (response, _) = send.clone().ready().await.unwrap().send_request(request, true).unwrap();
        response.await.unwrap().into_body()
    }

    async fn reset(body: &mut h2::RecvStream) -> Option<h2::Reason> {
        loop {
            match body.data().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return error.reason(),
                None => return None,
            }
        }
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn a_response_body_of_any_length_arrives_unchanged() {
        run(async {
            let send = connection(&Share::unbounded(), 65_535).await;
            for length in
                [0, 1, SMALL, SMALL + 1, PIECE - 1, PIECE, PIECE + 1, PIECE + 2, PIECE + SMALL + 1, 5 * LENGTH]
            {
                let mut body = get(&send, &length.to_string()).await;
                let mut came = Vec::new();
                while let Some(data) = body.data().await {
                    let data = data.unwrap();
                    body.flow_control().release_capacity(data.len()).unwrap();
                    came.extend_from_slice(&data);
                }
                assert!(came == made(length), "{length}");
            }
        });
    }

    #[test]
    fn a_response_blocked_by_flow_control_is_reset_and_other_streams_go_on() {
        let test = |window| {
            run(async move {
                let budget = Budget::new(256 << 20);
                let send = connection(&budget.share(), window).await;
                let mut silent = get(&send, "silent").await;
                let mut stalled = get(&send, "held").await;
                assert!(budget.used() >= 8 << 20);
                assert_eq!(reset(&mut stalled).await, Some(h2::Reason::CANCEL), "{window}");
                assert!(budget.used() < 8 << 20, "{window}");
                // A stream that has nothing to say is not stalled.
                assert!(timeout(Duration::from_secs(2), silent.data()).await.is_err(), "{window}");
                assert_eq!(get(&send, "0").await.data().await.map(|data| data.unwrap().len()), None);
            });
        };
        std::thread::scope(|scope| [0, 1, 5, 20_000].map(|window| scope.spawn(move || test(window))).map(drop));
    }

    #[test]
    fn stalled_responses_of_a_connection_above_its_memory_share_are_reset() {
        run(async {
            // With 64 MiB, a connection may hold 8 MiB.
            let budget = Budget::new(64 << 20);
            let send = connection(&budget.share(), 0).await;
            let mut bodies = Vec::new();
            for _ in 0..3 {
                bodies.push(get(&send, "held").await);
            }
            assert!(budget.used() >= 24 << 20);
            // Long before the time in which something must be read.
            let most = Duration::from_secs(1);
            assert_eq!(timeout(most, reset(&mut bodies[0])).await, Ok(Some(h2::Reason::CANCEL)));
            assert_eq!(timeout(most, reset(&mut bodies[1])).await, Ok(Some(h2::Reason::CANCEL)));
            assert!(budget.used() < 16 << 20);
        });
    }
}
