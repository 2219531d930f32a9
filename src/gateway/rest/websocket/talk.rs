//! One call over one WebSocket, from its handshake to the end of the connection.
//!
//! At most two frames of the caller and one message of the backend are held: one frame waits while the other is sent to
//! the backend. So a slow backend slows the caller down, and a slow caller the backend.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};
use tonic::Code;

use super::socket::{Event, Socket};
use crate::codec::DecodeError;
use crate::format::json::SplitError;
use crate::gateway::error::{CallContext, Exposure, Reason, Refusal, Timer, code_name};
use crate::gateway::exchange::Exchange;
use crate::gateway::rest::stream::{Converted, Converting, Failure, Item, OnlyMessage, StreamingCall};
use crate::limits::offload::LONG;
use crate::route::{Query, Route};
use crate::schema::Schema;
use crate::server::{Ending, Switched};

/// How long a caller that shows no sign of life may take to receive the end and to confirm it.
const PATIENCE: Duration = Duration::from_secs(5);

/// RFC 6455, section 7.4.2: close codes from 4000 on are free for applications. The gRPC code is added to this number.
const FAILED: u16 = 4000;

/// The last frame of a successful call.
const OK: &str = r#"{"status":{"code":0}}"#;

/// A call that is open at the backend.
pub struct Opened {
    /// Both directions of the call.
    pub streaming: StreamingCall,
    /// Where the caller's messages go; `None` if path and query define the whole message.
    pub messages: Option<mpsc::Sender<Item>>,
    pub route: Arc<Route>,
    /// The types of error details.
    pub schema: Arc<Schema>,
    /// The parsed query.
    pub query: Query,
    /// The deadline of the call.
    pub deadline: Instant,
    /// The timeout behind the deadline, and who set it.
    pub timer: Timer,
    /// Which parts of the backend's status callers may see.
    pub exposure: Exposure,
    /// A caller that shows no sign of life for this long gets a ping. It must answer within the same time.
    pub keep_alive: Duration,
    /// The largest message of the caller, in bytes.
    pub limit: usize,
    /// The record of the request, which ends with the connection.
    pub(crate) exchange: Exchange,
    /// While this is held, a gateway that stops waits a moment for the last frames.
    pub ending: Ending,
}

/// What happens to the caller's messages.
enum Request {
    /// They are sent to the backend.
    Open(mpsc::Sender<Item>),
    /// No more messages are expected.
    Ended,
    /// They are dropped: the backend has stopped reading, or the call is about to end.
    Ignored,
}

/// How a call ends.
enum End {
    /// The caller has closed the WebSocket.
    Left,
    /// The caller has disconnected.
    Gone,
    /// The gateway sends this last frame and closes the WebSocket.
    Told { last: String, code: CloseCode, name: &'static str },
}

/// Carries messages between the call and the connection until one of them ends, then closes the connection.
pub async fn talk(opened: Opened, switched: Switched) {
    let mut socket = Socket::new(switched, opened.limit).await;
    let (latest, ending) = (opened.deadline, opened.ending.clone());
    let mut talk = Talk::new(opened);
    let end = talk.run(&mut socket).await;
    let is_deaf = talk.is_deaf;
    // The backend's resources for the call are released before the caller has received the end.
    drop(talk);
    close((socket, ending), end, is_deaf, latest).await;
}

struct Talk {
    opened: Opened,
    request: Request,
    /// The message of an rpc with a single reply, until the end shows that it is the only one.
    only: OnlyMessage,
    /// A long message of the backend that is being converted to JSON.
    converting: Option<Converting>,
    /// Whether the message that is being converted is the last one.
    is_last: bool,
    /// The close code, if nothing more can be read from the caller.
    fault: Option<CloseCode>,
    is_deaf: bool,
}

impl Talk {
    fn new(mut opened: Opened) -> Self {
        let request = opened.messages.take().map_or(Request::Ended, Request::Open);
        let (converting, fault) = (None, None);
        Self { opened, request, only: OnlyMessage::default(), converting, is_last: false, fault, is_deaf: false }
    }

