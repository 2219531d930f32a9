//! `towbar check`: does everything that a start of `serve` does, without serving.

use std::process::ExitCode;

use super::outcome::Outcome;
use super::runtime::runtime;
use super::settings::Settings;

pub(super) fn run(settings: &Settings) -> Outcome {
    let app = runtime()?.block_on(settings.source().start()).app?;
    app.warnings().iter().chain(&app.risks()).for_each(|warning| eprintln!("warning: {warning}"));
    app.upstreams().iter().chain(&app.notes()).for_each(|line| println!("{line}"));
    println!("no problems found");
    Ok(ExitCode::SUCCESS)
}
