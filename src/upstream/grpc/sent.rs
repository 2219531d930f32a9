//! A call that is out: what it has of its connection until the reply has come, or until it is given up.
//!
//! A call whose caller goes away is dropped wherever it stands. Its stream is reset then, so the backend learns that nobody waits any
//! more; but after too many resets servers end the connection, with the calls of others. What would be one too many goes on until it
//! ends by itself, has its [turn](Resets) or is late, in its place among the calls in flight.

use std::sync::Arc;

use h2::RecvStream;
use h2::client::ResponseFuture;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

use super::attempt::{AttemptError, CallProgress};
use super::lease::Lease;
use super::limit::Permit;
use super::reply::{Collecting, Reply, check_head};
use super::resets::Resets;
use crate::limits::memory::Share;

/// A call of one message that is out.
pub(crate) struct Sent<'a> {
    /// Until it is over.
    held: Option<InFlight>,
    permit: &'a mut Option<Permit>,
    resets: &'a Arc<Resets>,
    deadline: Instant,
}

struct InFlight {
    response: ResponseFuture,
    body: Option<RecvStream>,
    lease: Lease,
}

impl<'a> Sent<'a> {
    pub(crate) fn new(
        (lease, response): (Lease, ResponseFuture),
        permit: &'a mut Option<Permit>,
        resets: &'a Arc<Resets>,
        deadline: Instant,
    ) -> Self {
        Self { held: Some(InFlight { response, body: None, lease }), permit, resets, deadline }
    }

    /// Waits for the reply, of a message of at most `limit` bytes, and notes how far the call has come.
    pub(crate) async fn reply(
        &mut self,
        limit: usize,
        memory: &Share,
        progress: &CallProgress,
    ) -> Result<Reply, AttemptError> {
        let held = self.held.as_mut().expect("it is over only once there is a reply");
        if held.lease.is_crowded {
            progress.wait();
            held.lease.turn().await;
        }
        progress.go_out();
        let replied = held.reply(limit, memory, progress).await;
        self.held = None;
        replied
    }
}

impl InFlight {
    async fn reply(&mut self, limit: usize, memory: &Share, progress: &CallProgress) -> Result<Reply, AttemptError> {
        let Self { response, body, lease } = self;
        let stream = response.stream_id();
        // What has its own scope takes no place in the future behind it.
        let (metadata, body) = {
            let (head, incoming) = response.await.map_err(|error| lease.failed(&error, stream))?.into_parts();
            progress.hear();
            let (foreign, body) = (check_head(head.status, &head.headers)?, body.insert(incoming));
            if let Some(foreign) = foreign {
                // Boxed, or every call would have the memory for it.
                return Err(Box::pin(foreign.error(body, head.headers)).await.into());
            }
            (head.headers, body)
        };
        let mut collecting = Collecting::new(limit, memory);
        let trailers = collecting.read(body).await?.map_err(|error| lease.broken(&error))?;
        Ok(collecting.end(metadata, trailers)?)
    }

    /// Ready when the backend has ended the call.
    async fn ended(&mut self) {
        let Self { response, body, .. } = self;
        let body = match body {
            Some(body) => body,
            None => match response.await {
                Ok(answer) => body.insert(answer.into_body()),
                Err(_) => return,
            },
        };
        while let Some(Ok(data)) = body.data().await {
            // What fails here ends the body.
            let _ = body.flow_control().release_capacity(data.len());
        }
    }
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        let Some(mut held) = self.held.take() else { return };
        // At its deadline the backend ends it itself, and nothing holds a place for longer.
        let deadline = self.deadline;
        if Instant::now() >= deadline || self.resets.take() {
            return;
        }
        // Without a runtime the gateway is at its end, and all its connections with it.
        let Ok(runtime) = Handle::try_current() else { return };
        let (permit, resets) = (self.permit.take(), self.resets.clone());
        drop(runtime.spawn(async move {
            tokio::select! {
                () = held.ended() => {}
                () = resets.taken() => {}
                () = sleep_until(deadline) => {}
            }
            drop(permit);
        }));
    }
}