    async fn run(&mut self, socket: &mut Socket) -> End {
        let keep_alive = self.opened.keep_alive;
        let late = sleep_until(self.opened.deadline);
        let idle = sleep(keep_alive);
        tokio::pin!(late, idle);
        // Since when the caller has shown no sign of life, and whether it was sent a ping.
        let (mut since, mut is_asked) = (Instant::now(), false);
        loop {
            let reads = self.reads();
            let Self { opened: Opened { streaming, .. }, request, converting, .. } = self;
            let end = tokio::select! {
                biased;
                () = &mut late => self.late(),
                converted = done(converting), if converting.is_some() => self.converted(socket, converted),
                message = streaming.message(), if socket.has_room() && converting.is_none() => self.reply(socket, message),
                event = poll_fn(|cx| socket.poll(cx, reads)) => self.event(event),
                is_open = room(request), if !reads => {
                    if !is_open {
                        self.request = Request::Ignored;
                    }
                    None
                }
                () = &mut idle => {
                    // A caller whose data is not read cannot show a sign of life.
                    if reads && socket.sign() <= since && is_asked {
                        tracing::debug!(rpc = self.opened.route.rpc.name, "the client of a WebSocket does not answer pings");
                        return End::Gone;
                    }
                    (since, is_asked) = (socket.sign().max(since), false);
                    if !reads || since.elapsed() >= keep_alive {
                        socket.put(Message::Ping(Bytes::new()));
                        (since, is_asked) = (Instant::now(), reads);
                    }
                    idle.as_mut().reset(since + keep_alive);
                    None
                }
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    fn late(&mut self) -> Option<End> {
        // A unary request needs its message before the backend can do anything, so its absence is the caller's timeout.
        if matches!(self.request, Request::Open(_)) && !self.opened.route.rpc.streaming.client {
            let message = format!("no message arrived within {}", self.opened.timer);
            return self.refused(Refusal::new(Reason::BodyTimeout, message));
        }
        let late = self.opened.streaming.late();
        self.failed(late)
    }

    /// Whether there is room for another message of the caller.
    fn reads(&self) -> bool {
        match &self.request {
            _ if self.is_deaf => false,
            Request::Open(messages) => messages.capacity() > 0,
            Request::Ended | Request::Ignored => true,
        }
    }

    fn event(&mut self, event: Event) -> Option<End> {
        match event {
            Event::Message(message) => self.take(message),
            Event::Broken(error) => self.broken(&error),
            Event::Gone => Some(End::Gone),
            Event::Sent => None,
        }
    }

    fn take(&mut self, message: Message) -> Option<End> {
        let is_raw = self.opened.route.is_raw_request;
        match message {
            Message::Close(_) => Some(End::Left),
            // An empty text frame cannot be JSON, so it marks the end of the messages.
            Message::Text(text) if text.is_empty() => {
                self.no_more();
                None
            }
            Message::Text(text) if !is_raw => self.pass(text.into()),
            Message::Binary(data) if is_raw => self.pass(data),
            Message::Text(_) => self.wrong(
                Reason::InvalidWebSocketMessage,
                "expected binary frames, and an empty text frame as the last one, got a text frame",
            ),
            Message::Binary(_) => {
                self.wrong(Reason::InvalidWebSocketMessage, "expected text frames with JSON, got a binary frame")
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => None,
        }
    }

    fn no_more(&mut self) {
        if let Request::Open(messages) = &self.request {
            let sent = messages.try_send(Item::End);
            self.request = if sent.is_ok() { Request::Ended } else { Request::Ignored };
        }
    }

    fn pass(&mut self, message: Bytes) -> Option<End> {
        match &self.request {
            Request::Open(messages) => {
                if messages.try_send(Item::Message(message)).is_err() {
                    self.request = Request::Ignored;
                } else if !self.opened.route.rpc.streaming.client {
                    self.request = Request::Ended;
                }
                None
            }
            Request::Ended => self.refused(Refusal::new(
                Reason::InvalidWebSocketMessage,
                "the call takes no more messages, but another one arrived",
            )),
            Request::Ignored => None,
        }
    }

    fn wrong(&mut self, reason: Reason, message: &str) -> Option<End> {
        let refusal = Refusal::new(reason, message);
        match std::mem::replace(&mut self.request, Request::Ignored) {
            Request::Open(messages) => {
                // The error is queued behind the valid messages.
                let _ = messages.try_send(Item::Wrong(Box::new(refusal)));
                None
            }
            Request::Ended => self.refused(refusal),
            Request::Ignored => None,
        }
    }

    fn broken(&mut self, error: &Error) -> Option<End> {
        let mut reason = Reason::InvalidWebSocketMessage;
        let (fault, message) = match error {
            Error::Capacity(_) => {
                reason = Reason::MessageTooLarge;
                (CloseCode::Size, SplitError::TooLarge { limit: self.opened.limit }.to_string())
            }
            Error::Utf8(_) => (CloseCode::Invalid, "a text frame is not valid UTF-8".to_owned()),
            error => {
                tracing::debug!(rpc = self.opened.route.rpc.name, %error, "the client of a WebSocket violates the protocol");
                (CloseCode::Protocol, "the WebSocket frames break a rule of RFC 6455".to_owned())
            }
        };
        (self.fault, self.is_deaf) = (Some(fault), true);
        match &self.request {
            Request::Open(_) | Request::Ended => self.wrong(reason, &message),
            Request::Ignored => self.refused(Refusal::new(reason, message)),
        }
    }

    fn reply(&mut self, socket: &mut Socket, message: Result<Option<Bytes>, Failure>) -> Option<End> {
        let is_stream = self.opened.route.rpc.streaming.server;
        match message {
            Ok(Some(message)) if is_stream => self.put(socket, message),
            Ok(None) if is_stream => self.went_well(),
            Ok(came) => match self.only.take(came) {
                Ok(None) => None,
                Ok(Some(message)) => {
                    self.is_last = true;
                    self.put(socket, message)
                }
                Err(failure) => self.failed(failure),
            },
            Err(failure) => self.failed(failure),
        }
    }

    fn put(&mut self, socket: &mut Socket, message: Bytes) -> Option<End> {
        let Opened { route, query, streaming, .. } = &mut self.opened;
        streaming.notes().count();
        let frame = if route.is_raw_reply {
            route.raw_reply(&message, |body| Some(Message::Binary(Bytes::copy_from_slice(body.data))))
        } else if message.len() < LONG {
            route.decode_line(&message, query.system()).map(result)
        } else {
            self.converting = Some(streaming.convert(message, route.clone(), query.system()));
            return None;
        };
        self.put_frame(socket, frame)
    }

    fn converted(&mut self, socket: &mut Socket, converted: Converted) -> Option<End> {
        self.converting = None;
        match self.opened.streaming.converted(converted) {
            Ok(json) => self.put_frame(socket, json.map(result)),
            Err(failure) => self.reply(socket, Err(failure)),
        }
    }

    fn put_frame(&mut self, socket: &mut Socket, frame: Result<Option<Message>, DecodeError>) -> Option<End> {
        let route = &self.opened.route;
        match frame {
            Ok(Some(frame)) => {
                socket.put(frame);
                if self.is_last { self.went_well() } else { None }
            }
            Ok(None) => self.refused(Refusal::internal()),
            Err(error) => {
                tracing::error!(rpc = route.rpc.name, field = error.field, %error, "a message of the backend cannot be decoded");
                self.refused(Refusal::undecodable_message())
            }
        }
    }

    fn went_well(&mut self) -> Option<End> {
        self.opened.streaming.notes().ended(None);
        Some(End::Told { last: OK.to_owned(), code: CloseCode::Normal, name: code_name(Code::Ok) })
    }

    fn failed(&mut self, failure: Failure) -> Option<End> {
        let Opened { schema, route, query, timer, exposure, streaming, .. } = &mut self.opened;
        streaming.notes().ended(failure.call_error());
        let fault = self.fault.filter(|_| matches!(failure, Failure::Request(_)));
        let context = CallContext { schema, route, query, json: None, timer, exposure: *exposure };
        Some(told(&failure.into_refusal(context), fault))
    }

    /// Ends the call because of an error of the caller or of the gateway itself.
    fn refused(&mut self, refusal: Refusal) -> Option<End> {
        self.failed(Failure::Request(Box::new(refusal)))
    }
}

/// A frame with a message as JSON.
fn result(json: Vec<u8>) -> Option<Message> {
    String::from_utf8([&b"{\"result\":"[..], &json, b"}"].concat()).ok().map(Message::from)
}

/// The result of the conversion, if one is running.
async fn done(converting: &mut Option<Converting>) -> Converted {
    match converting {
        Some(converting) => converting.await,
        None => std::future::pending().await,
    }
}

fn told(refusal: &Refusal, fault: Option<CloseCode>) -> End {
    let code = refusal.code();
    let last = format!("{{\"error\":{}}}", refusal.to_status_json());
    End::Told { last, code: fault.unwrap_or(CloseCode::from(FAILED + code as u16)), name: code_name(code) }
}

/// Waits until there is room for another message; false if the backend no longer reads.
async fn room(request: &Request) -> bool {
    match request {
        Request::Open(messages) => messages.reserve().await.is_ok(),
        Request::Ended | Request::Ignored => std::future::pending().await,
    }
}

/// Sends the end to the caller, and waits until it confirms it, as long as it shows that it is reading.
async fn close((mut socket, ending): (Socket, Ending), end: End, mut is_deaf: bool, latest: Instant) {
    match end {
        End::Gone => return,
        End::Left => {}
        End::Told { last, code, name } => {
            socket.put(Message::from(last));
            socket.put(Message::Close(Some(CloseFrame { code, reason: name.into() })));
        }
    }
    let (from, latest) = (Instant::now(), latest.max(Instant::now() + PATIENCE));
    let (mut told, mut ending) = (None, Some(ending));
    loop {
        // Until everything is sent, each sign of life extends the time. After that the caller has [`PATIENCE`] to
        // confirm.
        let until = latest.min(told.unwrap_or(socket.sign().max(from)) + PATIENCE);
        match timeout_at(until, poll_fn(|cx| socket.poll(cx, !is_deaf))).await {
            Ok(Event::Sent) if is_deaf => break,
            Ok(Event::Sent) => {
                drop(ending.take());
                told = told.or(Some(Instant::now()));
            }
            Ok(Event::Message(_)) if Instant::now() < until => {}
            Ok(Event::Broken(_)) => is_deaf = true,
            Ok(Event::Gone) => break,
            Err(_) if told.is_none() && socket.sign().max(from) + PATIENCE > until && until < latest => {}
            Ok(Event::Message(_)) | Err(_) => return,
        }
    }
    socket.shutdown(is_deaf, PATIENCE).await;
}
