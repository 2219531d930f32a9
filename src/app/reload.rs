//! Everything read anew while it is served: on SIGHUP, and when a file changes.
//!
//! The same start as at the beginning, beside the one that serves: configuration, descriptors, rules and certificates in; a
//! whole new [`App`] out, which all workers take over, or every problem in the log, and nothing changes. Calls in flight end
//! with what they began with. Only the port stays: it is held since the start. What ends soon is told each day anew.

mod files;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::admin::Live;
use super::application::{App, Handover};
use crate::config::{self, Overrides};
use crate::format::problem::Problem;
use crate::observe::metrics::Metrics;
use crate::route::{BodyRule, Route};
use crate::schema::{Imports, Schema};
use files::Files;

/// Time for who writes several files to write the next one, before they are read.
const SETTLE: Duration = Duration::from_millis(30);
/// How often that time is granted again because something changed in it.
const MOST_SETTLES: usize = 10;

/// Time between two looks at the dates of certificates that did not change.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What everything is read from.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The configuration's file.
    pub file: Option<PathBuf>,
    /// The flags over it.
    pub overrides: Overrides,
}

/// What came of reading everything once.
pub struct Start {
    /// All joined, or everything wrong.
    pub app: Result<App, Vec<Problem>>,
    /// What to look at from now on.
    pub watched: Watched,
}

/// Whether and which files are looked at, and what was in them.
pub struct Watched {
    config: config::Reload,
    paths: Vec<PathBuf>,
    files: Files,
    /// Where all descriptors come from; none where a server is asked for some.
    descriptors: Option<Descriptors>,
}

/// Where descriptors come from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Descriptors {
    paths: Vec<PathBuf>,
    imports: Imports,
}

/// The descriptors of what is served.
#[derive(Clone)]
struct Compiled {
    schema: Schema,
    /// Where they come from.
    descriptors: Descriptors,
    /// What was in the files then.
    files: Files,
}

/// What is served, and how to serve something else.
pub struct Reloading {
    source: Inputs,
    handover: Arc<Handover>,
    live: App,
    /// Not of what was refused since.
    known: Option<Compiled>,
    watched: Watched,
    operator: Operator,
}

/// Where the results of reloads go: metrics, and the pages of the admin port.
#[derive(Clone)]
pub struct Operator {
    /// Counts them.
    pub metrics: Arc<Metrics>,
    /// Shows what is served.
    pub live: Arc<Live>,
}

impl Inputs {
    /// Reads everything, and joins it.
    pub async fn start(&self) -> Start {
        self.start_with(None).await
    }

    /// The same; descriptors that have not changed are not compiled again.
    async fn start_with(&self, known: Option<Compiled>) -> Start {
        // The files are looked at before they are read: what changes in between is seen as a change afterwards.
        let (first, _) = config::load(self.file.as_deref(), &self.overrides);
        let before = Files::look(&self.paths(&first), &Files::default());
        let (config, problems) = config::load(self.file.as_deref(), &self.overrides);
        let (mut paths, reload) = (self.paths(&config), config.reload);
        let descriptors = || Descriptors { paths: config.schema.clone(), imports: config.imports.clone() };
        let descriptors = config.reflection.is_empty().then(descriptors);
        let known = known.filter(|known| descriptors.as_ref() == Some(&known.descriptors) && known.is_current());
        let app = App::with_schema(config, problems, known.map(|known| known.schema)).await;
        if let Ok(app) = &app {
            let imported = app.proto_files().iter().filter(|file| !paths.iter().any(|path| file.starts_with(path)));
            let imported: Vec<PathBuf> = imported.cloned().collect();
            paths.extend(imported);
        }
        let files = before.and(Files::look(&paths, &Files::default()));
        Start { app, watched: Watched { config: reload, paths, files, descriptors } }
    }

    fn paths(&self, config: &config::Config) -> Vec<PathBuf> {
        // What was given once can neither be read again nor change.
        let file = self.file.iter().filter(|_| self.overrides.given.is_none());
        file.cloned().chain(config.files()).collect()
    }
}

impl Compiled {
    fn of(app: &App, watched: &Watched) -> Option<Self> {
        let descriptors = watched.descriptors.clone()?;
        Some(Self { schema: app.schema().clone(), descriptors, files: watched.files.clone() })
    }

