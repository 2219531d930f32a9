//! Reloads everything while it is served: on SIGHUP, and when a file changes.
//!
//! A reload runs the whole start again beside the serving gateway. It reads configuration, descriptors, rules and
//! certificates, and builds a complete new [`App`], which all workers take over. If there are problems, they are logged
//! and nothing changes. Calls in flight finish with the state that they began with. Only the port stays the same: it is
//! bound since the start. Certificates that expire soon are reported every day.

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

/// After a change, wait this long before files are read, so that a tool that writes several files can write the next
/// one.
const SETTLE: Duration = Duration::from_millis(30);
/// How often that wait is repeated because more files changed.
const MOST_SETTLES: usize = 10;

/// The time between two checks of the expiry dates of unchanged certificates.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The sources of a start.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// The flags and environment that override the file.
    pub overrides: Overrides,
}

/// The result of reading everything once.
pub struct Start {
    /// The gateway, or all problems.
    pub app: Result<App, Vec<Problem>>,
    /// The files to watch from now on.
    pub watched: Watched,
}

/// The watched files, what they contained, and whether to poll them.
pub struct Watched {
    config: config::Reload,
    paths: Vec<PathBuf>,
    files: Files,
    /// The sources of all descriptors; `None` if a server is asked for some of them.
    descriptors: Option<Descriptors>,
}

/// The sources of descriptors.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Descriptors {
    paths: Vec<PathBuf>,
    imports: Imports,
}

/// The compiled descriptors that are served.
#[derive(Clone)]
struct Compiled {
    schema: Schema,
    descriptors: Descriptors,
    /// What the files contained when the descriptors were compiled.
    files: Files,
}

/// Watches for changes, and replaces what is served.
pub struct Reloading {
    source: Inputs,
    handover: Arc<Handover>,
    live: App,
    /// The descriptors that are served. A refused reload does not replace them.
    known: Option<Compiled>,
    watched: Watched,
    operator: Operator,
}

/// Where results of reloads are reported: metrics, and the pages of the admin port.
#[derive(Clone)]
pub struct Operator {
    /// Count reloads.
    pub metrics: Arc<Metrics>,
    /// Shows the state that is served now.
    pub live: Arc<Live>,
}

impl Inputs {
    /// Reads everything, and builds the gateway.
    pub async fn start(&self) -> Start {
        self.start_with(None).await
    }

    /// Reads everything, and builds the gateway. Descriptors that have not changed since `known` are not compiled
    /// again.
    async fn start_with(&self, known: Option<Compiled>) -> Start {
        // Files are recorded before they are read, so that a change in between is detected as a change later.
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
        // Standard input and pipes can neither be read again nor change.
        let file = self.file.iter().filter(|_| self.overrides.given.is_none());
        file.cloned().chain(config.files()).collect()
    }
}

impl Compiled {
    fn of(app: &App, watched: &Watched) -> Option<Self> {
        let descriptors = watched.descriptors.clone()?;
        Some(Self { schema: app.schema().clone(), descriptors, files: watched.files.clone() })
    }

    /// Whether the files are the same ones, with the same contents.
    fn is_current(&self) -> bool {
        let paths: Vec<PathBuf> = self.descriptors.paths.iter().chain(self.schema.files()).cloned().collect();
        Files::look(&paths, &self.files).are_all_in(&self.files)
    }
}

impl Reloading {
    /// Watches for changes since the start of `live`, which is served through `handover`.
    #[must_use]
    pub fn new(source: Inputs, live: App, watched: Watched, handover: Arc<Handover>, operator: Operator) -> Self {
        let known = Compiled::of(&live, &watched);
        Self { source, handover, live, known, watched, operator }
    }

    /// Reloads whenever a request comes through `asked`, and when a file changes. Never returns.
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

    /// Whether a file has changed. Waits until no further files change.
    async fn has_changed(&mut self) -> bool {
        let mut seen = self.look(&self.watched.files).await;
        let changed: Vec<String> =
            seen.changed_since(&self.watched.files).iter().map(|path| path.display().to_string()).collect();
        if changed.is_empty() {
            // Keep the new stamps: a file that changed recently may now be old enough not to be read again.
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
        // This fails only if the runtime is shutting down.
        looked.unwrap_or_else(|_| before.clone())
    }

    async fn reload(&mut self) {
        // Not on this thread, which accepts connections, nor on a worker's: compiling descriptors takes time.
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
                tracing::error!("reload rejected: {} {things}; the running configuration stays in use", told.len());
                // Only the serving app knows its imported files. Watch them too, since the problem may be in one of
                // them.
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

/// Logs the routes that were added and removed.
fn tell(old: &App, new: &App) {
    let (before, after) = (lines(old), lines(new));
    before.difference(&after).for_each(|route| tracing::info!("route removed: {route}"));
    after.difference(&before).for_each(|route| tracing::info!("route added: {route}"));
    if old.listen_address() != new.listen_address() {
        let (held, wanted) = (old.listen_address(), new.listen_address());
        tracing::warn!(
            "listen.address changed to {wanted}: restart Towbar to apply it; until then it listens on {held}"
        );
    }
    if old.admin_address() != new.admin_address() {
        let held = old.admin_address().map_or("nowhere".to_owned(), |address| format!("on {address}"));
        let wanted = new.admin_address().unwrap_or("nowhere");
        tracing::warn!("admin.address changed to {wanted}: restart Towbar to apply it; until then it listens {held}");
    }
    if old.access_log() != new.access_log() {
        tracing::warn!("log.access changed: restart Towbar to apply it; until then the access log stays as it is");
    }
    if old.bounds_configured() != new.bounds_configured() {
        tracing::warn!(
            "`memory`, `listen.connections`, `listen.handshakes` or `listen.backlog` changed: restart Towbar to apply it; until \
             then the earlier limits hold"
        );
    }
    let (routes, noun) = (new.routes().all().len(), if new.routes().all().len() == 1 { "route" } else { "routes" });
    tracing::info!("reloaded: serving {routes} {noun}");
}

/// One line per route, with everything that `towbar routes` shows.
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

    /// What `act` changes, and whether the descriptors have to be compiled again.
    #[tokio::test]
    async fn descriptors_are_recompiled_only_if_the_schema_files_have_changed() {
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
