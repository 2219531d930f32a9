//! What commands that do not serve load: schema and routes, but no certificates.

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
    /// The listener of `serve`; `None` if it is not configured or has problems.
    pub(super) listen: Option<server::Config>,
    /// The upstream of `serve`; `None` if it is not configured or has problems.
    pub(super) upstream: Option<upstream::Config>,
}

impl Loaded {
    /// Comments and options of the descriptors for documentation; the descriptors are read again for them.
    pub(super) fn remarks(&self) -> Result<Remarks, Vec<Problem>> {
        Ok(runtime()?.block_on(app::remarks(&self.config)))
    }

    /// Loads schema and routes. Any problem with schema or rpcs is an error; `listen` and `upstream` may be missing or
    /// wrong.
    pub(super) fn new(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let file = settings.file();
        // The listener does not matter here. The upstream matters only if the routes depend on it.
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
