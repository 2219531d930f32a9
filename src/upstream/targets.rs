//! The targets of log lines. Every line has its target, and operators filter by them (`TOWBAR_LOG`), so they stay the
//! same when code moves.

pub(crate) const RESOLVE: &str = "towbar::upstream::resolve";
pub(crate) const HEALTH: &str = "towbar::upstream::health";
pub(crate) const LIMIT: &str = "towbar::upstream::limit";
pub(crate) const STREAM: &str = "towbar::upstream::stream";
pub(crate) const CONNECTION: &str = "towbar::upstream::connection";
pub(crate) const STORE: &str = "towbar::upstream::store";
