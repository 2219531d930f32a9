//! A call that was sent: what it holds of its connection until the reply has arrived or the call is abandoned.
//!
//! If its caller goes away, a call is dropped at any point. Its stream is then reset, so that the backend learns that
//! nobody waits. But servers end a connection after too many resets, together with the calls of others. A call that
//! would be one reset too many continues, and keeps its permit, until it ends by itself, a [reset](Resets) is allowed
//! or its deadline passes.

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

/// A unary call that was sent.
pub(crate) struct Sent<'a> {
    /// The call on its connection; `None` once it is over.
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

    /// Waits for the reply, of at most `limit` bytes, and notes the progress of the call.
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
        // The inner scope keeps its values out of the rest of the future.
        let (metadata, body) = {
            let (head, incoming) = response.await.map_err(|error| lease.failed(&error, stream))?.into_parts();
            progress.hear();
            let (foreign, body) = (check_head(head.status, &head.headers)?, body.insert(incoming));
            if let Some(foreign) = foreign {
                // Boxed, because otherwise the future of every call would reserve memory for it.
                return Err(Box::pin(foreign.error(body, head.headers)).await.into());
            }
            (head.headers, body)
        };
        let mut collecting = Collecting::new(limit, memory);
        let trailers = collecting.read(body).await?.map_err(|error| lease.broken(&error))?;
        Ok(collecting.end(metadata, trailers)?)
    }

    /// Completes when the backend has ended the call.
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
            // If this fails, the body ends.
            let _ = body.flow_control().release_capacity(data.len());
        }
    }
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        let Some(mut held) = self.held.take() else { return };
        // At its deadline the backend ends the call itself, so nothing needs to hold a permit for longer.
        let deadline = self.deadline;
        if Instant::now() >= deadline || self.resets.take() {
            return;
        }
        // Without a runtime the gateway is shutting down, and its connections with it.
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
