//! The admin port: pages for operators, not for callers. It is off unless it is configured.
//!
//! ```text
//! port      the listener
//! router    all pages, and the layers around them
//! live      what is served now, which the pages show
//! readings  what is read at a scrape
//! probes    /live, /ready and /metrics
//! tables    /routes, /upstreams and /config
//! level     /log: the filter of the log, read and replaced
//! openapi   /openapi.json and /openapi.yaml
//! docs      /docs/: the page that shows the document, and its files
//! index     /: links to all of them
//! ```
//!
//! A page is a route in `router` and a handler in a file of this folder. Handlers read [`Pages`](pages::Pages); the
//! only thing that they can change is the log filter.

mod docs;
mod index;
mod level;
mod live;
mod openapi;
mod pages;
mod port;
mod probes;
mod readings;
mod router;
mod tables;

pub use live::{Live, Snapshot};
pub use pages::Pages;
pub use port::Admin;
pub use readings::Gauges;
