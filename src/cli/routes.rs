//! `towbar routes`: what can be called.

use super::{Outcome, Settings};
use crate::app;
use crate::config::{self, Overrides};
use crate::route::{BodyRule, Route};

const HEADER: [&str; 5] = ["METHOD", "PATH", "RPC", "BODY", "QUERY KEYS"];

pub(super) fn print(settings: &Settings) -> Outcome {
    // Only schema and rpcs count here: the sections that say where to listen and whom to call are replaced unread.
    let elsewhere = Some("http://127.0.0.1:1".to_owned());
    let overrides = Overrides { backend: elsewhere, listen: Some("127.0.0.1:0".to_owned()), ..settings.overrides() };
    let (config, mut problems) = config::load(settings.config.as_deref(), &overrides);
    let loaded = if config.schema.is_empty() { Err(Vec::new()) } else { app::routes(&config) };
    let routes = match loaded {
        Ok(routes) if problems.is_empty() => routes,
        loaded => {
            problems.extend(loaded.err().unwrap_or_default());
            return Err(problems);
        }
    };
    let rows: Vec<[String; 5]> = routes.all().iter().map(|route| row(route)).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([HEADER[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..4).map(width).collect();
    print_row(&widths, &HEADER.map(str::to_owned));
    rows.iter().for_each(|row| print_row(&widths, row));
    Ok(())
}

fn row(route: &Route) -> [String; 5] {
    let path = route.template.split('?').next().unwrap_or_default().to_owned();
    let body = match &route.body {
        BodyRule::None if route.accepts_body => "* (accepted)".to_owned(),
        BodyRule::None => "-".to_owned(),
        BodyRule::Whole => "*".to_owned(),
        BodyRule::Field(path) => path.to_string(),
    };
    let keys: Vec<&str> = route.declared_keys().collect();
    let keys = if keys.is_empty() { "-".to_owned() } else { keys.join(" ") };
    [route.method.clone(), path, route.rpc.clone(), body, keys]
}

fn print_row(widths: &[usize], row: &[String; 5]) {
    let padded = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  "));
    println!("{}{}", padded.collect::<String>(), row[4]);
}