    /// Whether the files hold what they held, and there are no others.
    fn is_current(&self) -> bool {
        let paths: Vec<PathBuf> = self.descriptors.paths.iter().chain(self.schema.files()).cloned().collect();
        Files::look(&paths, &self.files).are_all_in(&self.files)
    }
}

impl Reloading {
    /// Follows the changes since `start`, which is served through `handover`.
    #[must_use]
    pub fn new(source: Inputs, live: App, watched: Watched, handover: Arc<Handover>, operator: Operator) -> Self {
        let known = Compiled::of(&live, &watched);
        Self { source, handover, live, known, watched, operator }
    }

    /// Reads everything anew whenever something comes through `asked`, and when a file changes. Never ends.
    pub async fn run(mut self, mut asked: mpsc::Receiver<()>) {
        let mut next_day = Instant::now() + DAY;
        loop {
            let config::Reload { watch, interval } = self.watched.config;
            tokio::select! {
                Some(()) = asked.recv() => {
                    tracing::info!("reloading: SIGHUP");
                    self.reload().await;
                }
                () = tokio::time::sleep(interval), if watch => {
                    if self.has_changed().await {
                        self.reload().await;
                    }
                }
                () = tokio::time::sleep_until(next_day) => {
                    next_day += DAY;
                    let found = self.live.certificates_at(SystemTime::now());
                    found.iter().for_each(|found| tracing::warn!("{found}"));
                }
            }
        }
    }

    /// Whether a file has changed, once they have come to rest.
    async fn has_changed(&mut self) -> bool {
        let mut seen = self.look(&self.watched.files).await;
        let changed: Vec<String> =
            seen.changed_since(&self.watched.files).iter().map(|path| path.display().to_string()).collect();
        if changed.is_empty() {
            // What was young may be old enough now not to be read again.
            self.watched.files = seen;
            return false;
        }
        tracing::info!("reloading: changed: {}", changed.join(", "));
        for _ in 0..MOST_SETTLES {
            tokio::time::sleep(SETTLE).await;
            let next = self.look(&seen).await;
            if next.changed_since(&seen).is_empty() {
                break;
            }
            seen = next;
        }
        true
    }

    async fn look(&self, before: &Files) -> Files {
        let (paths, known) = (self.watched.paths.clone(), before.clone());
        let looked = spawn_blocking(move || Files::look(&paths, &known)).await;
        // The look can only fail with the runtime, which ends.
        looked.unwrap_or_else(|_| before.clone())
    }

    async fn reload(&mut self) {
        // Not on this thread, which accepts connections, nor on the workers': schemas take their time.
        let (source, runtime) = (self.source.clone(), Handle::current());
        let known = self.known.clone();
        let start = spawn_blocking(move || runtime.block_on(source.start_with(known))).await;
        let Ok(start) = start else { return };
        let Start { app, mut watched } = start;
        match app {
            Ok(app) => {
                let app = app.in_place_of(&self.live);
                app.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
                app.notes().iter().for_each(|line| tracing::info!("{line}"));
                self.known = Compiled::of(&app, &watched);
                self.handover.put(app.recipe(), app.drain());
                self.operator.metrics.reloaded(true);
                self.operator.live.put(app.snapshot());
                tell(&self.live, &app);
                self.live = app;
            }
            Err(problems) => {
                let told: BTreeSet<String> = problems.iter().map(Problem::to_string).collect();
                told.iter().for_each(|problem| tracing::error!("reload: {problem}"));
                let things = if told.len() == 1 { "problem" } else { "problems" };
                self.operator.metrics.reloaded(false);
                tracing::error!("reload refused: {} {things}, nothing was changed", told.len());
                // What is imported is known of what serves only, and a fault may be in there.
                let imported = self.live.proto_files().iter().filter(|file| !watched.paths.contains(file)).cloned();
                let imported: Vec<PathBuf> = imported.collect();
                watched.files = watched.files.and(Files::look(&imported, &Files::default()));
                watched.paths.extend(imported);
                watched.config = self.watched.config;
            }
        }
        self.watched = watched;
    }
}

