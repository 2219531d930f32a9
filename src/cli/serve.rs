//! `towbar serve`: starts, then serves until a signal ends it.

use std::process::ExitCode;
use std::sync::Arc;

use super::outcome::Outcome;
use super::runtime::runtime;
use super::settings::Settings;
use super::{log, signals, supervised};
use crate::app::admin::{Admin, Gauges, Live, Pages};
use crate::app::reload::{Operator, Reloading, Start};
use crate::app::{App, Bound, TraceExport};
use crate::format::problem::Problem;
use crate::observe::access;
use crate::observe::metrics::Metrics;

pub(super) fn run(settings: &Settings) -> Outcome {
    let log = log::to_stderr();
    runtime()?.block_on(async {
        tokio::spawn(log::tell_what_is_lost(log.lost()));
        let (stop, asked) = (signals::stop_by_signals()?, signals::reload_signal()?);
        let source = settings.source();
        let Start { app, watched } = source.start().await;
        let app = app?;
        let access = app.access_log().cloned().map(access::start).transpose().map_err(|problem| vec![problem])?;
        let (access, _writing) = access.unzip();
        if let Some(access) = &access {
            signals::reopen(access.clone())?;
        }
        let metrics = Arc::new(Metrics::new());
        // Without the admin listener nobody could read these metrics.
        let requests = app.admin_address().is_some().then(|| metrics.requests());
        let exporting = TraceExport::start();
        let live = app.observed_by(access.clone(), requests, Some(exporting.export()));
        live.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
        live.notes().iter().for_each(|line| tracing::info!("{line}"));
        let (bound, admin) = bind(&live).await?;
        println!("{}", bound.summary);
        let shown = Arc::new(Live::new(live.snapshot()));
        let (memory, spans) = (bound.memory(), exporting.queue());
        metrics.read_from(Arc::new(Gauges { live: shown.clone(), memory, access, spans }));
        let bound = bound.counted_by(&metrics);
        let operator = Operator { metrics: metrics.clone(), live: shown.clone() };
        let reloading = Reloading::new(source, live, watched, bound.handover(), operator);
        if let Some(admin) = admin {
            println!("metrics on http://{}/metrics", admin.address);
            let pages = Pages { metrics, stop: stop.clone(), live: shown, log: log.filter() };
            tokio::spawn(admin.serve(pages));
        }
        supervised::tell(&stop);
        tokio::select! {
            served = bound.serve(&stop) => served.map_err(|problem| vec![problem])?,
            () = reloading.run(asked) => {}
        }
        exporting.finish().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Binds every listener, or reports those that cannot be bound.
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
