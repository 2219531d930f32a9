//! `towbar serve` and `towbar check`: the same start, with and without serving.

use std::path::Path;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{Outcome, Settings, log};
use crate::app::admin::Admin;
use crate::app::reload::{Reloading, Source, Start};
use crate::app::{App, Bound};
use crate::format::problem::Problem;
use crate::observe::metrics::Metrics;
use crate::server::{Phase, Stop};

pub(super) fn serve(settings: &Settings) -> Outcome {
    let log = log::to_stderr();
    runtime()?.block_on(async {
        tokio::spawn(log::tell_what_is_lost(log.lost()));
        let (stop, asked) = (stop_by_signals()?, reload_signal()?);
        let source = source(settings);
        let Start { app, watched } = source.start().await;
        let live = app?;
        live.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
        live.notes().iter().for_each(|line| tracing::info!("{line}"));
        let (bound, admin) = bind(&live).await?;
        println!("{}", bound.summary);
        let metrics = Arc::new(Metrics::new());
        let bound = bound.counted_by(&metrics);
        let reloading = Reloading::new(source, live, watched, bound.handover(), metrics.clone());
        if let Some(admin) = admin {
            println!("metrics on http://{}/metrics", admin.address);
            tokio::spawn(admin.serve(metrics, stop.clone()));
        }
        tokio::select! {
            served = bound.serve(&stop) => served.map_err(|problem| vec![problem]),
            () = reloading.run(asked) => Ok(()),
        }
    })
}

/// Takes every port, or says which cannot be had.
async fn bind(app: &App) -> Result<(Bound, Option<Admin>), Vec<Problem>> {
    let bound = app.bind().await;
    let admin = match app.admin_address() {
        Some(address) => Admin::bind(address).await.map(Some),
        None => Ok(None),
    };
    match (bound, admin) {
        (Ok(bound), Ok(admin)) => Ok((bound, admin)),
        (bound, admin) => Err(bound.err().into_iter().chain(admin.err()).collect()),
    }
}

pub(super) fn check(settings: &Settings) -> Outcome {
    let app = runtime()?.block_on(source(settings).start()).app?;
    app.warnings().iter().for_each(|warning| eprintln!("warning: {warning}"));
    app.upstreams().iter().chain(&app.notes()).for_each(|line| println!("{line}"));
    println!("all is well");
    Ok(())
}

fn source(settings: &Settings) -> Source {
    Source { file: settings.file().map(Path::to_path_buf), overrides: settings.overrides() }
}

/// Something whenever SIGHUP comes. It is caught from here on: by default it would end the process.
fn reload_signal() -> Result<mpsc::Receiver<()>, Vec<Problem>> {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        return Err(vec![Problem::new("cannot listen for SIGHUP")]);
    };
    let (asking, asked) = mpsc::channel(1);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            // One that waits already stands for this one too.
            let _ = asking.try_send(());
        }
    });
    Ok(asked)
}

/// A stop that begins with SIGTERM, or with SIGINT and then without a notice, as nobody at a terminal wants to wait; each signal
/// more takes it one phase on. They are caught from here on: whoever has read what is served may stop it.
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

/// For what is not a call: calls have threads of their own.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Vec<Problem>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| vec![Problem::new(error)])
}
