//! `towbar routes`: prints the table of routes.

use std::process::ExitCode;

use super::loaded::Loaded;
use super::outcome::Outcome;
use super::settings::Settings;
use crate::route::{BodyRule, Route};

const HEADER: [&str; 6] = ["METHOD", "PATH", "RPC", "UPSTREAM", "BODY", "QUERY KEYS"];
/// The index of the column that is shown only if there are several upstreams.
const UPSTREAM: usize = 3;

pub(super) fn run(settings: &Settings) -> Outcome {
    let Loaded { config, routes, .. } = Loaded::new(settings)?;
    let name = |route: &Route| config.upstreams.get(route.rpc.upstream).map(|upstream| upstream.name.clone());
    let mut rows = vec![HEADER.map(str::to_owned).to_vec()];
    rows.extend(routes.all().iter().map(|route| row(route, name(route).unwrap_or_default())));
    if config.upstreams.is_empty() {
        rows.iter_mut().for_each(|row| drop(row.remove(UPSTREAM)));
    }
    print_table(&rows);
    Ok(ExitCode::SUCCESS)
}

fn print_table(rows: &[Vec<String>]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let last = rows[0].len() - 1;
    let widths: Vec<usize> = (0..last).map(width).collect();
    for row in rows {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
        println!("{}{}", padded.collect::<String>(), row[last]);
    }
}

fn row(route: &Route, upstream: String) -> Vec<String> {
    let path = route.template.split('?').next().unwrap_or_default().to_owned();
    let body = match &route.body {
        BodyRule::None if route.rpc.policy.accept_body => "* (accepted)".to_owned(),
        BodyRule::None => "-".to_owned(),
        BodyRule::Whole => "*".to_owned(),
        BodyRule::Field(path) => path.to_string(),
    };
    let keys: Vec<&str> = route.declared_keys().collect();
    let keys = if keys.is_empty() { "-".to_owned() } else { keys.join(" ") };
    vec![route.method.clone(), path, route.rpc.name.clone(), upstream, body, keys]
}
