//! What the commands load that serve nothing: schema and routes, and no certificate.

use super::runtime::runtime;
use super::settings::Settings;
use crate::app;
use crate::config::{self, Config, Overrides};
use crate::format::problem::Problem;
use crate::route::Routes;
use crate::schema::{Remarks, Schema};
use crate::server;
use crate::upstream;

pub(super) struct Loaded {
    pub(super) config: Config,
    pub(super) schema: Schema,
    pub(super) routes: Routes,
    /// Where `serve` would listen, if that is said and right.
    pub(super) listen: Option<server::Config>,
    /// Whom it would call, likewise.
    pub(super) upstream: Option<upstream::Config>,
}

impl Loaded {
    /// What the descriptors say to people: they are read again for it.
    pub(super) fn remarks(&self) -> Result<Remarks, Vec<Problem>> {
        Ok(runtime()?.block_on(app::remarks(&self.config)))
    }

    /// Everything wrong with schema and rpcs stops a command; the sections that say where to listen and whom to call
    /// may be missing, or wrong.
    pub(super) fn new(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let file = settings.file();
        // Where to listen does not count here, and whom to call only where it decides or tells what the routes are.
        let listen = Some("127.0.0.1:0".to_owned());
        let overrides = Overrides { listen, only_routes: true, ..settings.overrides() };
        let (config, mut problems) = config::load(file, &overrides);
        let loaded = runtime()?.block_on(app::routes(&config));
        match loaded {
            Ok((schema, routes)) if problems.is_empty() => {
                let (Config { listen, upstream, .. }, _) = config::load(file, &settings.overrides());
                Ok(Self { config, schema, routes, listen, upstream })
            }
            loaded => {
                problems.extend(loaded.err().unwrap_or_default());
                Err(problems)
            }
        }
    }
}
