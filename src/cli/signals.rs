//! Handles SIGHUP, SIGTERM, SIGINT and SIGUSR1.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::format::problem::Problem;
use crate::observe::access::AccessLog;
use crate::server::{Phase, Stop};

/// A receiver that gets an item for each SIGHUP. From here on the signal is caught; by default it would end the
/// process.
pub(super) fn reload_signal() -> Result<mpsc::Receiver<()>, Vec<Problem>> {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        return Err(vec![Problem::new("cannot listen for SIGHUP")]);
    };
    let (asking, asked) = mpsc::channel(1);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            // A reload that is already requested covers this signal too.
            let _ = asking.try_send(());
        }
    });
    Ok(asked)
}

/// Reopens the access log file on SIGUSR1, as log rotators ask, and on SIGHUP.
pub(super) fn reopen(access: AccessLog) -> Result<(), Vec<Problem>> {
    let signals = (signal(SignalKind::user_defined1()), signal(SignalKind::hangup()));
    let (Ok(mut user), Ok(mut hangup)) = signals else {
        return Err(vec![Problem::new("cannot listen for SIGUSR1 and SIGHUP")]);
    };
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(()) = user.recv() => {}
                Some(()) = hangup.recv() => {}
                else => return,
            }
            access.reopen();
        }
    });
    Ok(())
}

/// A stop that SIGTERM or SIGINT begins. SIGINT skips the notice, since nobody at a terminal wants to wait. Each
/// further signal moves the shutdown on by one phase. Both are caught from here on, so that the gateway can be stopped
/// in order as soon as it says that it listens.
pub(super) fn stop_by_signals() -> Result<Stop, Vec<Problem>> {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
        return Err(vec![Problem::new("cannot listen for SIGTERM and SIGINT")]);
    };
    let stop = Stop::default();
    let stopping = stop.clone();
    tokio::spawn(async move {
        loop {
            let least = tokio::select! {
                _ = terminate.recv() => Phase::Notice,
                _ = interrupt.recv() => Phase::Draining,
            };
            stopping.raise(stopping.phase().next().max(least));
        }
    });
    Ok(stop)
}