/// Says what is served now and was not before, and the other way round.
fn tell(old: &App, new: &App) {
    let (before, after) = (lines(old), lines(new));
    before.difference(&after).for_each(|route| tracing::info!("route removed: {route}"));
    after.difference(&before).for_each(|route| tracing::info!("route added: {route}"));
    if old.listen_address() != new.listen_address() {
        let (held, wanted) = (old.listen_address(), new.listen_address());
        tracing::warn!("listen.address is {wanted} now, which takes a restart: still listening on {held}");
    }
    if old.admin_address() != new.admin_address() {
        let held = old.admin_address().map_or("nowhere".to_owned(), |address| format!("on {address}"));
        let wanted = new.admin_address().unwrap_or("nowhere");
        tracing::warn!("admin.address is {wanted} now, which takes a restart: still listening {held}");
    }
    if old.access_log() != new.access_log() {
        tracing::warn!("log.access has changed, which takes a restart: the access log is as it was at the start");
    }
    if old.bounds_configured() != new.bounds_configured() {
        tracing::warn!(
            "`memory`, `listen.connections`, `listen.handshakes` or `listen.backlog` has changed, which takes a restart: still \
             within those of the start"
        );
    }
    let (routes, noun) = (new.routes().all().len(), if new.routes().all().len() == 1 { "route" } else { "routes" });
    tracing::info!("reloaded: serving {routes} {noun}");
}

/// A line for each route: all that `towbar routes` shows of it.
fn lines(app: &App) -> BTreeSet<String> {
    let line = |route: &Route| {
        let upstream = app.upstream_of(route).map_or_else(String::new, |name| format!(" of {name}"));
        let body = match &route.body {
            BodyRule::None if route.rpc.policy.accept_body => " (body: * accepted)".to_owned(),
            BodyRule::None => String::new(),
            BodyRule::Whole => " (body: *)".to_owned(),
            BodyRule::Field(field) => format!(" (body: {field})"),
        };
        format!("{} {} -> {}{upstream}{body}", route.method, route.template, route.rpc.name)
    };
    app.routes().all().iter().map(|route| line(route)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const PROTO: &str = r#"
syntax = "proto3";
package shop;
import "google/api/annotations.proto";
import "more.proto";
message Order { string id = 1; }
service Orders { rpc Get(Order) returns (Order) { option (google.api.http) = { get: "/v1/{id}" }; } }
"#;
    const MORE: &str = "syntax = \"proto3\";\npackage shop;\nmessage Item { string id = 1; }\n";
    const CONFIG: &str = "listen: 127.0.0.1:0\nschema: api/shop.proto\nupstream: http://127.0.0.1:9\n";

    /// What `act` changes, and whether the descriptors are compiled anew for it.
    #[tokio::test]
    async fn descriptors_are_compiled_again_only_if_they_have_changed() {
        type Act = fn(&Path);
        let cases: [(&str, Act, bool); 6] = [
            ("nothing", |_| {}, false),
            (
                "the configuration",
                |root| fs::write(root.join("t.yaml"), format!("{CONFIG}expose: shop.Orders\n")).unwrap(),
                false,
            ),
            ("the same text anew", |root| fs::write(root.join("api/shop.proto"), PROTO).unwrap(), false),
            (
                "a file of the schema",
                |root| fs::write(root.join("api/shop.proto"), PROTO.replace("v1", "v2")).unwrap(),
                true,
            ),
            ("what it imports", |root| fs::write(root.join("api/more.proto"), MORE.replace("id", "it")).unwrap(), true),
            (
                "which files it has",
                |root| fs::write(root.join("t.yaml"), CONFIG.replace("/shop.proto", "")).unwrap(),
                true,
            ),
        ];
        for (case, act, expected) in cases {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            fs::create_dir(root.join("api")).unwrap();
            for (name, text) in [("t.yaml", CONFIG), ("api/shop.proto", PROTO), ("api/more.proto", MORE)] {
                fs::write(root.join(name), text).unwrap();
            }
            let source = Inputs { file: Some(root.join("t.yaml")), overrides: Overrides::default() };
            let first = source.start().await;
            let before = first.app.unwrap_or_else(|problems| panic!("{problems:?}"));
            let known = Compiled::of(&before, &first.watched);
            act(root);
            let after = source.start_with(known).await.app.unwrap_or_else(|problems| panic!("{problems:?}"));
            let tables = |app: &App| std::ptr::from_ref(app.schema().message("shop.Order").unwrap().tables());
            assert_eq!(tables(&before) != tables(&after), expected, "{case}");
        }
    }
}
