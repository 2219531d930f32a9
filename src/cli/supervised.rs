//! Tells systemd how the service is doing (sd_notify(3)). Where nobody asked for it, nothing happens.

use sd_notify::NotifyState;

use crate::server::{Phase, Stop};

/// Tells that the service is ready to serve, and when `stop` begins that it stops.
pub(super) fn tell(stop: &Stop) {
    notify(NotifyState::Ready);
    let stop = stop.clone();
    tokio::spawn(async move {
        stop.reached(Phase::Notice).await;
        notify(NotifyState::Stopping);
    });
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "cannot tell systemd the state of the service (NOTIFY_SOCKET)");
    }
}
